#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/loop.h"
#include "proto/status.h"

int neap_socket_status(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM:
    case ENOENT: return NEAP_EREFUSED;
    case ETIMEDOUT: return NEAP_ETIMEOUT;
    default: return NEAP_EIO;
  }
}

int neap_socket_open(neap_socket **out, neap_loop *loop, int fd) {
  neap_socket *socket = calloc(1, sizeof *socket);
  int err = socket ? uv_poll_init(&loop->uv, &socket->poll, fd) : UV_ENOMEM;
  if (err) {
    int status = err == UV_ENOMEM ? NEAP_ENOMEM : NEAP_EIO;
    free(socket);
    close(fd);
    return status;
  }
  socket->poll.data = socket;
  socket->loop = loop;
  socket->fd = fd;
  socket->born.size = sizeof *socket;
  neap_descriptor_note(&loop->descriptors, fd);
  neap_census_open(&loop->census, &socket->born, NEAP_CLASS_SOCKET,
                   neap_loop_now(loop));
  *out = socket;
  return NEAP_OK;
}

int neap_socket_connect(neap_socket **out, neap_loop *loop,
                        const struct sockaddr *address, socklen_t len) {
  int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  int fd = socket(address->sa_family, type, 0);
  if (fd < 0)
    return errno == EAFNOSUPPORT ? NEAP_EREFUSED : NEAP_EIO;
  if (connect(fd, address, len) == 0 || errno == EINPROGRESS)
    return neap_socket_open(out, loop, fd);
  int error = errno;
  close(fd);
  errno = error;
  return neap_socket_status(error);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  neap_socket *socket = poll->data;
  (void)status;
  (void)events;
  uv_poll_stop(poll);
  socket->ready(socket);
}

void neap_socket_watch(neap_socket *socket, int events) {
  uv_poll_start(&socket->poll, events, on_poll);
}

int neap_socket_error(const neap_socket *socket) {
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &len);
  return error;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

int neap_socket_take(neap_socket *socket) {
  int fd = socket->fd;
  neap_census_close(&socket->loop->census, &socket->born);
  uv_close((uv_handle_t *)&socket->poll, on_closed);
  return fd;
}

void neap_socket_close(neap_socket *socket) {
  neap_descriptor_close(&socket->loop->descriptors, neap_socket_take(socket));
}
