/* net/tls_context.h - certificates and settings that many TLS connections share.
 *
 * Immutable once in use; counted by reference, so that connections which are
 * open keep the one they began with when a listener gets another. One loop. */

#ifndef NEAP_NET_TLS_CONTEXT_H
#define NEAP_NET_TLS_CONTEXT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/census.h"

struct neap_loop;

/* Where a certificate comes from: a path each, or PEM text itself. */
typedef struct neap_tls_source {
  const char *cert; /* its chain follows it; NULL: none (a client) */
  const char *key;  /* NULL: in cert too */
  const char *passphrase;
  const char *name; /* answers this name too; NULL: those it names */
} neap_tls_source;

/* One certificate with its key, ready for use. */
typedef struct neap_tls_identity {
  SSL_CTX *ssl;
  char *name;
} neap_tls_identity;

typedef struct neap_tls_context {
  neap_born born;
  struct neap_loop *loop; /* NULL once that is gone */
  neap_tls_identity *identities;
  size_t count;
  size_t references;
  bool is_client;
  bool verifies; /* the peer has to show a certificate that holds */
} neap_tls_context;

/* All of them are borrowed for the call. A server needs a source, and chooses
 * among several by the name that is asked for; a client has one at most. ca: a
 * file, or PEM text, of those whose signature is trusted. For a server it asks
 * for certificates of clients; a client without one trusts what the system
 * does. verifies = false: a client takes any certificate. */
typedef struct neap_tls_settings {
  const neap_tls_source *sources;
  size_t count;
  const char *ca;
  bool is_client;
  bool verifies;
} neap_tls_settings;

/* One reference is the caller's. NEAP_ETLS, with one line in detail that names
 * the file and what is wrong with it, or NEAP_ENOMEM. */
int neap_tls_context_new(neap_tls_context **out, struct neap_loop *loop,
                         const neap_tls_settings *settings, char *detail,
                         size_t size);
neap_tls_context *neap_tls_context_retain(neap_tls_context *context);
void neap_tls_context_release(neap_tls_context *context);

/* Seconds since 1970 after which a certificate is not valid any more. */
int64_t neap_tls_context_expires(const neap_tls_context *context, size_t which);

#endif
