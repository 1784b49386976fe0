#include "net/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/admission.h"
#include "net/conn_internal.h"
#include "proto/status.h"

/* BATCH: a storm of connections must not starve those that are open. */
enum { BACKLOG = 4096, BATCH = 64, RETRY_MS = 100 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void take_spare(neap_acceptor *acceptor) {
  acceptor->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  neap_descriptor_note(&acceptor->loop->descriptors, acceptor->spare);
}

static void listen_again(neap_timer *timer) {
  neap_acceptor *acceptor = NEAP_CONTAINER(timer, neap_acceptor, retry);
  if (acceptor->spare < 0)
    take_spare(acceptor);
  uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

/* Where there is no memory to come back later, it goes on now. */
static void rest(neap_acceptor *acceptor) {
  if (!neap_loop_start_timer(acceptor->loop, &acceptor->retry, RETRY_MS))
    uv_poll_stop(&acceptor->poll);
}

/* Whoever waits is told by a reset, rather than left in the queue. */
static void shed(neap_acceptor *acceptor) {
  neap_loop *loop = acceptor->loop;
  if (acceptor->spare >= 0) {
    neap_descriptor_close(&loop->descriptors, acceptor->spare);
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
      close(fd);
      loop->shed++;
    }
  }
  take_spare(acceptor);
  if (loop->on_starved)
    loop->on_starved(loop->peer);
  rest(acceptor);
}

static bool is_passing(int error) {
  return error == EINTR || error == ECONNABORTED || error == EPROTO ||
         error == EPERM;
}

/* Below what is decided here: TLS, and the first byte of HTTP. */
static void start_with(neap_acceptor *acceptor, neap_conn *conn) {
  conn->http->is_last = acceptor->is_draining;
  if (acceptor->tls && neap_conn_secure(conn, acceptor->tls, NULL))
    neap_conn_terminate(conn);
  else if (acceptor->is_proxied)
    neap_conn_expect_proxy(conn);
}

static bool may_enter(neap_acceptor *acceptor) {
  const neap_settings *settings = acceptor->settings;
  uint64_t now = neap_loop_now(acceptor->loop);
  return neap_pace_take(&acceptor->pace, settings->handshakes, now) &&
         (settings->connections == 0 ||
          neap_admission_enter(settings->connections));
}

static void greet(neap_acceptor *acceptor, int fd,
                  const struct sockaddr_storage *from) {
  bool is_in = may_enter(acceptor);
  bool counts = is_in && acceptor->settings->connections > 0;
  neap_address address;
  neap_conn *conn;
  neap_address_read(&address, from);
  if (neap_conn_new(&conn, acceptor->loop, fd, acceptor->settings,
                    acceptor->tag, &address)) {
    if (counts)
      neap_admission_leave();
    return;
  }
  conn->is_admitted = counts;
  if (is_in && (acceptor->is_proxied || neap_conn_count_address(conn)))
    start_with(acceptor, conn);
  else
    neap_conn_refuse(conn, acceptor->tls == NULL);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  neap_acceptor *acceptor = poll->data;
  (void)status;
  (void)events;
  for (int i = 0; i < BATCH && !acceptor->is_closing; i++) {
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof from;
    int fd = accept4(acceptor->fd, (struct sockaddr *)&from, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      greet(acceptor, fd, &from);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno == EMFILE || errno == ENFILE) {
      shed(acceptor);
      return;
    } else if (!is_passing(errno)) {
      rest(acceptor);
      return;
    }
  }
}

int neap_acceptor_open(neap_acceptor **out, neap_loop *loop, int fd,
                       neap_socket_mark *mark, neap_settings *settings,
                       neap_fault *fault) {
  neap_acceptor *acceptor = calloc(1, sizeof *acceptor);
  if (acceptor == NULL || listen(fd, BACKLOG) ||
      uv_poll_init(&loop->uv, &acceptor->poll, fd)) {
    int err = neap_fault_of(acceptor ? errno : ENOMEM, fault);
    free(acceptor);
    if (mark)
      neap_socket_mark_release(mark);
    close(fd);
    return err;
  }
  acceptor->loop = loop;
  acceptor->fd = fd;
  if (mark)
    acceptor->mark = *mark;
  neap_descriptor_note(&loop->descriptors, fd);
  take_spare(acceptor);
  acceptor->settings = neap_settings_retain(settings);
  neap_transport_prepare(fd, neap_settings_silence(settings));
  acceptor->retry.fn = listen_again;
  acceptor->poll.data = acceptor;
  acceptor->born.size = sizeof *acceptor;
  neap_census_open(&loop->census, &acceptor->born, NEAP_CLASS_LISTENER,
                   neap_loop_now(loop));
  uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
  *out = acceptor;
  return NEAP_OK;
}

static void write_path(const struct sockaddr_un *un, socklen_t len, char *dst,
                       size_t size) {
  size_t head = offsetof(struct sockaddr_un, sun_path);
  size_t room = len > head ? len - head : 0;
  if (room && un->sun_path[0] == '\0')
    snprintf(dst, size, "@%.*s", (int)room - 1, un->sun_path + 1);
  else
    snprintf(dst, size, "%.*s", (int)room, un->sun_path);
}

int neap_acceptor_address(const neap_acceptor *acceptor, char *host,
                          size_t size, int *port) {
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  if (getsockname(acceptor->fd, (struct sockaddr *)&address, &len))
    return NEAP_EIO;
  if (address.ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)&address;
    inet_ntop(AF_INET, &in->sin_addr, host, (socklen_t)size);
    *port = ntohs(in->sin_port);
  } else if (address.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)&address;
    inet_ntop(AF_INET6, &in->sin6_addr, host, (socklen_t)size);
    *port = ntohs(in->sin6_port);
  } else {
    write_path((const void *)&address, len, host, size);
    *port = -1;
  }
  return NEAP_OK;
}

static void on_closed(uv_handle_t *handle) {
  neap_acceptor *acceptor = handle->data;
  neap_settings_release(acceptor->settings);
  if (acceptor->tls)
    neap_tls_context_release(acceptor->tls);
  free(acceptor);
}

void neap_acceptor_hold(neap_acceptor *acceptor) {
  uv_poll_stop(&acceptor->poll);
  neap_loop_stop_timer(acceptor->loop, &acceptor->retry);
}

void neap_acceptor_accept(neap_acceptor *acceptor) {
  listen_again(&acceptor->retry);
}

void neap_acceptor_secure(neap_acceptor *acceptor, neap_tls_context *context) {
  neap_tls_context *old = acceptor->tls;
  acceptor->tls = neap_tls_context_retain(context);
  if (old)
    neap_tls_context_release(old);
}

void neap_acceptor_close(neap_acceptor *acceptor) {
  if (acceptor->is_closing)
    return;
  acceptor->is_closing = true;
  neap_loop_stop_timer(acceptor->loop, &acceptor->retry);
  neap_census_close(&acceptor->loop->census, &acceptor->born);
  uv_close((uv_handle_t *)&acceptor->poll, on_closed);
  neap_descriptor_close(&acceptor->loop->descriptors, acceptor->fd);
  neap_descriptor_close(&acceptor->loop->descriptors, acceptor->spare);
  neap_socket_mark_release(&acceptor->mark);
}
