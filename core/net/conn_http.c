/* Requests on one connection, one at a time. What comes behind the one that is
 * being answered waits, in order: in the socket, or where it was read into. */

#include "net/http_internal.h"
#include "proto/handshake.h"
#include "proto/status.h"

/* BATCH: a peer that sends many requests at once has its turn, and then others
 * have theirs. DISCARD_MS: for a small rest of a body that nobody asked for. */
enum { BATCH = 16, DISCARD_MS = 2000, ANSWER_MS = 5000 };

static int parse(const neap_conn *conn, neap_http_head *head) {
  const char *src = (const char *)conn->http->at;
  size_t limit = conn->settings->header;
  return conn->is_client
           ? neap_http_read_response(head, src, conn->http->left, limit)
           : neap_http_read_request(head, src, conn->http->left, limit);
}

/* Behind a request that wants to switch there is WebSocket, or nothing. */
static bool may_keep(const neap_conn *conn, const neap_http_head *head,
                     const char *src) {
  if (conn->settings->keepalive == 0 || conn->wants_upgrade)
    return false;
  return head->minor == 0
           ? neap_http_has_token(head, src, "connection", "keep-alive")
           : !neap_http_has_token(head, src, "connection", "close");
}

/* The binding has all the time it needs, unless a peer waits for a 101. */
static void start_request(neap_conn *conn, const neap_http_head *head,
                          const char *src) {
  neap_http *http = conn->http;
  conn->state = NEAP_CONN_ANSWER;
  conn->wants_upgrade = neap_handshake_is_upgrade(head, src);
  if (conn->is_client)
    return;
  neap_http_body_init(&http->body, head);
  http->failure = NEAP_OK;
  http->waited = 0;
  http->writing = NEAP_HTTP_SILENT;
  http->is_old = head->minor == 0;
  http->keeps = may_keep(conn, head, src);
  http->owes_continue = head->expects_continue;
  http->wants_body = http->is_watched = false;
  if (!conn->wants_upgrade)
    neap_deadline_disarm(&conn->deadline);
  else if (http->is_idle)
    neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_HANDSHAKE,
                  conn->settings->handshake);
  http->is_idle = false;
}

/* One head, read where it lies; false when it is not whole, or wrong. */
static bool read_head(neap_conn *conn) {
  neap_http *http = conn->http;
  neap_http_head head;
  int size = parse(conn, &head);
  if (size < 0 && conn->is_client)
    neap_conn_abort(conn, NEAP_CAUSE_PROTOCOL, NEAP_BY_PEER);
  else if (size < 0)
    neap_http_refuse(conn, head.status, head.error);
  if (size <= 0)
    return false;
  const char *src = (const char *)http->at;
  http->at += size;
  http->left -= (size_t)size;
  start_request(conn, &head, src);
  conn->loop->events->head(conn, &head, src, (size_t)size);
  return true;
}

static void resume_later(neap_conn *conn) {
  conn->is_resumed = true;
  neap_conn_mark_dirty(conn);
}

static void read_heads(neap_conn *conn) {
  int budget = BATCH;
  while (conn->state == NEAP_CONN_HEAD && conn->http->left &&
         !conn->is_backlogged) {
    if (budget-- == 0) {
      resume_later(conn);
      return;
    }
    if (!read_head(conn))
      break;
  }
  if (conn->state == NEAP_CONN_HEAD && conn->http->left &&
      conn->http->is_idle) {
    conn->http->is_idle = false;
    neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_HANDSHAKE,
                  conn->settings->handshake);
  }
}

static void end_discard(neap_conn *conn) {
  if (neap_http_discard(conn))
    neap_http_answered(conn);
  else if (conn->http->failure)
    neap_conn_release(conn);
}

/* Puts the bytes behind those that were kept; until the end of the reading they
 * belong to it, whatever becomes of the connection. */
static int gather(neap_http *http, neap_buffer *own, uint8_t *bytes,
                  size_t len) {
  *own = http->held;
  http->held = (neap_buffer){0};
  if (own->len == 0) {
    http->at = bytes;
    http->left = len;
    return NEAP_OK;
  }
  neap_buffer_consume(own, own->len - http->left);
  int err = neap_buffer_append(own, bytes, len);
  http->at = own->data;
  http->left = own->len;
  return err;
}

