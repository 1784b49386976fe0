/* A connection whose peer has to speak TLS first. */

#include <stdlib.h>
#include <string.h>

#include "net/conn_internal.h"
#include "net/tls.h"
#include "proto/status.h"

int neap_conn_secure(neap_conn *conn, neap_tls_context *context,
                     const char *host) {
  int err = neap_tls_open(&conn->transport, conn->loop, context, host);
  if (err)
    return err;
  if (conn->state == NEAP_CONN_HEAD)
    conn->state = NEAP_CONN_TLS;
  neap_conn_update_interest(conn);
  return NEAP_OK;
}

/* Who speaks HTTP to this port learns why nothing works. */
static void answer_in_the_clear(neap_conn *conn) {
  static const char text[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
    "Content-Length: 45\r\nConnection: close\r\n\r\n"
    "this port speaks TLS: use https:// or wss://\n";
  struct iovec vector = {(void *)(uintptr_t)text, sizeof text - 1};
  neap_transport_send(&conn->transport, &vector, 1);
}

/* The alert has left: a reset, or bytes left unread, would undo it. */
static void on_failure(neap_conn *conn) {
  const neap_tls *tls = conn->transport.tls;
  const char *fault = tls->fault ? tls->fault : "TLS has failed";
  if (tls->is_plain)
    answer_in_the_clear(conn);
  conn->failure = NEAP_ETLS;
  neap_conn_set_reason(conn, fault, strlen(fault));
  if (conn->is_client) {
    neap_conn_release(conn);
    return;
  }
  conn->loop->events->insecure(conn, fault);
  if (neap_conn_is_live(conn))
    neap_conn_start_shutdown(conn);
}

static void on_done(neap_conn *conn) {
  conn->state = NEAP_CONN_HEAD;
  if (conn->is_client)
    neap_conn_send_request(conn);
  neap_conn_update_interest(conn);
  if (neap_conn_is_live(conn)) /* what came behind the handshake */
    neap_conn_readable(conn);
}

void neap_conn_handshake(neap_conn *conn) {
  int done = neap_tls_handshake(conn->transport.tls);
  if (done == NEAP_ETLS)
    on_failure(conn);
  else if (done < 0)
    neap_conn_abort(conn, NEAP_CAUSE_EOF, NEAP_BY_NET);
  else if (done)
    on_done(conn);
  else
    neap_conn_update_interest(conn);
}
