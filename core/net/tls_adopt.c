/* From the SSL object of a handshake to records that do without it. What they
 * need of it OpenSSL tells: the secrets as it comes to them, in the form of a
 * key log, and how many records it has sealed with the last one already. */

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "net/tls_internal.h"
#include "net/tls_wire.h"

/* In the line behind the label: the client's random number, and a space. */
enum { RANDOM_LEN = 2 * SSL3_RANDOM_SIZE + 1 };

static int value_of(char digit) {
  return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

static void set_secret(neap_tls_way *way, const char *digits) {
  size_t len = strlen(digits) / 2;
  if (len > sizeof way->secret)
    return;
  for (size_t i = 0; i < len; i++)
    way->secret[i] =
      (uint8_t)(value_of(digits[2 * i]) << 4 | value_of(digits[2 * i + 1]));
  way->secret_len = (uint8_t)len;
}

/* Of the connection whose turn it is; without memory it will keep its SSL. */
static neap_tls_records *records_of(neap_tls *tls) {
  if (tls->records == NULL)
    tls->records = calloc(1, sizeof *tls->records);
  if (tls->records)
    tls->records->is_client = tls->context->is_client;
  return tls->records;
}

void neap_tls_on_secret(const SSL *ssl, const char *line) {
  static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
  static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
  enum { LABEL_LEN = sizeof client - 1 };
  bool is_client = strncmp(line, client, LABEL_LEN) == 0;
  if (!is_client && strncmp(line, server, LABEL_LEN) != 0)
    return;
  const neap_tls_wire *wire = BIO_get_data(SSL_get_rbio(ssl));
  neap_tls_records *records = records_of(wire->reader);
  if (records == NULL || strlen(line) < LABEL_LEN + RANDOM_LEN)
    return;
  set_secret(is_client == records->is_client ? &records->out : &records->in,
             line + LABEL_LEN + RANDOM_LEN);
}

static uint64_t count_records(const neap_buffer *out) {
  uint64_t count = 0;
  size_t at = 0;
  while (at + NEAP_TLS_HEADER <= out->len) {
    at += NEAP_TLS_HEADER;
    at += (size_t)(out->data[at - 2] << 8 | out->data[at - 1]);
    count++;
  }
  return count;
}

/* A client that wants shorter records than all do is OpenSSL's matter. */
static bool can_adopt(const neap_tls *tls) {
  const neap_tls_records *records = tls->records;
  const SSL_SESSION *session = SSL_get_session(tls->ssl);
  return SSL_version(tls->ssl) == TLS1_3_VERSION && records &&
         records->in.secret_len && records->out.secret_len &&
         !SSL_has_pending(tls->ssl) &&
         SSL_SESSION_get_max_fragment_length(session) == 0;
}

static bool start(neap_tls *tls) {
  const SSL_CIPHER *chosen = SSL_get_current_cipher(tls->ssl);
  const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(chosen);
  const EVP_CIPHER *cipher =
    EVP_get_cipherbynid(SSL_CIPHER_get_cipher_nid(chosen));
  return cipher && digest &&
         neap_tls_way_start(&tls->records->in, cipher, digest, false) &&
         neap_tls_way_start(&tls->records->out, cipher, digest, true);
}

/* A server's last step comes after its keys have changed, and writes tickets;
 * what a client writes in its own has the handshake's keys yet. */
void neap_tls_adopt(neap_tls *tls, const neap_buffer *out) {
  if (!can_adopt(tls) || !start(tls)) {
    neap_tls_records_free(tls->records);
    tls->records = NULL;
    return;
  }
  if (!tls->context->is_client)
    tls->records->out.sequence = count_records(out);
  SSL_free(tls->ssl);
  tls->ssl = NULL;
}
