/* net/tls_internal.h - what the files of TLS share among them. */

#ifndef NEAP_NET_TLS_INTERNAL_H
#define NEAP_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls_context.h"
#include "proto/buffer.h"

struct neap_tls;

/* tls_identity.c: each puts what source names into ssl, NEAP_OK or NEAP_ETLS
 * and a line in detail. */
int neap_tls_use_identity(SSL_CTX *ssl, const neap_tls_source *source,
                          char *detail, size_t size);
int neap_tls_use_ca(SSL_CTX *ssl, const char *ca, bool is_client, char *detail,
                    size_t size);

/* tls_ticket.c: tickets of sessions are sealed with the keys of the process. */
int neap_tls_use_tickets(SSL_CTX *ssl);

/* tls_adopt.c: OpenSSL tells the secrets of a handshake as it comes to them. */
void neap_tls_on_secret(const SSL *ssl, const char *line);

/* tls_adopt.c: the handshake is done, and out holds what its last step has
 * written. Frees the SSL object if records can do without; else it stays. */
void neap_tls_adopt(struct neap_tls *tls, const neap_buffer *out);

#endif
