/* From a request to a WebSocket. */

#include "bind/request_internal.h"
#include "proto/deflate_offer.h"
#include "proto/handshake.h"
#include "proto/status.h"

/* req:check_upgrade() -> true | nil, message, status */
int neap_request_check_upgrade(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  if (neap_handshake_check(&box->head, box->bytes, NULL) == NEAP_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushstring(L, box->head.error);
  lua_pushinteger(L, box->head.status);
  return 3;
}

/* With the answer to the compression that was offered. */
static int send_101(neap_conn *conn, neap_settings *settings,
                    const neap_http_head *head, const char *src,
                    const neap_upgrade *given) {
  neap_upgrade upgrade = *given;
  neap_deflate_terms terms;
  char line[NEAP_DEFLATE_HEADER_MAX] = "";
  if (settings->deflates &&
      neap_deflate_accept(head, src, &settings->deflate.wish, &terms, line) > 0)
    upgrade.deflate = &terms;
  upgrade.extensions = line;
  return neap_conn_upgrade(conn, settings, &upgrade);
}

int neap_request_switch(neap_conn_box *handle, const neap_http_head *head,
                        const char *src, const neap_upgrade *given) {
  neap_conn *conn = handle->conn;
  neap_route *route = handle->route;
  conn->peer = handle;
  conn->born.site = route->site;
  int err = send_101(conn, route->settings, head, src, given);
  if (err)
    neap_conn_terminate(conn);
  return err;
}

/* What the handle is to keep, made first: once it has the connection, nothing
 * may fail before the request has let go of it. */
static enum neap_conn_kept push_kept(lua_State *L, int data, int protocol) {
  if (lua_isnoneornil(L, protocol)) {
    lua_pushvalue(L, data);
    return NEAP_KEPT_DATA;
  }
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, data);
  lua_setfield(L, -2, "data");
  lua_pushvalue(L, protocol);
  lua_setfield(L, -2, "protocol");
  return NEAP_KEPT_LIFE;
}

/* req:upgrade(route, data, protocol | nil, headers) -> conn | nil, message,
 * code */
int neap_request_upgrade(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_request_box *box = neap_request_check(L);
  neap_route *route = neap_route_check(L, 2);
  char accept[NEAP_ACCEPT_LEN];
  neap_upgrade upgrade = {.accept = accept};
  upgrade.protocol = luaL_optlstring(L, 4, NULL, &upgrade.protocol_len);
  upgrade.extra = luaL_optlstring(L, 5, "", &upgrade.extra_len);
  neap_conn *conn = box->conn;
  if (conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (neap_handshake_check(&box->head, box->bytes, accept))
    return neap_push_failure(L, NEAP_EPROTO, box->head.error);

  lua_settop(L, 5);
  neap_request_keep_tls(L, 1, conn);
  enum neap_conn_kept kept = push_kept(L, 3, 4);
  neap_conn_box *handle = neap_conn_handle(rt, L, conn, route, true);
  handle->kept = kept & 3u;
  box->conn = NULL;
  conn->address = box->address; /* a proxy's connection is its client's now */
  int err = neap_request_switch(handle, &box->head, box->bytes, &upgrade);
  if (err)
    return neap_push_status(L, err);
  neap_conn_start_route(handle, L, 1);
  return 1;
}
