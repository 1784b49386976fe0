/* What a script calls on a connection and is answered at once. */

#include <string.h>

#include "bind/conn.h"
#include "bind/options.h"
#include "proto/close_code.h"
#include "proto/status.h"
#include "proto/utf8.h"

static int push_sent(lua_State *L, int status) {
  if (status == NEAP_EPROTO)
    return neap_push_failure(L, status, NEAP_NOT_UTF8_TEXT);
  if (status == NEAP_ETOOBIG)
    return neap_push_failure(L, status, "the message is over limits.queue");
  neap_push_status(L, status);
  if (status <= 0)
    return status < 0 ? 3 : 1;
  lua_pushliteral(L, "queued");
  return 2;
}

static int send_as(lua_State *L, enum neap_opcode opcode, int options) {
  static const char *const names[] = {"key", "compress", NULL};
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  uint64_t key = 0;
  bool compresses = true;
  if (!lua_isnoneornil(L, options)) {
    neap_options_check(L, options, names);
    key = neap_key_field(L, options);
    compresses =
      lua_getfield(L, options, "compress") == LUA_TNIL || lua_toboolean(L, -1);
  }
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  return push_sent(
    L, compresses ? neap_conn_send(box->conn, opcode, data, len, key)
                  : neap_conn_send_plain(box->conn, opcode, data, len, key));
}

/* conn:send(s [, "text" | "binary" [, {key =, compress =}]]) -> true [, "queued"]
 * | nil, message, code */
static int conn_send(lua_State *L) {
  return send_as(L, neap_opt_kind(L, 3), 4);
}

static int conn_text(lua_State *L) {
  return send_as(L, NEAP_OP_TEXT, 3);
}

static int conn_binary(lua_State *L) {
  return send_as(L, NEAP_OP_BINARY, 3);
}

/* A code that may not be sent, 1006 of another connection say, still closes. */
uint16_t neap_sendable_code(lua_Integer code) {
  if (code >= 0 && code <= UINT16_MAX &&
      neap_close_code_is_valid((unsigned)code))
    return (uint16_t)code;
  return code == NEAP_CLOSE_NO_CODE ? 0 : NEAP_CLOSE_INTERNAL;
}

/* What fits of a reason, never half a character. */
size_t neap_fitting_reason(const char *reason, size_t len) {
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
  uint16_t code = neap_sendable_code(luaL_optinteger(L, 2, NEAP_CLOSE_NORMAL));
  size_t len;
  const char *reason = luaL_optlstring(L, 3, "", &len);
  if (box->conn)
    neap_conn_close(box->conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, code, reason,
                    code ? neap_fitting_reason(reason, len) : 0);
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
  static const char *const names[] = {"cancelled", "drain", "error",
                                      "abandoned", NULL};
  static const enum neap_cause causes[] = {NEAP_CAUSE_CANCELLED,
                                           NEAP_CAUSE_DRAIN, NEAP_CAUSE_ERROR,
                                           NEAP_CAUSE_ABANDONED};
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
                                      {NULL, NULL}};
