/* What a request is answered with: a whole, parts, or a file. */

#include <string.h>

#include "bind/file.h"
#include "bind/request_internal.h"
#include "proto/status.h"

/* (req, status, headers, ...) as the scripting layer gives it. */
static neap_http_answer read_answer(lua_State *L, const neap_request_box *box) {
  neap_http_answer answer = {.status = (int)luaL_checkinteger(L, 2)};
  answer.headers = luaL_optlstring(L, 3, "", &answer.headers_len);
  neap_http_span method = box->head.method;
  answer.omits_body =
    method.len == 4 && memcmp(box->bytes + method.at, "HEAD", 4) == 0;
  return answer;
}

static bool is_answered(const neap_conn *conn) {
  return conn == NULL || conn->http->writing != NEAP_HTTP_SILENT;
}

/* req:answer(status, headers, body) -> true | nil, message, code */
int neap_request_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_conn *conn = box->conn;
  neap_http_answer answer = read_answer(L, box);
  answer.body = luaL_optlstring(L, 4, "", &answer.body_len);
  if (is_answered(conn))
    return neap_push_status(L, NEAP_ECLOSED);
  neap_request_let_go(box);
  int err = neap_conn_answer(conn, &answer);
  neap_request_end(box);
  return neap_push_status(L, err);
}

/* What is sent when the listener has closed meanwhile. */
int neap_request_refuse(lua_State *L) {
  lua_settop(L, 1);
  lua_pushinteger(L, 503);
  lua_pushliteral(L, "Retry-After: 1\r\nContent-Type: text/plain\r\n");
  lua_pushliteral(L, "the server is going away\n");
  neap_request_answer(L);
  return 0;
}

/* An answer that had begun is cut off, so that nobody takes it for whole. */
void neap_request_conclude(neap_request_box *box) {
  static const char body[] = "internal server error\n";
  static const char type[] = "Content-Type: text/plain; charset=utf-8\r\n";
  neap_conn *conn = box->conn;
  if (conn == NULL)
    return;
  neap_request_let_go(box);
  if (is_answered(conn))
    neap_conn_terminate(conn);
  else
    neap_conn_answer(conn, &(neap_http_answer){.status = 500,
                                               .headers = type,
                                               .headers_len = sizeof type - 1,
                                               .body = body,
                                               .body_len = sizeof body - 1});
}

/* core.begin_answer(req, status, headers, is_watched) -> true | nil, message,
 * code */
static int begin_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_http_answer answer = read_answer(L, box);
  if (is_answered(box->conn))
    return neap_push_status(L, NEAP_ECLOSED);
  return neap_push_status(
    L, neap_conn_begin_answer(box->conn, &answer, lua_toboolean(L, 4)));
}

/* core.write_answer(req, bytes) -> true | nil, message, code; waits for room */
static int write_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  neap_task_check(L);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (box->writer)
    return neap_push_failure(L, NEAP_EBUSY,
                             "another task is writing this answer");
  int full = neap_conn_write_part(box->conn, data, len);
  if (full <= 0)
    return neap_push_status(L, full);
  return neap_task_park(L, &box->writer, -1, NEAP_ETIMEOUT);
}

/* core.push_answer(req, bytes) -> true [, "queued"] | nil, message, code */
static int push_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  neap_conn *conn = box->conn;
  if (conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  size_t limit = conn->settings->queue;
  if (limit && neap_conn_buffered(conn) + len > limit)
    return neap_push_status(L, len > limit ? NEAP_ETOOBIG : NEAP_EOVERFLOW);
  int full = neap_conn_write_part(conn, data, len);
  int count = neap_push_status(L, full);
  if (full <= 0)
    return count;
  lua_pushliteral(L, "queued");
  return 2;
}

/* core.end_answer(req) -> true | nil, message, code */
static int end_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_conn *conn = box->conn;
  if (conn == NULL || !is_answered(conn))
    return neap_push_status(L, NEAP_ECLOSED);
  neap_request_let_go(box);
  int err = neap_conn_end_answer(conn);
  neap_request_end(box);
  return neap_push_status(L, err);
}

/* core.cut_answer(req): the peer sees that it is not whole. */
static int cut_answer(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_conn *conn = box->conn;
  if (conn == NULL)
    return 0;
  neap_request_let_go(box);
  neap_conn_terminate(conn);
  neap_request_end(box);
  return 0;
}

/* core.answer_file(req, status, headers, file, from, length) -> true | nil,
 * message, code; the file is closed then */
static int answer_file(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_conn *conn = box->conn;
  neap_http_answer answer = read_answer(L, box);
  neap_file_box *file = neap_file_check(L, 4);
  lua_Integer from = luaL_checkinteger(L, 5);
  answer.body_len = (size_t)luaL_checkinteger(L, 6);
  if (is_answered(conn) || file->fd < 0)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_request_let_go(box);
  int err =
    neap_conn_answer_file(conn, &answer, neap_file_take(file), (uint64_t)from);
  neap_request_end(box);
  return neap_push_status(L, err);
}

/* core.reason(status): the standard phrase */
static int reason(lua_State *L) {
  lua_pushstring(L, neap_http_reason((int)luaL_checkinteger(L, 1)));
  return 1;
}

void neap_request_writable(neap_conn *conn) {
  neap_request_box *box = conn->peer;
  if (box->writer)
    neap_task_wake(box->writer, NEAP_OK);
}

const luaL_Reg neap_request_answers[] = {{"begin_answer", begin_answer},
                                         {"write_answer", write_answer},
                                         {"push_answer", push_answer},
                                         {"end_answer", end_answer},
                                         {"cut_answer", cut_answer},
                                         {"answer_file", answer_file},
                                         {"reason", reason},
                                         {NULL, NULL}};
