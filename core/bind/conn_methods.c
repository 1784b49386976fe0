/* What a script calls on a connection and is answered at once. */

#include <string.h>

#include "bind/conn.h"
#include "net/topic.h"
#include "proto/close_code.h"
#include "proto/status.h"
#include "proto/utf8.h"

static enum neap_opcode opt_kind(lua_State *L, int index) {
  static const char *const names[] = {"text", "binary", NULL};
  return luaL_checkoption(L, index, "text", names) ? NEAP_OP_BINARY
                                                   : NEAP_OP_TEXT;
}

static int push_sent(lua_State *L, int status) {
  if (status == NEAP_EPROTO)
    return neap_push_failure(L, status,
                             "text is not UTF-8: send it as \"binary\"");
  if (status == NEAP_ETOOBIG)
    return neap_push_failure(L, status, "the message is over limits.queue");
  neap_push_status(L, status);
  if (status <= 0)
    return status < 0 ? 3 : 1;
  lua_pushliteral(L, "queued");
  return 2;
}

static int send_as(lua_State *L, enum neap_opcode opcode) {
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  return push_sent(L, neap_conn_send(box->conn, opcode, data, len));
}

/* conn:send(s [, "text" | "binary"]) -> true [, "queued"] | nil, message, code
 */
static int conn_send(lua_State *L) {
  return send_as(L, opt_kind(L, 3));
}

static int conn_text(lua_State *L) {
  return send_as(L, NEAP_OP_TEXT);
}

static int conn_binary(lua_State *L) {
  return send_as(L, NEAP_OP_BINARY);
}

/* A code that may not be sent, 1006 of another connection say, still closes. */
static uint16_t sendable(lua_Integer code) {
  if (code >= 0 && code <= UINT16_MAX &&
      neap_close_code_is_valid((unsigned)code))
    return (uint16_t)code;
  return code == NEAP_CLOSE_NO_CODE ? 0 : NEAP_CLOSE_INTERNAL;
}

/* What fits of a reason, never half a character. */
static size_t fitting(const char *reason, size_t len) {
  if (len > NEAP_CLOSE_REASON_MAX) {
    len = NEAP_CLOSE_REASON_MAX;
    while (len > 0 && ((uint8_t)reason[len] & 0xC0) == 0x80)
      len--;
  }
  return neap_utf8_is_valid((const uint8_t *)reason, len) ? len : 0;
}

/* conn:close([code [, reason]]); never fails */
static int conn_close(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  uint16_t code = sendable(luaL_optinteger(L, 2, NEAP_CLOSE_NORMAL));
  size_t len;
  const char *reason = luaL_optlstring(L, 3, "", &len);
  if (box->conn)
    neap_conn_close(box->conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, code, reason,
                    code ? fitting(reason, len) : 0);
  return 0;
}

/* conn:terminate(): drops it now, without a Close frame */
static int conn_terminate(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn)
    neap_conn_terminate(box->conn);
  return 0;
}

/* conn:buffered() -> bytes that have not left the process */
static int conn_buffered(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_pushinteger(L, (lua_Integer)neap_conn_buffered(box->conn));
  return 1;
}

/* conn:pause() and resume(): whether anything is read */
static int conn_pause(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  box->is_held = true;
  neap_conn_pause(box->conn);
  return neap_push_status(L, NEAP_OK);
}

static int conn_resume(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  box->is_held = false;
  neap_conn_has_room(box);
  return neap_push_status(L, NEAP_OK);
}

/* conn:subscribe(topic) -> true | nil, message, code */
static int conn_subscribe(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t len;
  const char *topic = luaL_checklstring(L, 2, &len);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  int status = neap_topic_subscribe(box->conn, topic, len);
  return neap_push_status(L, status < 0 ? status : NEAP_OK);
}

/* conn:unsubscribe(topic) -> true if it was subscribed */
static int conn_unsubscribe(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t len;
  const char *topic = luaL_checklstring(L, 2, &len);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_pushboolean(L, neap_topic_unsubscribe(box->conn, topic, len));
  return 1;
}

static void add_topic(const char *name, size_t len, void *arg) {
  lua_State *L = arg;
  lua_pushlstring(L, name, len);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* conn:topics() -> array of names */
static int conn_topics(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_newtable(L);
  neap_topics_each(box->conn, add_topic, L);
  return 1;
}

static int publish(lua_State *L, neap_loop *loop, int first,
                   const neap_conn *except) {
  size_t len, size;
  const char *topic = luaL_checklstring(L, first, &len);
  const char *data = luaL_checklstring(L, first + 1, &size);
  enum neap_opcode opcode = opt_kind(L, first + 2);
  int reached =
    neap_topic_publish(loop->topics, topic, len, opcode, data, size, except);
  if (reached < 0)
    return neap_push_status(L, reached);
  lua_pushinteger(L, reached);
  return 1;
}

/* conn:publish(topic, data [, kind]) -> how many it reached, never itself */
static int conn_publish(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  return publish(L, box->conn->loop, 2, box->conn);
}

/* core.publish(topic, data [, kind [, except]]) -> how many it reached */
int neap_publish(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_conn_box *except = lua_isnoneornil(L, 4) ? NULL : neap_conn_check(L, 4);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  return publish(L, rt->loop, 1, except ? except->conn : NULL);
}

/* core.send_ping(conn, payload) -> true | nil, message, code */
int neap_send_ping(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t len;
  const char *payload = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len <= 125, 2, "a ping has at most 125 bytes");
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  box->wants_pong = true;
  return neap_push_status(L, neap_conn_ping(box->conn, payload, len));
}

/* core.close_as(conn, cause, code, reason): for the scripting layer's causes */
int neap_close_as(lua_State *L) {
  static const char *const names[] = {"cancelled", "drain", "error", NULL};
  static const enum neap_cause causes[] = {NEAP_CAUSE_CANCELLED,
                                           NEAP_CAUSE_DRAIN, NEAP_CAUSE_ERROR};
  neap_conn_box *box = neap_conn_check(L, 1);
  int cause = luaL_checkoption(L, 2, NULL, names);
  lua_Integer code = luaL_checkinteger(L, 3);
  size_t len;
  const char *reason = luaL_optlstring(L, 4, "", &len);
  if (box->conn)
    neap_conn_close(box->conn, causes[cause],
                    causes[cause] == NEAP_CAUSE_DRAIN ? NEAP_BY_SERVER
                                                      : NEAP_BY_LOCAL,
                    (uint16_t)code, reason, len);
  return 0;
}

const luaL_Reg neap_conn_methods[] = {{"send", conn_send},
                                      {"text", conn_text},
                                      {"binary", conn_binary},
                                      {"close", conn_close},
                                      {"terminate", conn_terminate},
                                      {"buffered", conn_buffered},
                                      {"pause", conn_pause},
                                      {"resume", conn_resume},
                                      {"subscribe", conn_subscribe},
                                      {"unsubscribe", conn_unsubscribe},
                                      {"topics", conn_topics},
                                      {"publish", conn_publish},
                                      {NULL, NULL}};
