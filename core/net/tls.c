#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "net/tls_fault.h"
#include "net/transport.h"
#include "proto/status.h"

/* RECORD: the most plaintext that one record carries. LEAD: ciphertext is
 * received that far into the buffer, so that plaintext, which may belong to a
 * record whose beginning came earlier, is written behind what was read.
 * AT_ONCE: plaintext encrypted before the socket is asked again. HELD_MAX: a
 * peer that makes us answer, and does not read, is given up. */
enum {
  RECORD = SSL3_RT_MAX_PLAIN_LENGTH,
  LEAD = SSL3_RT_MAX_ENCRYPTED_LENGTH,
  AT_ONCE = 4 * RECORD,
  HELD_MAX = 2 * AT_ONCE,
};

static neap_tls_wire *wire_of(const neap_tls *tls) {
  return &tls->loop->wire;
}

/* Clearing walks over all that may be there, which costs more than looking. */
static void forget_errors(void) {
  if (ERR_peek_error())
    ERR_clear_error();
}

static bool is_address(const char *host) {
  unsigned char bytes[sizeof(struct in6_addr)];
  return inet_pton(AF_INET, host, bytes) == 1 ||
         inet_pton(AF_INET6, host, bytes) == 1;
}

/* Whom the certificate must be for; a name is told to the server, too. */
static bool expect_host(SSL *ssl, const char *host) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  if (is_address(host))
    return X509_VERIFY_PARAM_set1_ip_asc(param, host);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, host, 0) &&
         SSL_set_tlsext_host_name(ssl, host);
}

static int start(neap_tls *tls, const char *host) {
  BIO *bio = neap_tls_wire_bio(wire_of(tls));
  tls->ssl = bio ? SSL_new(tls->context->identities[0].ssl) : NULL;
  if (tls->ssl == NULL) {
    BIO_free(bio);
    return NEAP_ENOMEM;
  }
  SSL_set_bio(tls->ssl, bio, bio);
  if (!tls->context->is_client) {
    SSL_set_accept_state(tls->ssl);
    return NEAP_OK;
  }
  SSL_set_connect_state(tls->ssl);
  return host == NULL || expect_host(tls->ssl, host) ? NEAP_OK : NEAP_ETLS;
}

int neap_tls_open(neap_transport *transport, neap_loop *loop,
                  neap_tls_context *context, const char *host) {
  neap_tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL)
    return NEAP_ENOMEM;
  tls->loop = loop;
  tls->transport = transport;
  tls->born.size = sizeof *tls;
  tls->context = neap_tls_context_retain(context);
  tls->is_settled = !context->is_client;
  neap_census_open(&loop->census, &tls->born, NEAP_CLASS_TLS,
                   neap_loop_now(loop));
  forget_errors();
  int err = start(tls, host);
  if (err)
    neap_tls_close(tls);
  else
    transport->tls = tls;
  forget_errors();
  return err;
}

void neap_tls_close(neap_tls *tls) {
  neap_census_close(&tls->loop->census, &tls->born);
  SSL_free(tls->ssl);
  forget_errors();
  neap_tls_context_release(tls->context);
  neap_buffer_release(&tls->held);
  free(tls->fault);
  free(tls);
}

/* ---- the way out */

static ssize_t send_bytes(neap_tls *tls, const neap_buffer *bytes) {
  struct iovec vector = {bytes->data, bytes->len};
  ssize_t n = neap_transport_send(tls->transport, &vector, 1);
  bool is_full =
    n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
  return is_full ? 0 : n;
}

static int send_held(neap_tls *tls) {
  if (tls->held.len == 0)
    return 0;
  ssize_t n = send_bytes(tls, &tls->held);
  if (n < 0)
    return -1;
  neap_buffer_consume(&tls->held, (size_t)n);
  if (tls->held.len == 0)
    neap_buffer_release(&tls->held);
  return 0;
}

static int hold(neap_tls *tls, const uint8_t *bytes, size_t len) {
  if (tls->held.len + len > HELD_MAX ||
      neap_buffer_append(&tls->held, bytes, len)) {
    errno = ENOBUFS;
    return -1;
  }
  return 0;
}

/* What OpenSSL has written leaves now, behind what is held; the rest is kept. */
static int send_out(neap_tls *tls) {
  neap_buffer *out = &wire_of(tls)->out;
  size_t len = out->len;
  ssize_t n = 0;
  out->len = 0;
  if (len == 0)
    return 0;
  if (tls->held.len == 0)
    n = send_bytes(tls, &(neap_buffer){out->data, len, out->cap});
  if (n < 0)
    return -1;
  return (size_t)n < len ? hold(tls, out->data + n, len - (size_t)n) : 0;
}

int neap_tls_flush(neap_tls *tls) {
  if (send_held(tls) || send_out(tls))
    return -1;
  if (tls->wants_fin && tls->held.len == 0) {
    tls->wants_fin = false;
    neap_transport_send_fin(tls->transport);
  }
  return 0;
}

/* ---- failures */

static void fail(neap_tls *tls) {
  if (tls->is_failed)
    return;
  tls->is_failed = true;
  tls->is_plain = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  tls->fault = neap_tls_fault(tls->ssl);
}

/* ---- the handshake */

/* The peer's bytes, where the wire finds them. As recv. */
static ssize_t receive(neap_tls *tls) {
  neap_tls_wire *wire = wire_of(tls);
  uint8_t *bytes = tls->loop->receive + LEAD;
  ssize_t n =
    neap_transport_receive(tls->transport, bytes, NEAP_RECEIVE_SIZE - LEAD);
  wire->reader = tls;
  wire->in = bytes;
  wire->in_len = n > 0 ? (size_t)n : 0;
  return n;
}

