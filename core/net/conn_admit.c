/* Whether a connection may come in, and what it hears when it may not. */

#include "net/admission.h"
#include "net/conn_internal.h"

/* More that wait to have read their refusal would take others' descriptors. */
enum { LINGERING_MAX = 16 };

bool neap_conn_count_address(neap_conn *conn) {
  uint32_t most = conn->settings->per_ip;
  if (most == 0)
    return true;
  conn->is_numbered = neap_admission_enter_from(&conn->address, most);
  return conn->is_numbered;
}

static void say_busy(neap_conn *conn) {
  static const char text[] =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
    "Content-Length: 21\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
    "too many connections\n";
  struct iovec vector = {(void *)(uintptr_t)text, sizeof text - 1};
  neap_transport_send(&conn->transport, &vector, 1);
}

/* What the peer has sent, and nobody reads, would undo the answer; so it is read
 * away, for a moment. */
void neap_conn_refuse(neap_conn *conn, bool in_the_clear) {
  neap_loop *loop = conn->loop;
  loop->refused++;
  if (in_the_clear)
    say_busy(conn);
  if (!in_the_clear || loop->lingering >= LINGERING_MAX) {
    if (in_the_clear)
      neap_transport_receive(&conn->transport, loop->receive,
                             NEAP_RECEIVE_SIZE);
    neap_conn_release(conn);
    return;
  }
  conn->is_refused = true;
  loop->lingering++;
  neap_conn_start_shutdown(conn);
}

void neap_conn_leave(neap_conn *conn) {
  if (conn->is_admitted)
    neap_admission_leave();
  if (conn->is_numbered)
    neap_admission_leave_from(&conn->address);
  if (conn->is_refused)
    conn->loop->lingering--;
  conn->is_admitted = conn->is_numbered = conn->is_refused = false;
}
