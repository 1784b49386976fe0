/* net/transport.h - what carries a connection's bytes: a socket, or in tests one
 * end of a pipe in memory. */

#ifndef NEAP_NET_TRANSPORT_H
#define NEAP_NET_TRANSPORT_H

#include <stdbool.h>
#include <sys/uio.h>

#include "net/pipe.h"
#include "net/poller.h"

typedef struct neap_transport {
  neap_pipe_end *pipe; /* NULL: a socket */
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

/* The descriptor goes now; the memory must last until the turn ends. */
void neap_transport_close(neap_transport *transport);

#endif
