#include "net/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_internal.h"
#include "proto/status.h"

static neap_conn *owner_of(neap_transport *transport) {
  return NEAP_CONTAINER(transport, neap_conn, transport);
}

static neap_poller *poller_of(neap_transport *transport) {
  return &owner_of(transport)->loop->poller;
}

void neap_transport_on_ready(void *transport, int ready) {
  neap_conn_on_ready(owner_of(transport), ready);
}

void neap_transport_open(neap_transport *transport, int fd) {
  transport->fd = fd;
  neap_descriptor_note(&owner_of(transport)->loop->descriptors, fd);
}

void neap_transport_prepare(int fd, uint64_t silence) {
  int on = 1, ms = (int)silence;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

void neap_transport_open_pipe(neap_transport *transport, neap_pipe_end *end) {
  transport->fd = -1;
  transport->pipe = end;
  neap_pipe_open(end, transport, neap_transport_on_ready);
}

int neap_transport_watch(neap_transport *transport, int wanted) {
  neap_poller *poller = poller_of(transport);
  int err = NEAP_OK;
  if (transport->pipe)
    neap_pipe_watch(transport->pipe, wanted);
  else if (transport->is_watched)
    return neap_poller_change(poller, transport->fd, wanted, transport);
  else
    err = neap_poller_add(poller, transport->fd, wanted, transport);
  transport->is_watched = err == NEAP_OK;
  return err;
}

ssize_t neap_transport_receive(neap_transport *transport, void *dst,
                               size_t size) {
  ssize_t n;
  if (transport->pipe)
    return neap_pipe_read(transport->pipe, dst, size);
  do
    n = recv(transport->fd, dst, size, 0);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t neap_transport_send(neap_transport *transport,
                            const struct iovec *vectors, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vectors,
                           .msg_iovlen = (size_t)count};
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

ssize_t neap_transport_send_last(neap_transport *transport,
                                 const struct iovec *bytes) {
  ssize_t n;
  if (!neap_transport_is_bare(transport))
    return neap_transport_write(transport, bytes, 1);
  do
    n = send(transport->fd, bytes->iov_base, bytes->iov_len,
             MSG_NOSIGNAL | MSG_MORE);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t neap_transport_sendfile(neap_transport *transport, int fd, off_t *at,
                                size_t len) {
  ssize_t n;
  if (!neap_transport_is_bare(transport)) {
    errno = ENOTSUP;
    return -1;
  }
  do
    n = sendfile(transport->fd, fd, at, len);
  while (n < 0 && errno == EINTR);
  return n;
}

void neap_transport_send_fin(neap_transport *transport) {
  if (transport->pipe)
    neap_pipe_shutdown(transport->pipe);
  else
    shutdown(transport->fd, SHUT_WR);
}

ssize_t neap_transport_read(neap_transport *transport, uint8_t *dst) {
  if (transport->tls)
    return neap_tls_read(transport->tls, dst);
  return neap_transport_receive(transport, dst, NEAP_RECEIVE_SIZE);
}

ssize_t neap_transport_write(neap_transport *transport,
                             const struct iovec *vectors, int count) {
  if (transport->tls)
    return neap_tls_write(transport->tls, vectors, count);
  return neap_transport_send(transport, vectors, count);
}

int neap_transport_flush(neap_transport *transport) {
  return transport->tls ? neap_tls_flush(transport->tls) : 0;
}

void neap_transport_shutdown(neap_transport *transport, bool keeps_tcp) {
  if (transport->tls)
    neap_tls_end(transport->tls, !keeps_tcp);
  else if (!keeps_tcp)
    neap_transport_send_fin(transport);
}

void neap_transport_give_up(neap_transport *transport) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (transport->tls)
    transport->tls->is_ended = true; /* there is nothing left to say */
  if (transport->pipe)
    neap_pipe_reset(transport->pipe);
  else
    setsockopt(transport->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void neap_transport_bear(neap_transport *transport, uint64_t silence) {
  int ms = (int)silence;
  if (transport->pipe == NULL)
    setsockopt(transport->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

void neap_transport_close(neap_transport *transport) {
  if (transport->tls && !transport->tls->is_ended)
    neap_tls_end(transport->tls, false);
  if (transport->pipe) {
    neap_pipe_close(transport->pipe);
    transport->pipe = NULL;
    return;
  }
  if (transport->is_watched)
    neap_poller_remove(poller_of(transport), transport->fd);
  neap_descriptor_close(&owner_of(transport)->loop->descriptors, transport->fd);
}

void neap_transport_release(neap_transport *transport) {
  if (transport->tls)
    neap_tls_close(transport->tls);
  transport->tls = NULL;
}
