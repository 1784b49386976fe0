/* Before a connection is a WebSocket: the head it sent, and the answer. */

#include <stdio.h>
#include <time.h>

#include "net/conn_internal.h"
#include "proto/handshake.h"
#include "proto/status.h"

enum { ANSWER_MS = 5000 };

int neap_conn_answer(neap_conn *conn, const neap_http_answer *answer) {
  if (conn->state > NEAP_CONN_ANSWER)
    return NEAP_ECLOSED;
  char date[40];
  time_t now = time(NULL);
  struct tm tm;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
  int err = neap_http_write_answer(neap_conn_cork(conn), answer, date);
  if (err) {
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return err;
  }
  conn->state = NEAP_CONN_CLOSING;
  neap_loop_arm(conn->loop, &conn->write, NEAP_DEADLINE_WRITE,
                conn->settings->write ? conn->settings->write : ANSWER_MS);
  neap_deadline_disarm(&conn->deadline);
  neap_conn_update_interest(conn);
  neap_conn_mark_dirty(conn);
  return NEAP_OK;
}

void neap_conn_refuse(neap_conn *conn, int status, const char *text) {
  char body[256];
  int len = snprintf(body, sizeof body, "%s\n", text);
  static const char type[] = "Content-Type: text/plain; charset=utf-8\r\n";
  neap_conn_answer(conn, &(neap_http_answer){.status = status,
                                             .headers = type,
                                             .headers_len = sizeof type - 1,
                                             .body = body,
                                             .body_len = (size_t)len});
}

/* What follows the head is kept first, since the answer may come at once; the
 * event borrows the head's bytes, so they are dropped last. */
static void on_head(neap_conn *conn, const neap_http_head *head, uint8_t *bytes,
                    size_t len, size_t size) {
  neap_buffer held = conn->head;
  conn->head = (neap_buffer){0};
  if (neap_buffer_append(&conn->head, bytes + size, len - size)) {
    neap_buffer_release(&held);
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return;
  }
  conn->state = NEAP_CONN_ANSWER;
  conn->wants_upgrade = neap_handshake_is_upgrade(head, (const char *)bytes);
  conn->is_reading = true;
  conn->loop->events->head(conn, head, (const char *)bytes, size);
  conn->is_reading = false;
  neap_buffer_release(&held);
}

static int parse(const neap_conn *conn, neap_http_head *head,
                 const uint8_t *bytes, size_t len) {
  size_t limit = conn->settings->header;
  return conn->is_client
           ? neap_http_read_response(head, (const char *)bytes, len, limit)
           : neap_http_read_request(head, (const char *)bytes, len, limit);
}

/* A head that came whole is read where it lies; one that did not is copied. */
void neap_conn_read_head(neap_conn *conn, uint8_t *bytes, size_t len) {
  neap_http_head head;
  int err = NEAP_OK;
  if (conn->head.len) {
    err = neap_buffer_append(&conn->head, bytes, len);
    bytes = conn->head.data;
    len = conn->head.len;
  }
  int size = err ? err : parse(conn, &head, bytes, len);
  if (size == 0 && conn->head.len == 0)
    err = neap_buffer_append(&conn->head, bytes, len);
  if (err)
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  else if (size < 0 && conn->is_client)
    neap_conn_abort(conn, NEAP_CAUSE_PROTOCOL, NEAP_BY_PEER);
  else if (size < 0)
    neap_conn_refuse(conn, head.status, head.error);
  else if (size > 0)
    on_head(conn, &head, bytes, len, (size_t)size);
  neap_conn_uncork(conn);
  neap_conn_update_interest(conn); /* most answers came at once: no change */
  if (neap_conn_is_live(conn))
    neap_conn_finish(conn);
}
