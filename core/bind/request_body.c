/* The body of a request: a task waits for it, piece by piece. */

#include "bind/request_internal.h"
#include "proto/status.h"

/* Pushes the next piece, nil at the end, or nil, message, code; 0 when nothing
 * has come yet. */
static int push_piece(lua_State *L, const neap_request_box *box) {
  const uint8_t *data;
  size_t len;
  int got = neap_conn_read_body(box->conn, box->limit, &data, &len);
  switch (got) {
    case NEAP_BODY_WAIT: return 0;
    case NEAP_BODY_END: lua_pushnil(L); return 1;
    case NEAP_BODY_PIECE: lua_pushlstring(L, (const char *)data, len); return 1;
    default: return neap_push_failure(L, got, neap_conn_body_error(box->conn));
  }
}

/* core.read_body(req, limit) -> bytes | nil at the end | nil, message, code */
int neap_request_read(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  lua_Integer limit = luaL_checkinteger(L, 2);
  neap_task_check(L);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (box->reader)
    return neap_push_failure(L, NEAP_EBUSY,
                             "another task is reading this body");
  box->limit = limit > 0 ? (size_t)limit : 0;
  int count = push_piece(L, box);
  return count ? count : neap_task_park(L, &box->reader, -1, NEAP_ETIMEOUT);
}

static void take_body(neap_runtime *rt, lua_State *L, void *arg) {
  neap_request_box *box = arg;
  (void)rt;
  int count = push_piece(L, box);
  if (count == 0)
    return;
  lua_xmove(L, box->reader->co, count);
  neap_task_wake_now(box->reader, count);
}

void neap_request_readable(neap_conn *conn) {
  neap_request_box *box = conn->peer;
  if (box->reader && neap_road(box->rt, take_body, box) == LUA_ERRMEM)
    neap_conn_terminate(conn); /* what came would be missing */
}
