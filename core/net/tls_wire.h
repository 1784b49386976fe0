/* net/tls_wire.h - the ciphertext of the connection that a loop serves now.
 *
 * All SSL objects of a loop share one BIO: it reads from `in`, which lies in
 * the loop's receive buffer, and appends to `out`. Both are empty when the loop
 * turns to another connection. */

#ifndef NEAP_NET_TLS_WIRE_H
#define NEAP_NET_TLS_WIRE_H

#include <openssl/types.h>

#include "proto/buffer.h"

typedef struct neap_tls_wire {
  BIO *bio; /* NULL until the first use */
  struct bio_method_st *method;
  const void *reader; /* whose `in` is */
  const uint8_t *in;
  size_t in_len;
  neap_buffer out;
} neap_tls_wire;

/* The BIO, made at the first call; NULL: no memory. A reference is the
 * caller's. */
BIO *neap_tls_wire_bio(neap_tls_wire *wire);
void neap_tls_wire_release(neap_tls_wire *wire);

#endif
