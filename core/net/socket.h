/* net/socket.h - a bare descriptor on the loop: what a client has before there
 * is a connection, while it connects and talks to a proxy.
 *
 * The loop owns it, and frees it in libuv's close callback. */

#ifndef NEAP_NET_SOCKET_H
#define NEAP_NET_SOCKET_H

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "net/census.h"

struct neap_loop;
typedef struct neap_socket neap_socket;

/* It is ready for what was watched for, or has failed; once for each watch. */
typedef void neap_socket_fn(neap_socket *socket);

struct neap_socket {
  uv_poll_t poll;
  neap_born born;
  struct neap_loop *loop;
  neap_socket_fn *ready;
  void *peer; /* the binding's */
  int fd;
};

/* Takes over fd, also when it fails. NEAP_ENOMEM, or NEAP_EIO for what can't be
 * polled: a regular file. */
int neap_socket_open(neap_socket **out, struct neap_loop *loop, int fd);

/* Begins to connect: writable says that it is over, neap_socket_error how. On
 * failure errno says why. */
int neap_socket_connect(neap_socket **out, struct neap_loop *loop,
                        const struct sockaddr *address, socklen_t len);

/* UV_READABLE or UV_WRITABLE. */
void neap_socket_watch(neap_socket *socket, int events);

/* What the socket has to report, as errno has it; 0 for nothing. */
int neap_socket_error(const neap_socket *socket);

/* Lets go of the descriptor, which is the caller's from then on. */
int neap_socket_take(neap_socket *socket);
void neap_socket_close(neap_socket *socket);

/* The status that an errno of connect, read or write stands for. */
int neap_socket_status(int error);

#endif
