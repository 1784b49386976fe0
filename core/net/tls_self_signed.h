/* net/tls_self_signed.h - a certificate for trying things out. */

#ifndef NEAP_NET_TLS_SELF_SIGNED_H
#define NEAP_NET_TLS_SELF_SIGNED_H

#include "proto/buffer.h"

/* Makes a key (P-256) and a certificate that it has signed itself, both as PEM
 * text appended to the buffers. names as OpenSSL writes them:
 * "DNS:localhost,IP:127.0.0.1". NEAP_OK, NEAP_ENOMEM, or NEAP_ETLS for names
 * that are none. */
int neap_tls_self_sign(neap_buffer *cert_pem, neap_buffer *key_pem,
                       const char *common_name, const char *names, int days);

#endif
