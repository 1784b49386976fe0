/* A connection whose peer is a proxy, which says first whom it speaks for. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn_internal.h"
#include "proto/proxy_header.h"
#include "proto/status.h"

void neap_conn_expect_proxy(neap_conn *conn) {
  conn->state = NEAP_CONN_PROXY;
  neap_conn_update_interest(conn);
}

static void take_address(neap_conn *conn, const neap_proxy_header *header) {
  switch (header->family) {
    case NEAP_PROXY_IP4:
      neap_address_set(&conn->address, AF_INET, header->bytes, header->port);
      break;
    case NEAP_PROXY_IP6:
      neap_address_set(&conn->address, AF_INET6, header->bytes, header->port);
      break;
    case NEAP_PROXY_UNIX:
      conn->address = (neap_address){.family = AF_UNIX};
      break;
    case NEAP_PROXY_NONE: break;
  }
}

static void go_on(neap_conn *conn, const neap_proxy_header *header) {
  neap_buffer_release(&conn->http->held);
  take_address(conn, header);
  if (!neap_conn_count_address(conn)) {
    neap_conn_refuse(conn, conn->transport.tls == NULL);
    return;
  }
  conn->state = conn->transport.tls ? NEAP_CONN_TLS : NEAP_CONN_HEAD;
  neap_conn_update_interest(conn);
}

static ssize_t receive(neap_conn *conn, uint8_t *dst, size_t size, int flags) {
  ssize_t n;
  do
    n = recv(conn->transport.fd, dst, size, flags);
  while (n < 0 && errno == EINTR);
  return n;
}

/* Looks first, and takes no byte of what follows: that may be TLS's. */
void neap_conn_read_proxy(neap_conn *conn) {
  neap_buffer *held = &conn->http->held;
  uint8_t *bytes = conn->loop->receive;
  size_t had = held->len;
  neap_proxy_header header;
  if (had)
    memcpy(bytes, held->data, had);
  ssize_t n = receive(conn, bytes + had, NEAP_PROXY_MAX - had, MSG_PEEK);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return;
  int used =
    n > 0 ? neap_proxy_read(&header, bytes, had + (size_t)n) : NEAP_EIO;
  size_t taken = used > 0 ? (size_t)used - had : (size_t)n;
  if (used < 0 || receive(conn, bytes + had, taken, 0) != (ssize_t)taken) {
    conn->loop->refused += used == NEAP_EPROTO;
    neap_conn_release(conn);
  } else if (used > 0) {
    go_on(conn, &header);
  } else if (neap_buffer_append(held, bytes + had, taken)) {
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  }
}
