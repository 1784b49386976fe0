#include "net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_internal.h"
#include "proto/status.h"

static void on_poll(uv_poll_t *poll, int status, int events) {
  neap_conn_on_ready(poll->data, status, events);
}

static void on_pipe(void *owner, int events) {
  neap_conn_on_ready(owner, 0, events);
}

int neap_transport_open(neap_transport *transport, neap_loop *loop, int fd,
                        void *owner) {
  if (uv_poll_init(&loop->uv, &transport->poll, fd)) {
    close(fd);
    return NEAP_ENOMEM;
  }
  transport->any.data = owner;
  transport->fd = fd;
  neap_descriptor_note(&loop->descriptors, fd);
  neap_transport_set(transport, TCP_NODELAY, 1);
  return NEAP_OK;
}

void neap_transport_open_pipe(neap_transport *transport, neap_loop *loop,
                              neap_pipe_end *end, void *owner) {
  uv_idle_init(&loop->uv, &transport->idle);
  transport->any.data = owner;
  transport->fd = -1;
  transport->pipe = end;
  neap_pipe_open(end, owner, on_pipe);
}

void neap_transport_watch(neap_transport *transport, int events) {
  if (transport->pipe)
    neap_pipe_watch(transport->pipe, events);
  else
    uv_poll_start(&transport->poll, events, on_poll);
}

ssize_t neap_transport_read(neap_transport *transport, void *dst, size_t size) {
  ssize_t n;
  if (transport->pipe)
    return neap_pipe_read(transport->pipe, dst, size);
  do
    n = recv(transport->fd, dst, size, 0);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t neap_transport_write(neap_transport *transport, struct iovec *vectors,
                             int count) {
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
  int fd = transport->fd;
  ssize_t n;
  if (transport->pipe)
    return neap_pipe_write(transport->pipe, vectors, count);
  do
    n = count == 1 ? send(fd, vectors->iov_base, vectors->iov_len, MSG_NOSIGNAL)
                   : sendmsg(fd, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n;
}

void neap_transport_shutdown(neap_transport *transport) {
  if (transport->pipe)
    neap_pipe_shutdown(transport->pipe);
  else
    shutdown(transport->fd, SHUT_WR);
}

void neap_transport_give_up(neap_transport *transport) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (transport->pipe)
    neap_pipe_reset(transport->pipe);
  else
    setsockopt(transport->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void neap_transport_set(neap_transport *transport, int tcp_option, int value) {
  if (transport->pipe == NULL)
    setsockopt(transport->fd, IPPROTO_TCP, tcp_option, &value, sizeof value);
}

void neap_transport_close(neap_transport *transport, uv_close_cb closed) {
  if (transport->pipe)
    neap_pipe_close(transport->pipe);
  transport->pipe = NULL;
  neap_loop *loop = NEAP_CONTAINER(transport->any.loop, neap_loop, uv);
  uv_close(&transport->any, closed);
  neap_descriptor_close(&loop->descriptors, transport->fd);
}