static bool is_waiting(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

int neap_tls_handshake(neap_tls *tls) {
  if (neap_tls_flush(tls))
    return NEAP_ECLOSED;
  ssize_t n = receive(tls);
  if (n == 0 || (n < 0 && !is_waiting(errno)))
    return NEAP_ECLOSED;
  forget_errors();
  int done = SSL_do_handshake(tls->ssl);
  if (done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ)
    fail(tls);
  if (send_out(tls) && !tls->is_failed)
    return NEAP_ECLOSED;
  return tls->is_failed ? NEAP_ETLS : done == 1;
}

/* ---- data */

/* Decrypts all that is there; returns how much plaintext that is. */
static size_t decrypt(neap_tls *tls, uint8_t *dst) {
  neap_tls_wire *wire = wire_of(tls);
  size_t total = 0, got;
  while (!neap_tls_has_more(tls)) {
    if (SSL_read_ex(tls->ssl, dst + total, NEAP_RECEIVE_SIZE - total, &got)) {
      total += got;
      if (wire->in_len == 0 && !SSL_has_pending(tls->ssl))
        break;
      continue;
    }
    int error = SSL_get_error(tls->ssl, 0);
    if (error == SSL_ERROR_WANT_READ)
      break;
    if (error == SSL_ERROR_ZERO_RETURN)
      tls->is_notified = true;
    else
      fail(tls);
  }
  return total;
}

/* A ticket, which comes before the first data, makes OpenSSL a buffer to answer
 * in, and it has that until something is written: a client that only listens
 * would keep 16 KiB. 0 where a part of a record is there: then the next time. */
static void settle(neap_tls *tls) {
  tls->is_settled = SSL_free_buffers(tls->ssl);
}

/* What decrypting has told, when there is nothing else. */
static ssize_t nothing_read(const neap_tls *tls) {
  if (tls->is_notified && !tls->is_failed)
    return 0;
  errno = tls->is_failed ? EPROTO : EAGAIN;
  return -1;
}

ssize_t neap_tls_read(neap_tls *tls, uint8_t *dst) {
  neap_tls_wire *wire = wire_of(tls);
  if (neap_tls_has_more(tls))
    return nothing_read(tls);
  bool is_there = wire->in_len && wire->reader == tls; /* behind a handshake */
  ssize_t n = is_there ? 1 : receive(tls);
  if (n <= 0)
    return n;
  forget_errors();
  size_t total = decrypt(tls, dst);
  wire->in_len = 0;
  if (total && !tls->is_settled)
    settle(tls);
  if (send_out(tls))
    tls->is_failed = true;
  return total ? (ssize_t)total : nothing_read(tls);
}

static bool encrypt(neap_tls *tls, const uint8_t *bytes, size_t len) {
  size_t written;
  return len == 0 || SSL_write_ex(tls->ssl, bytes, len, &written);
}

/* How far writing has come. */
struct cursor {
  const struct iovec *vectors;
  int count;
  size_t at; /* in the first of them */
};

/* The next bytes, max at most; their number, 0 at the end. */
static size_t take(struct cursor *cursor, const uint8_t **bytes, size_t max) {
  while (cursor->count > 0) {
    const struct iovec *vector = cursor->vectors;
    size_t left = vector->iov_len - cursor->at;
    if (left > 0) {
      left = left < max ? left : max;
      *bytes = (const uint8_t *)vector->iov_base + cursor->at;
      cursor->at += left;
      return left;
    }
    cursor->vectors++;
    cursor->count--;
    cursor->at = 0;
  }
  return 0;
}

/* Short vectors share a record; what fills one by itself, or comes last, is
 * encrypted where it lies. Returns how much, or -1. */
static ssize_t encrypt_some(neap_tls *tls, struct cursor *cursor) {
  uint8_t record[RECORD];
  const uint8_t *bytes;
  size_t filled = 0, total = 0, n;
  while (total < AT_ONCE) {
    n = take(cursor, &bytes, filled ? RECORD - filled : AT_ONCE - total);
    if (n == 0)
      break;
    total += n;
    if (filled == 0 && (n >= RECORD || cursor->count == 1)) {
      if (!encrypt(tls, bytes, n))
        return -1;
      continue;
    }
    memcpy(record + filled, bytes, n);
    filled += n;
    if (filled == RECORD) {
      if (!encrypt(tls, record, filled))
        return -1;
      filled = 0;
    }
  }
  return encrypt(tls, record, filled) ? (ssize_t)total : -1;
}

ssize_t neap_tls_write(neap_tls *tls, const struct iovec *vectors, int count) {
  struct cursor cursor = {vectors, count, 0};
  ssize_t n, total = 0;
  if (neap_tls_flush(tls))
    return -1;
  while (tls->held.len == 0) {
    forget_errors();
    n = tls->is_failed ? -1 : encrypt_some(tls, &cursor);
    if (n < 0)
      fail(tls);
    if (send_out(tls))
      return -1;
    if (n <= 0)
      break;
    total += n;
  }
  if (total > 0 || !(tls->is_failed || tls->held.len))
    return total;
  errno = tls->is_failed ? EPROTO : EAGAIN;
  return -1;
}

void neap_tls_end(neap_tls *tls, bool then_fin) {
  forget_errors();
  if (!tls->is_failed && !tls->is_ended && SSL_is_init_finished(tls->ssl))
    SSL_shutdown(tls->ssl);
  tls->is_ended = true;
  tls->wants_fin = then_fin;
  neap_tls_flush(tls);
}
