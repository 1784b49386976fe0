/* net/tls_internal.h - what the files of TLS share among them. */

#ifndef NEAP_NET_TLS_INTERNAL_H
#define NEAP_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls_context.h"

/* tls_identity.c: each puts what source names into ssl, NEAP_OK or NEAP_ETLS
 * and a line in detail. */
int neap_tls_use_identity(SSL_CTX *ssl, const neap_tls_source *source,
                          char *detail, size_t size);
int neap_tls_use_ca(SSL_CTX *ssl, const char *ca, bool is_client, char *detail,
                    size_t size);

/* tls_ticket.c: tickets of sessions are sealed with the keys of the process. */
int neap_tls_use_tickets(SSL_CTX *ssl);

#endif
