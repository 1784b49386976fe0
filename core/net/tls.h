/* net/tls.h - TLS on one connection: what the transport does with it.
 *
 * Memory to memory: ciphertext comes into the loop's receive buffer and is
 * decrypted there; what OpenSSL writes is gathered and leaves in one send. Each
 * call empties OpenSSL's error queue first, so that no connection meets the
 * errors of another, and none calls back. */

#ifndef NEAP_NET_TLS_H
#define NEAP_NET_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/census.h"
#include "net/tls_context.h"
#include "proto/buffer.h"

struct neap_transport;

typedef struct neap_tls {
  neap_born born;
  struct neap_loop *loop;
  struct neap_transport *transport;
  neap_tls_context *context;
  SSL *ssl;
  neap_buffer held; /* ciphertext that the socket has not taken */
  char *fault;      /* what went wrong, in words; NULL: nothing, or no memory */
  bool is_notified; /* the peer's close_notify is there */
  bool is_failed;   /* nothing can be read or written any more */
  bool is_plain;    /* the peer spoke HTTP instead */
  bool is_ended;    /* our close_notify is written, or not wanted */
  bool is_settled;  /* no buffer is left of the server's ticket */
  bool wants_fin;   /* once all that is held has left */
} neap_tls;

/* Lays TLS over the transport. A client checks that the certificate is for
 * host, a name or an address. NEAP_OK, NEAP_ENOMEM, or NEAP_ETLS for a host that
 * is neither. */
int neap_tls_open(struct neap_transport *transport, struct neap_loop *loop,
                  neap_tls_context *context, const char *host);

/* Reads and writes what the handshake asks for. 1 when it is done, 0 when it
 * waits for the peer; NEAP_ETLS with fault set, NEAP_ECLOSED when the peer is
 * gone. */
int neap_tls_handshake(neap_tls *tls);

/* As recv and sendmsg do, with EPROTO when TLS has failed; dst is the loop's
 * receive buffer, whole. */
ssize_t neap_tls_read(neap_tls *tls, uint8_t *dst);
ssize_t neap_tls_write(neap_tls *tls, const struct iovec *vectors, int count);

/* Writes what is held: 0, with some still held when the socket is full; or -1. */
int neap_tls_flush(neap_tls *tls);

/* close_notify: nothing more is written. then_fin: nor by TCP. */
void neap_tls_end(neap_tls *tls, bool then_fin);

/* What was decrypted before is not the last that reading has to tell: no poll
 * will say so. */
static inline bool neap_tls_has_more(const neap_tls *tls) {
  return tls->is_notified || tls->is_failed;
}

void neap_tls_close(neap_tls *tls);

#endif
