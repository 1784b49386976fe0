/* net/tls_fault.h - what went wrong, said so that a person can mend it. */

#ifndef NEAP_NET_TLS_FAULT_H
#define NEAP_NET_TLS_FAULT_H

#include <openssl/types.h>

/* Of the call into ssl that has just failed, from the verification's result and
 * the error queue, which it empties. The caller frees it; NULL: no memory. */
char *neap_tls_fault(SSL *ssl);

#endif
