/* net/transport.h - what carries a connection's bytes: a socket, or in tests one
 * end of a pipe in memory; with TLS over it or without. */

#ifndef NEAP_NET_TRANSPORT_H
#define NEAP_NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/uio.h>

#include "net/pipe.h"
#include "net/poller.h"
#include "net/tls.h"

typedef struct neap_transport {
  neap_pipe_end *pipe; /* NULL: a socket */
  neap_tls *tls;       /* NULL: in the clear */
  int fd;              /* -1 of a pipe */
  bool is_watched;     /* it stands in the poller's set */
} neap_transport;

/* A transport stands inside its connection, whose loop it uses. Takes over fd. */
void neap_transport_open(neap_transport *transport, int fd);
void neap_transport_open_pipe(neap_transport *transport, neap_pipe_end *end);

/* Calls neap_conn_on_ready when any of wanted (enum neap_ready) is there.
 * NEAP_OK, or NEAP_ENOMEM of the first call for a socket. */
int neap_transport_watch(neap_transport *transport, int wanted);

/* What the poller of a loop calls for each socket. */
void neap_transport_on_ready(void *transport, int ready);

/* As recv and send: bytes, 0 at the end, -1 and errno (EPROTO: TLS has failed).
 * dst is the loop's receive buffer. */
ssize_t neap_transport_read(neap_transport *transport, uint8_t *dst);
ssize_t neap_transport_write(neap_transport *transport,
                             const struct iovec *vectors, int count);

/* The same below TLS, and the end of what is written, for tls.c. */
ssize_t neap_transport_receive(neap_transport *transport, void *dst,
                               size_t size);
ssize_t neap_transport_send(neap_transport *transport,
                            const struct iovec *vectors, int count);
void neap_transport_send_fin(neap_transport *transport);

/* The last bytes, right before the transport is closed: where it is bare, they
 * leave with its FIN, in one packet. */
ssize_t neap_transport_send_last(neap_transport *transport,
                                 const struct iovec *bytes);

/* Bytes that were written, and which the socket has not taken yet. */
static inline size_t neap_transport_held(const neap_transport *transport) {
  return transport->tls ? transport->tls->held.len : 0;
}

/* Tries to get rid of them: 0, though some may be left; -1 and errno. */
int neap_transport_flush(neap_transport *transport);

/* Reading has more to tell, and no poll will say so. */
static inline bool neap_transport_has_more(const neap_transport *transport) {
  return transport->tls && neap_tls_has_more(transport->tls);
}

/* The end that was read may be anyone's: the peer has not said it in TLS. */
static inline bool neap_transport_is_cut(const neap_transport *transport) {
  return transport->tls && !transport->tls->is_notified;
}

/* What is written can go from a file to the socket by itself. */
static inline bool neap_transport_is_bare(const neap_transport *transport) {
  return transport->tls == NULL && transport->pipe == NULL;
}

/* As sendfile: the kernel copies from the file at that offset, and moves it on.
 * -1 and ENOTSUP where bytes can't go from a file to the peer as they are. */
ssize_t neap_transport_sendfile(neap_transport *transport, int fd, off_t *at,
                                size_t len);

/* Nothing more is written: TLS says so, and unless TCP is to stay, it too. */
void neap_transport_shutdown(neap_transport *transport, bool keeps_tcp);

/* The close that follows is a reset: the kernel keeps nothing for a peer that
 * is given up. */
void neap_transport_give_up(neap_transport *transport);

/* How a TCP socket is to be, before it listens or connects: what is accepted
 * inherits it. A peer may leave bytes unacknowledged for silence milliseconds. */
void neap_transport_prepare(int fd, uint64_t silence);
void neap_transport_bear(neap_transport *transport, uint64_t silence);

/* The descriptor goes now; the memory must last until the turn ends. */
void neap_transport_close(neap_transport *transport);

/* At the end of the turn: the memory that is left. */
void neap_transport_release(neap_transport *transport);

#endif
