/* Answers: whole, or a head first and then the parts of a body. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/http_internal.h"
#include "proto/status.h"

/* DIRECT: a body from here on is written from where it is, not copied.
 * CORK_MAX: what one turn gathers before it is written after all. */
enum { DIRECT = 16 * 1024, CORK_MAX = 128 * 1024, DATE_SIZE = 40 };

int neap_http_put_now(neap_conn *conn, const void *data, size_t len) {
  neap_buffer *cork = neap_conn_cork(conn);
  struct iovec vectors[] = {{cork->data, cork->len},
                            {(void *)(uintptr_t)data, len}};
  bool is_empty = cork->len == 0;
  cork->len = 0;
  return neap_conn_write(conn, vectors + is_empty, 2 - is_empty);
}

int neap_http_put(neap_conn *conn, const void *data, size_t len) {
  if (len >= DIRECT)
    return neap_http_put_now(conn, data, len);
  neap_buffer *cork = neap_conn_cork(conn);
  if (neap_buffer_append(cork, data, len)) {
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return NEAP_ENOMEM;
  }
  if (cork->len > CORK_MAX)
    neap_conn_uncork(conn);
  return neap_conn_is_live(conn) ? NEAP_OK : NEAP_ECLOSED;
}

/* The value of Date, which changes once a second. */
static const char *date_now(void) {
  static _Thread_local char text[DATE_SIZE];
  static _Thread_local time_t written;
  time_t now = time(NULL);
  struct tm tm;
  if (now != written)
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT",
             gmtime_r(&now, &tm));
  written = now;
  return text;
}

/* What is left of the body decides, too, whether another request can follow. */
static void settle_keeping(neap_conn *conn, const neap_http_answer *answer) {
  neap_http *http = conn->http;
  if (conn->state != NEAP_CONN_ANSWER || http->failure || http->is_last ||
      answer->length == NEAP_LENGTH_TO_END)
    http->keeps = false;
  if (http->keeps)
    http->keeps = answer->length == NEAP_LENGTH_CHUNKED
                    ? neap_http_body_is_done(&http->body)
                    : neap_http_can_discard(conn);
}

int neap_http_begin(neap_conn *conn, const neap_http_answer *given) {
  neap_http *http = conn->http;
  neap_http_answer answer = *given;
  if (answer.length == NEAP_LENGTH_CHUNKED && http->is_old)
    answer.length = NEAP_LENGTH_TO_END;
  settle_keeping(conn, &answer);
  answer.closes = !http->keeps;
  answer.keeps = http->keeps && http->is_old;
  http->writing = given->omits_body || !neap_http_has_body(given->status)
                    ? NEAP_HTTP_NOTHING
                  : answer.length == NEAP_LENGTH_CHUNKED ? NEAP_HTTP_CHUNKS
                                                         : NEAP_HTTP_BYTES;
  int err = neap_http_write_head(neap_conn_cork(conn), &answer, date_now());
  if (err)
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  return err;
}

int neap_conn_answer(neap_conn *conn, const neap_http_answer *answer) {
  if (conn->state > NEAP_CONN_ANSWER || conn->http->writing)
    return NEAP_ECLOSED;
  int err = neap_http_begin(conn, answer);
  if (!err && conn->http->writing == NEAP_HTTP_BYTES)
    err = neap_http_put(conn, answer->body, answer->body_len);
  if (!err)
    neap_http_answered(conn);
  return err;
}

void neap_http_refuse(neap_conn *conn, int status, const char *text) {
  char body[256];
  int len = snprintf(body, sizeof body, "%s\n", text);
  static const char type[] = "Content-Type: text/plain; charset=utf-8\r\n";
  neap_conn_answer(conn, &(neap_http_answer){.status = status,
                                             .headers = type,
                                             .headers_len = sizeof type - 1,
                                             .body = body,
                                             .body_len = (size_t)len});
}

int neap_conn_begin_answer(neap_conn *conn, neap_http_answer *answer,
                           bool is_watched) {
  if (conn->state != NEAP_CONN_ANSWER || conn->http->writing)
    return NEAP_ECLOSED;
  answer->length = NEAP_LENGTH_CHUNKED;
  conn->http->is_watched = is_watched;
  int err = neap_http_begin(conn, answer);
  if (!err)
    neap_conn_update_interest(conn);
  return err;
}

static bool is_in_parts(const neap_conn *conn) {
  return conn->state == NEAP_CONN_ANSWER &&
         (conn->http->writing == NEAP_HTTP_CHUNKS ||
          conn->http->writing == NEAP_HTTP_BYTES ||
          conn->http->writing == NEAP_HTTP_NOTHING);
}

static int write_chunk(neap_conn *conn, const void *data, size_t len) {
  char head[NEAP_HTTP_CHUNK_HEAD];
  int err = neap_http_put(conn, head, neap_http_write_chunk_head(head, len));
  if (!err)
    err = neap_http_put(conn, data, len);
  return err ? err : neap_http_put(conn, "\r\n", 2);
}

int neap_conn_write_part(neap_conn *conn, const void *data, size_t len) {
  if (!is_in_parts(conn))
    return NEAP_ECLOSED;
  if (len == 0 || conn->http->writing == NEAP_HTTP_NOTHING)
    return NEAP_OK;
  int err = conn->http->writing == NEAP_HTTP_CHUNKS
              ? write_chunk(conn, data, len)
              : neap_http_put(conn, data, len);
  return err ? err : conn->is_backlogged;
}

int neap_conn_end_answer(neap_conn *conn) {
  if (!is_in_parts(conn))
    return NEAP_ECLOSED;
  int err = NEAP_OK;
  if (conn->http->writing == NEAP_HTTP_CHUNKS)
    err = neap_http_put(conn, "0\r\n\r\n", 5);
  if (!err)
    neap_http_answered(conn);
  return err;
}
