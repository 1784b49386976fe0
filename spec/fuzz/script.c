#include "script.h"

#include <string.h>

#include "net/conduct.h"
#include "proto/handshake.h"
#include "proto/utf8.h"

const char script_key[] = "dGhlIHNhbXBsZSBub25jZQ==";

void script_watch(script *s, neap_conn *conn) {
  s->conn = conn;
  conn->peer = s;
}

static void answer(neap_conn *conn, int status) {
  neap_http_answer reply = {
    .status = status, .headers = "", .body = "hello\n", .body_len = 6};
  neap_conn_answer(conn, &reply);
}

static void begin_parts(script *s) {
  neap_http_answer reply = {.status = 200, .headers = ""};
  reply.length = NEAP_LENGTH_CHUNKED;
  s->in_parts = neap_conn_begin_answer(s->conn, &reply, true) >= 0;
  s->is_full = false;
}

static void upgrade(script *s, const neap_http_head *head, const char *src) {
  char accept[NEAP_ACCEPT_LEN], line[NEAP_DEFLATE_HEADER_MAX] = "";
  neap_http_head copy = *head;
  neap_deflate_terms terms;
  if (neap_handshake_check(&copy, src, accept)) {
    answer(s->conn, copy.status);
    return;
  }
  s->has_deflate =
    s->deflates && neap_deflate_accept(head, src, &s->settings->deflate.wish,
                                       &terms, line) == 1;
  neap_upgrade reply = {.accept = accept,
                        .extra = "",
                        .extensions = s->has_deflate ? line : "",
                        .deflate = s->has_deflate ? &terms : NULL};
  if (neap_conn_upgrade(s->conn, s->settings, &reply) == NEAP_OK)
    s->opened_at = s->heads;
}

static void join(script *s, const neap_http_head *head, const char *src) {
  neap_http_head copy = *head;
  neap_deflate_terms terms;
  const neap_deflate_wish *wish =
    s->deflates ? &s->settings->deflate.wish : NULL;
  if (neap_handshake_check_answer(&copy, src, script_key)) {
    neap_conn_terminate(s->conn);
    return;
  }
  int got = neap_deflate_check_answer(&copy, src, wish, &terms);
  s->has_deflate = got == 1;
  if (got < 0)
    neap_conn_terminate(s->conn);
  else if (neap_conn_join(s->conn, got ? &terms : NULL) == NEAP_OK)
    s->opened_at = s->heads;
}

static void on_head(neap_conn *conn, const neap_http_head *head,
                    const char *src, size_t len) {
  script *s = conn->peer;
  (void)len;
  FUZZ_CHECK(s->conn == conn && s->opened_at == 0);
  s->heads++;
  s->in_parts = false;
  if (conn->is_client)
    join(s, head, src);
  else if (s->mode == SCRIPT_UPGRADE && neap_handshake_is_upgrade(head, src))
    upgrade(s, head, src);
  else if (s->mode == SCRIPT_PARTS)
    begin_parts(s);
  else if (s->mode != SCRIPT_HOLD)
    answer(conn, 200);
}

static void on_insecure(neap_conn *conn, const char *fault) {
  (void)conn;
  (void)fault;
}

static void read_body(script *s) {
  const uint8_t *data;
  size_t len;
  int got;
  while (s->conn && (got = neap_conn_read_body(s->conn, SCRIPT_MESSAGE_MAX,
                                               &data, &len)) == NEAP_BODY_PIECE)
    FUZZ_CHECK(len > 0 && len <= SCRIPT_MESSAGE_MAX);
  FUZZ_CHECK(got >= 0 || !s->conn || got != NEAP_EPROTO ||
             neap_conn_body_error(s->conn) != NULL);
}

static void take_messages(script *s) {
  neap_event event;
  while (s->conn && neap_conn_next(s->conn, &event) == 1) {
    bool is_text = event.opcode == NEAP_OP_TEXT;
    FUZZ_CHECK(is_text || event.opcode == NEAP_OP_BINARY);
    FUZZ_CHECK(event.len <= SCRIPT_MESSAGE_MAX);
    FUZZ_CHECK(!is_text || neap_utf8_is_valid(event.data, event.len));
    if (s->echoes)
      neap_conn_send(s->conn, event.opcode, event.data, event.len, 0);
  }
}

static void on_readable(neap_conn *conn) {
  script *s = conn->peer;
  FUZZ_CHECK(s->conn == conn);
  if (conn->is_websocket)
    take_messages(s);
  else if (s->reads_body)
    read_body(s);
}

static void on_pong(neap_conn *conn, const neap_event *event) {
  script *s = conn->peer;
  FUZZ_CHECK(s->conn == conn && event->len <= 125);
}

static void on_plain(neap_conn *conn) {
  script *s = conn->peer;
  FUZZ_CHECK(s->conn == conn);
}

static void on_writable(neap_conn *conn) {
  script *s = conn->peer;
  FUZZ_CHECK(s->conn == conn);
  s->is_full = false;
}

static bool on_closed(neap_conn *conn, const neap_why *why) {
  script *s = conn->peer;
  FUZZ_CHECK(s->conn == conn && s->closed == 0);
  FUZZ_CHECK(why->cause != NEAP_CAUSE_NONE || !conn->is_websocket);
  FUZZ_CHECK(!neap_deadline_is_armed(&conn->deadline));
  FUZZ_CHECK(conn->conduct == NULL ||
             !neap_deadline_is_armed(&conn->conduct->idle));
  FUZZ_CHECK(!neap_deadline_is_armed(&conn->output->write));
  FUZZ_CHECK(neap_conn_buffered(conn) == 0);
  FUZZ_CHECK(neap_conn_send(conn, NEAP_OP_TEXT, "a", 1, 0) == NEAP_ECLOSED);
  s->closed++;
  s->is_clean = why->clean;
  s->conn = NULL;
  return true;
}

const neap_conn_events script_events = {
  .head = on_head,
  .insecure = on_insecure,
  .readable = on_readable,
  .pong = on_pong,
  .writable = on_writable,
  .closing = on_plain,
  .closed = on_closed,
};

void script_go_on(script *s) {
  static const char part[3000] = "a part";
  if (s->conn->is_websocket || s->conn->is_client)
    return;
  if (s->in_parts && !s->is_full)
    s->is_full = neap_conn_write_part(s->conn, part, sizeof part) > 0;
  else if (s->conn->state == NEAP_CONN_ANSWER)
    read_body(s);
}

void script_end_answer(script *s) {
  if (s->conn->is_websocket || s->conn->is_client)
    return;
  if (s->in_parts)
    neap_conn_end_answer(s->conn);
  else
    answer(s->conn, 200);
  s->in_parts = false;
}
