/* How a client's connection begins: the request, and the answer. */

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "net/conn_internal.h"
#include "proto/status.h"

/* Keys come from the kernel, many at a time; without them nothing is sent. Up
 * to 256 bytes come whole, whatever signals arrive. */
static bool take_key(uint8_t key[4]) {
  static _Thread_local uint8_t pool[256];
  static _Thread_local size_t left;
  if (left < 4) {
    if (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
      return false;
    left = sizeof pool;
  }
  for (int i = 0; i < 4; i++)
    key[i] = pool[--left];
  return true;
}

int neap_conn_dial(neap_conn **out, neap_loop *loop, int fd,
                   neap_settings *settings, const void *request, size_t size) {
  struct sockaddr_storage address = {0};
  socklen_t len = sizeof address;
  getpeername(fd, (struct sockaddr *)&address, &len);
  neap_transport_prepare(fd, neap_settings_silence(settings));
  neap_conn *conn = neap_conn_make(loop, fd, settings);
  if (conn == NULL)
    return NEAP_ENOMEM;
  conn->is_client = true;
  conn->state = NEAP_CONN_CONNECT;
  neap_address_read(&conn->address, &address);
  if (neap_buffer_append(&conn->http->held, request, size)) {
    neap_conn_terminate(conn);
    return NEAP_ENOMEM;
  }
  neap_conn_update_interest(conn);
  if (!conn->transport.is_watched) {
    neap_conn_terminate(conn);
    return NEAP_ENOMEM;
  }
  *out = conn;
  return NEAP_OK;
}

int neap_conn_dial_pipe(neap_conn **out, neap_loop *loop, neap_pipe *pipe,
                        neap_settings *server_settings, uint32_t tag,
                        neap_settings *settings, const void *request,
                        size_t size) {
  neap_conn *server =
    neap_conn_make_on_pipe(loop, &pipe->ends[1], server_settings);
  if (server == NULL)
    return NEAP_ENOMEM;
  server->http->tag = tag;
  server->address.family = AF_UNIX;
  server->state = NEAP_CONN_HEAD;
  neap_conn_update_interest(server);
  neap_conn *conn = neap_conn_make_on_pipe(loop, &pipe->ends[0], settings);
  if (conn == NULL || neap_buffer_append(&conn->http->held, request, size)) {
    neap_conn_terminate(server);
    if (conn)
      neap_conn_terminate(conn);
    return NEAP_ENOMEM;
  }
  conn->is_client = true;
  conn->address.family = AF_UNIX;
  neap_conn_update_interest(conn);
  *out = conn;
  return NEAP_OK;
}

void neap_conn_connected(neap_conn *conn) {
  int error = 0;
  socklen_t len = sizeof error;
  if (conn->transport.pipe == NULL)
    getsockopt(conn->transport.fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (error) {
    const char *text = strerror(error);
    neap_conn_set_reason(conn, text, strlen(text));
    conn->failure = NEAP_EREFUSED;
    neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
    return;
  }
  if (conn->transport.tls) {
    conn->state = NEAP_CONN_TLS;
    neap_conn_handshake(conn);
    return;
  }
  conn->state = NEAP_CONN_HEAD;
  neap_conn_send_request(conn);
  neap_conn_update_interest(conn);
}

void neap_conn_send_request(neap_conn *conn) {
  neap_buffer request = conn->http->held;
  conn->http->held = (neap_buffer){0};
  int err = neap_buffer_append(neap_conn_cork(conn), request.data, request.len);
  neap_buffer_release(&request);
  if (err)
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  neap_conn_uncork(conn);
}

int neap_conn_join(neap_conn *conn, const neap_deflate_terms *deflate) {
  if (conn->state != NEAP_CONN_ANSWER)
    return NEAP_ECLOSED;
  return neap_conn_open(conn, NEAP_CLIENT, take_key, deflate);
}
