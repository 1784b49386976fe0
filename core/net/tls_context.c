#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/loop.h"
#include "net/tls_internal.h"
#include "proto/status.h"

/* TICKETS: that a client gets in a handshake, one for its next connection.
 * LIFETIME: of a session, in seconds. */
enum { TICKETS = 1, LIFETIME = 8 * 3600 };

static const unsigned char alpn[] = "\x08http/1.1";
enum { ALPN_LEN = sizeof alpn - 1 };

/* Forward secrecy and authenticated ciphers alone. */
static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char ciphers_13[] =
  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static int fail(char *detail, size_t size, const char *text) {
  ERR_clear_error();
  snprintf(detail, size, "%s", text);
  return NEAP_ETLS;
}

/* Who offers protocols, and not the one spoken here, is refused (RFC 7301). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg) {
  unsigned char *chosen;
  (void)ssl;
  (void)arg;
  if (SSL_select_next_proto(&chosen, out_len, alpn, ALPN_LEN, in, in_len) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static bool answers(const neap_tls_identity *identity, const char *name) {
  if (identity->name && strcmp(identity->name, name) == 0)
    return true;
  X509 *cert = SSL_CTX_get0_certificate(identity->ssl);
  return X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                         NULL) == 1;
}

/* The first certificate answers whoever asks for no name, or an unknown one. */
static int on_server_name(SSL *ssl, int *alert, void *arg) {
  const neap_tls_context *context = arg;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  (void)alert;
  for (size_t i = 0; name && i < context->count; i++)
    if (answers(&context->identities[i], name)) {
      SSL_set_SSL_CTX(ssl, context->identities[i].ssl);
      break;
    }
  return SSL_TLSEXT_ERR_OK;
}

static int configure(SSL_CTX *ssl) {
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE |
                             SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  if (!SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) ||
      !SSL_CTX_set_cipher_list(ssl, ciphers_12) ||
      !SSL_CTX_set_ciphersuites(ssl, ciphers_13))
    return NEAP_ETLS;
  return NEAP_OK;
}

/* A session may be taken up again only where the same was asked of the client:
 * otherwise a ticket would stand for a certificate that was never shown. */
static int set_session_scope(SSL_CTX *ssl, const char *ca) {
  unsigned char id[EVP_MAX_MD_SIZE];
  unsigned len;
  const char *text = ca ? ca : "";
  if (!EVP_Digest(text, strlen(text), id, &len, EVP_sha256(), NULL))
    return NEAP_ETLS;
  return SSL_CTX_set_session_id_context(ssl, id, len) ? NEAP_OK : NEAP_ETLS;
}

static int configure_server(SSL_CTX *ssl, neap_tls_context *context,
                            const char *ca) {
  SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
  SSL_CTX_set_tlsext_servername_callback(ssl, on_server_name);
  SSL_CTX_set_tlsext_servername_arg(ssl, context);
  SSL_CTX_set_num_tickets(ssl, TICKETS);
  SSL_CTX_set_timeout(ssl, LIFETIME);
  if (context->verifies)
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
  return neap_tls_use_tickets(ssl) || set_session_scope(ssl, ca) ? NEAP_ETLS
                                                                 : NEAP_OK;
}

static int configure_client(SSL_CTX *ssl, neap_tls_context *context) {
  SSL_CTX_set_verify(ssl, context->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     NULL);
  return SSL_CTX_set_alpn_protos(ssl, alpn, ALPN_LEN) ? NEAP_ETLS : NEAP_OK;
}

static int fill(neap_tls_context *context, neap_tls_identity *identity,
                const neap_tls_settings *settings,
                const neap_tls_source *source, char *detail, size_t size) {
  SSL_CTX *ssl = identity->ssl =
    SSL_CTX_new(context->is_client ? TLS_client_method() : TLS_server_method());
  if (ssl == NULL || configure(ssl) ||
      (context->is_client ? configure_client(ssl, context)
                          : configure_server(ssl, context, settings->ca)))
    return fail(detail, size, "OpenSSL has no memory, or refuses its settings");
  if (source && source->name) {
    identity->name = strdup(source->name);
    if (identity->name == NULL)
      return NEAP_ENOMEM;
  }
  int err = NEAP_OK;
  if (source && source->cert)
    err = neap_tls_use_identity(ssl, source, detail, size);
  if (!err && context->verifies)
    err = neap_tls_use_ca(ssl, settings->ca, context->is_client, detail, size);
  return err;
}

int neap_tls_context_new(neap_tls_context **out, neap_loop *loop,
                         const neap_tls_settings *settings, char *detail,
                         size_t size) {
  size_t count = settings->count ? settings->count : 1;
  neap_tls_context *context = calloc(1, sizeof *context);
  if (context == NULL)
    return NEAP_ENOMEM;
  context->references = 1;
  context->loop = loop;
  context->born.size = sizeof *context;
  context->is_client = settings->is_client;
  context->verifies =
    settings->is_client ? settings->verifies : settings->ca != NULL;
  neap_census_open(&loop->census, &context->born, NEAP_CLASS_TLS_CONTEXT,
                   neap_loop_now(loop));
  context->identities = calloc(count, sizeof *context->identities);
  int err = context->identities ? NEAP_OK : NEAP_ENOMEM;
  for (size_t i = 0; i < count && !err; i++) {
    context->count = i + 1;
    err = fill(context, &context->identities[i], settings,
               settings->count ? &settings->sources[i] : NULL, detail, size);
  }
  if (err)
    neap_tls_context_release(context);
  else
    *out = context;
  return err;
}

neap_tls_context *neap_tls_context_retain(neap_tls_context *context) {
  context->references++;
  return context;
}

void neap_tls_context_release(neap_tls_context *context) {
  if (--context->references > 0)
    return;
  if (context->loop)
    neap_census_close(&context->loop->census, &context->born);
  for (size_t i = 0; i < context->count; i++) {
    SSL_CTX_free(context->identities[i].ssl);
    free(context->identities[i].name);
  }
  free(context->identities);
  free(context);
}

int64_t neap_tls_context_expires(const neap_tls_context *context,
                                 size_t which) {
  struct tm tm;
  X509 *cert = SSL_CTX_get0_certificate(context->identities[which].ssl);
  if (cert == NULL || !ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm))
    return INT64_MAX;
  return (int64_t)timegm(&tm);
}