static void keep_rest(neap_conn *conn, neap_buffer *own) {
  neap_http *http = conn->http;
  if (conn->is_websocket || conn->state > NEAP_CONN_DISCARD ||
      http->left == 0) {
    neap_buffer_release(own);
    if (!conn->is_websocket)
      http->left = 0;
    return;
  }
  if (own->len)
    http->held = *own;
  else if (neap_buffer_append(&http->held, http->at, http->left))
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  if (neap_conn_is_live(conn))
    http->at = http->held.data + http->held.len - http->left;
}

static void read_all(neap_conn *conn) {
  conn->is_reading = true;
  if (conn->state == NEAP_CONN_ANSWER && conn->http->wants_body) {
    neap_http_stop_waiting(conn);
    conn->loop->events->readable(conn);
  }
  if (conn->state == NEAP_CONN_DISCARD)
    end_discard(conn);
  read_heads(conn);
  conn->is_reading = false;
}

void neap_http_received(neap_conn *conn, uint8_t *bytes, size_t len) {
  neap_buffer own;
  if (gather(conn->http, &own, bytes, len))
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  else
    read_all(conn);
  keep_rest(conn, &own);
  neap_conn_uncork(conn);
  neap_conn_update_interest(conn); /* most answers came at once: no change */
  if (neap_conn_is_live(conn))
    neap_conn_finish(conn);
}

/* What came behind the request is next, once there is room for its answer. */
static void next_request(neap_conn *conn) {
  neap_http *http = conn->http;
  conn->state = NEAP_CONN_HEAD;
  http->is_idle = true;
  if (http->left == 0)
    neap_buffer_release(&http->held);
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_KEEPALIVE,
                conn->settings->keepalive);
  if (http->left && !conn->is_reading)
    resume_later(conn);
}

static void end_http(neap_conn *conn) {
  conn->state = NEAP_CONN_CLOSING;
  neap_conn_await_progress(conn, conn->settings->write ? conn->settings->write
                                                       : ANSWER_MS);
  neap_deadline_disarm(&conn->deadline);
  neap_conn_mark_dirty(conn);
}

static void await_rest(neap_conn *conn) {
  conn->state = NEAP_CONN_DISCARD;
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_CLOSE, DISCARD_MS);
}

void neap_http_answered(neap_conn *conn) {
  neap_http *http = conn->http;
  http->writing = NEAP_HTTP_SILENT;
  http->wants_body = false;
  if (!http->keeps || http->is_last || http->failure)
    end_http(conn);
  else if (neap_http_discard(conn))
    next_request(conn);
  else if (http->failure)
    end_http(conn);
  else
    await_rest(conn);
  neap_conn_update_interest(conn);
}

void neap_http_drained(neap_conn *conn) {
  neap_http *http = conn->http;
  if (conn->state == NEAP_CONN_HEAD && http->left)
    resume_later(conn);
  else if (conn->state == NEAP_CONN_HEAD && http->is_last)
    neap_conn_release(conn);
  else if (conn->state != NEAP_CONN_ANSWER)
    return;
  else if (http->file)
    neap_http_send_file(conn);
  else if (conn->peer)
    conn->loop->events->writable(conn);
}

void neap_http_release(neap_conn *conn) {
  neap_http_close_file(conn);
  neap_buffer_release(&conn->http->held);
  conn->http->left = 0;
}

static bool speaks_http(const neap_conn *conn) {
  return !conn->is_client && !conn->is_websocket;
}

/* An answer is being made, or has not left yet. */
static bool is_busy(const neap_conn *conn) {
  if (conn->state == NEAP_CONN_ANSWER || conn->state == NEAP_CONN_CLOSING)
    return true;
  return conn->state == NEAP_CONN_HEAD && neap_conn_buffered(conn) > 0;
}

static void let_go(neap_conn *conn) {
  conn->http->is_last = true;
  if (conn->state == NEAP_CONN_HEAD && conn->http->left == 0 && !is_busy(conn))
    neap_conn_release(conn);
}

size_t neap_conns_let_go(neap_loop *loop, uint32_t tag) {
  neap_link *list = &loop->census.tally[NEAP_CLASS_STREAM].living;
  size_t busy = 0;
  for (neap_link *l = list->next, *next; l != list; l = next) {
    neap_conn *conn = NEAP_CONTAINER(l, neap_conn, born.link);
    next = l->next;
    if (!speaks_http(conn) || conn->http->tag != tag)
      continue;
    busy += is_busy(conn);
    let_go(conn);
  }
  return busy;
}
