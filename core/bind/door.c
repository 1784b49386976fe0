#include "bind/door.h"

#include <string.h>

#include "bind/listener.h"
#include "proto/handshake.h"

/* A door is a table: the route, the Host and the Origin that it is for (false:
 * any Host, no Origin), and what makes the own table of a request. */
enum { ROUTE = 1, HOST, ORIGIN, MAKE_ENV };

static bool is_text(lua_State *L, const char *bytes, size_t len) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  return size == len && memcmp(text, bytes, len) == 0;
}

/* Whether the field came once, as it stands in the door on top of the stack;
 * where the door has none, whether there may be any. */
static bool is_same(lua_State *L, const neap_arrival *arrival, int part,
                    const char *name, size_t len) {
  const neap_http_head *head = arrival->head;
  int at = neap_http_find(head, arrival->src, name, len, 0);
  bool is_right = part == HOST || at < 0;
  if (lua_rawgeti(L, -1, part) == LUA_TSTRING)
    is_right = at >= 0 &&
               is_text(L, arrival->src + head->fields[at].value.at,
                       head->fields[at].value.len) &&
               neap_http_find(head, arrival->src, name, len, at + 1) < 0;
  lua_pop(L, 1);
  return is_right;
}

static void push_path(lua_State *L, const neap_arrival *arrival) {
  neap_http_span target = arrival->head->target;
  const char *path = arrival->src + target.at;
  const char *query = memchr(path, '?', target.len);
  lua_pushlstring(L, path, query ? (size_t)(query - path) : target.len);
}

/* Leaves the door on the stack, or something else. */
static bool find_door(neap_runtime *rt, lua_State *L,
                      const neap_arrival *arrival) {
  if (!neap_listener_push_doors(L, rt, arrival->conn->http->tag))
    return false;
  push_path(L, arrival);
  return lua_rawget(L, -2) == LUA_TTABLE &&
         is_same(L, arrival, HOST, "host", 4) &&
         is_same(L, arrival, ORIGIN, "origin", 6);
}

/* Made only where a handler gets it. */
static void start_route(neap_conn_box *handle, lua_State *L, int door,
                        const neap_arrival *arrival) {
  if (!neap_route_has(handle->route, NEAP_HANDLER_OPEN) &&
      !neap_route_has(handle->route, NEAP_HANDLER_TASK))
    return;
  lua_rawgeti(L, door, MAKE_ENV);
  neap_request_keep(arrival->conn->loop->peer, L, arrival);
  neap_conn_start_route(handle, L, lua_gettop(L));
}

static void count_request(neap_loop *loop) {
  neap_born born = {0};
  neap_census_open(&loop->census, &born, NEAP_CLASS_REQUEST,
                   neap_loop_now(loop));
  neap_census_close(&loop->census, &born);
}

/* With the door and its route on the stack. */
static void let_in(neap_runtime *rt, lua_State *L, neap_route *route,
                   neap_arrival *arrival, const char *accept) {
  int door = lua_gettop(L) - 1;
  lua_pushnil(L);
  neap_conn_box *handle = neap_conn_handle(rt, L, arrival->conn, route, true);
  count_request(rt->loop);
  arrival->is_entering = true;
  neap_upgrade upgrade = {.accept = accept, .extra = ""};
  if (neap_request_switch(handle, arrival->head, arrival->src, &upgrade) ==
      NEAP_OK)
    start_route(handle, L, door, arrival);
  arrival->is_entering = false;
}

bool neap_door_enter(neap_runtime *rt, lua_State *L, neap_arrival *arrival) {
  neap_http_head head;
  char accept[NEAP_ACCEPT_LEN];
  neap_route *route = NULL;
  int top = lua_gettop(L);
  if (arrival->conn->wants_upgrade && find_door(rt, L, arrival)) {
    lua_rawgeti(L, -1, ROUTE);
    route = neap_route_of(L, -1);
  }
  memcpy(&head, arrival->head, neap_http_head_size(arrival->head));
  bool is_open =
    route && neap_handshake_check(&head, arrival->src, accept) == NEAP_OK;
  if (is_open)
    let_in(rt, L, route, arrival, accept);
  lua_settop(L, top);
  return is_open;
}
