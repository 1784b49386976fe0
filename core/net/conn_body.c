/* The body of a request, which comes when it is asked for and not before. */

#include <string.h>

#include "net/http_internal.h"
#include "proto/status.h"

/* DISCARD_MAX: what may be left of a body that nobody asked for. A byte buys the
 * peer a millisecond: a body that trickles is not waited for. */
enum { DISCARD_MAX = 64 * 1024 };

static int fail(neap_http *http, int status) {
  http->failure = (int16_t)status;
  http->keeps = false;
  return status;
}

static void note_wait(neap_conn *conn, uint64_t length) {
  neap_http *http = conn->http;
  uint64_t now = neap_loop_now(conn->loop);
  if (!neap_deadline_is_armed(&conn->deadline) || length == 0)
    return;
  uint64_t began = conn->deadline.at - length;
  http->waited += (uint32_t)(now > began ? now - began : 0);
}

static bool is_too_slow(const neap_http *http, uint64_t length) {
  return length && http->waited > length + http->body.received;
}

static int send_continue(neap_conn *conn) {
  static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
  neap_http *http = conn->http;
  bool is_due = http->owes_continue && http->body.received == 0 &&
                http->writing == NEAP_HTTP_SILENT;
  http->owes_continue = false;
  if (!is_due)
    return NEAP_OK;
  return neap_buffer_append(neap_conn_cork(conn), line, sizeof line - 1);
}

static int wait_for_more(neap_conn *conn) {
  neap_http *http = conn->http;
  uint64_t length = conn->settings->body;
  if (is_too_slow(http, length))
    return fail(http, NEAP_ETIMEOUT);
  if (send_continue(conn))
    return fail(http, NEAP_ENOMEM);
  http->wants_body = true;
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_BODY, length);
  neap_conn_update_interest(conn);
  return NEAP_BODY_WAIT;
}

void neap_http_stop_waiting(neap_conn *conn) {
  if (!conn->http->wants_body)
    return;
  conn->http->wants_body = false;
  note_wait(conn, conn->settings->body);
  neap_deadline_disarm(&conn->deadline);
  neap_conn_update_interest(conn);
}

int neap_conn_read_body(neap_conn *conn, size_t limit, const uint8_t **data,
                        size_t *len) {
  neap_http *http = conn->http;
  size_t used;
  if (conn->state != NEAP_CONN_ANSWER)
    return NEAP_ECLOSED;
  if (http->failure)
    return http->failure;
  neap_http_stop_waiting(conn);
  http->body.limit = limit;
  int got =
    neap_http_body_next(&http->body, http->at, http->left, &used, data, len);
  http->at += used;
  http->left -= used;
  if (got > 0)
    return NEAP_BODY_PIECE;
  if (got < 0)
    return fail(http, got);
  if (neap_http_body_is_done(&http->body))
    return NEAP_BODY_END;
  return wait_for_more(conn);
}

const char *neap_conn_body_error(const neap_conn *conn) {
  const neap_http *http = conn->http;
  if (http->body.error)
    return http->body.error;
  return http->failure == NEAP_ETIMEOUT ? "the body came too slowly"
                                        : neap_status_text(http->failure);
}

void neap_http_on_body_deadline(neap_conn *conn) {
  conn->http->wants_body = false;
  fail(conn->http, NEAP_ETIMEOUT);
  conn->loop->events->readable(conn);
  neap_conn_update_interest(conn);
}

bool neap_http_discard(neap_conn *conn) {
  neap_http *http = conn->http;
  const uint8_t *piece;
  size_t used, size;
  int got;
  http->body.limit = 0;
  do {
    got = neap_http_body_next(&http->body, http->at, http->left, &used, &piece,
                              &size);
    http->at += used;
    http->left -= used;
  } while (got > 0);
  if (got < 0)
    fail(http, got);
  return neap_http_body_is_done(&http->body);
}

/* A client that waits for 100 may send its body or the next request behind the
 * answer: nobody can tell which, so there is no next one. */
bool neap_http_can_discard(neap_conn *conn) {
  if (neap_http_body_is_done(&conn->http->body) || neap_http_discard(conn))
    return true;
  return !conn->http->owes_continue &&
         neap_http_body_left(&conn->http->body) <= DISCARD_MAX;
}
