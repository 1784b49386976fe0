/* net/transport.h - what carries a connection's bytes: a socket, or in tests one
 * end of a pipe in memory. */

#ifndef NEAP_NET_TRANSPORT_H
#define NEAP_NET_TRANSPORT_H

#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#include "net/pipe.h"

typedef struct neap_transport {
  union {
    uv_handle_t any;
    uv_poll_t poll; /* of a socket */
    uv_idle_t idle; /* of a pipe: never started, only closed */
  };
  neap_pipe_end *pipe; /* NULL: a socket */
  int fd;              /* -1 of a pipe */
} neap_transport;

/* status < 0: the socket has failed. events as uv_poll_t has them. */
typedef void neap_transport_fn(void *owner, int status, int events);

/* Takes over fd, also when it fails. NEAP_OK or NEAP_ENOMEM. */
int neap_transport_open(neap_transport *transport, struct neap_loop *loop,
                        int fd, void *owner);
void neap_transport_open_pipe(neap_transport *transport, struct neap_loop *loop,
                              neap_pipe_end *end, void *owner);

/* Calls neap_conn_on_ready with the owner when any of events is there. */
void neap_transport_watch(neap_transport *transport, int events);

/* As recv and send: bytes, 0 at the end, -1 and errno. */
ssize_t neap_transport_read(neap_transport *transport, void *dst, size_t size);
ssize_t neap_transport_write(neap_transport *transport, struct iovec *vectors,
                             int count);

/* Nothing more is written. */
void neap_transport_shutdown(neap_transport *transport);

/* The close that follows is a reset: the kernel keeps nothing for a peer that
 * is given up. */
void neap_transport_give_up(neap_transport *transport);
void neap_transport_set(neap_transport *transport, int tcp_option, int value);

/* The descriptor goes now; closed is called from the loop, at depth 0, with the
 * handle, whose data is the owner. */
void neap_transport_close(neap_transport *transport, uv_close_cb closed);

#endif
