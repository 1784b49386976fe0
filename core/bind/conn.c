#include "bind/conn_internal.h"

#include <string.h>

#include "bind/fields.h"
#include "bind/orphan.h"
#include "bind/why.h"
#include "proto/status.h"

enum { KEPT = 1 }; /* the user value */

neap_conn_box *neap_conn_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, NEAP_CONN_CLASS);
}

/* The box is whole before anything that may run a finaliser. */
neap_conn_box *neap_conn_handle(neap_runtime *rt, lua_State *L, neap_conn *conn,
                                neap_route *route, bool is_anchored) {
  neap_collect_if_grown(rt, L);
  neap_conn_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (neap_conn_box){.peer.kind = NEAP_PEER_CONN, .slot = LUA_NOREF};
  box->id = conn->id;
  luaL_setmetatable(L, NEAP_CONN_CLASS);
  box->route = neap_route_enter(L, route);
  lua_pushvalue(L, -1);
  if (is_anchored)
    box->slot = neap_ref(rt, L);
  else
    neap_weak_set(L, box);
  box->conn = conn;
  box->receiver = NULL;
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, KEPT);
  return box;
}

void neap_conn_forget(neap_conn_box *box) {
  uint64_t id = box->conn->id;
  if (box->has_letters)
    neap_inbox_clear(&box->inbox, &box->conn->loop->census);
  box->has_letters = false;
  box->conn = NULL;
  box->id = id;
}

static bool has_life(const neap_conn_box *box) {
  return box->kept == NEAP_KEPT_LIFE;
}

/* With the new table on the stack, and what was kept above it. */
static void fill_life(lua_State *L, const neap_conn_box *box) {
  if (box->kept == NEAP_KEPT_WHY) {
    neap_why why = neap_why_unpack(lua_tointeger(L, -1));
    neap_push_why(L, &why);
    lua_setfield(L, -3, "why");
    lua_pop(L, 1);
  } else {
    lua_setfield(L, -2, "data");
  }
}

void neap_conn_push_life(lua_State *L, int index) {
  neap_conn_box *box = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  if (has_life(box)) {
    lua_getiuservalue(L, index, KEPT);
    return;
  }
  lua_newtable(L);
  lua_getiuservalue(L, index, KEPT);
  fill_life(L, box);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, KEPT);
  box->kept = NEAP_KEPT_LIFE;
}

void neap_conn_keep_why(lua_State *L, int index, const neap_why *why) {
  neap_conn_box *box = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  if (lua_getiuservalue(L, index, KEPT) != LUA_TNIL) {
    neap_conn_push_life(L, index);
    neap_push_why(L, why);
    lua_setfield(L, -2, "why");
    lua_pop(L, 2);
    return;
  }
  lua_pushinteger(L, neap_why_pack(why));
  lua_setiuservalue(L, index, KEPT);
  box->kept = NEAP_KEPT_WHY;
  lua_pop(L, 1);
}

static int push_data(lua_State *L, const neap_conn_box *box) {
  lua_getiuservalue(L, 1, KEPT);
  if (has_life(box))
    lua_getfield(L, -1, "data");
  else if (box->kept == NEAP_KEPT_WHY)
    lua_pushnil(L);
  return 1;
}

/* Takes it from the top of the stack. */
static void set_data(lua_State *L, const neap_conn_box *box) {
  if (box->kept == NEAP_KEPT_DATA) {
    lua_setiuservalue(L, 1, KEPT);
    return;
  }
  neap_conn_push_life(L, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "data");
  lua_pop(L, 1);
}

static const char *state_name(const neap_conn_box *box) {
  if (box->conn == NULL)
    return "closed";
  switch (box->conn->state) {
    case NEAP_CONN_OPEN: return "open";
    case NEAP_CONN_CLOSED: return "closed";
    default: return "closing";
  }
}

static int push_from_life(lua_State *L, const neap_conn_box *box,
                          const char *key) {
  if (!has_life(box))
    return 0;
  lua_getiuservalue(L, 1, KEPT);
  lua_getfield(L, -1, key);
  return 1;
}

static int push_remote(lua_State *L, const neap_conn_box *box) {
  char remote[80];
  if (box->conn == NULL)
    return push_from_life(L, box, "remote");
  lua_pushlstring(L, remote,
                  neap_conn_remote(box->conn, remote, sizeof remote));
  return 1;
}

/* While it lives; then why.dropped has it. */
static int push_dropped(lua_State *L, const neap_conn_box *box) {
  if (box->conn == NULL)
    return 0;
  lua_pushinteger(L, box->conn->dropped);
  return 1;
}

static int push_field(lua_State *L, neap_conn_box *box, const char *key) {
  switch (neap_field_of(key)) {
    case NEAP_FIELD_ID:
      lua_pushinteger(L, (lua_Integer)neap_conn_id(box));
      return 1;
    case NEAP_FIELD_DATA: return push_data(L, box);
    case NEAP_FIELD_STATE: lua_pushstring(L, state_name(box)); return 1;
    case NEAP_FIELD_REMOTE: return push_remote(L, box);
    case NEAP_FIELD_PROTOCOL: return push_from_life(L, box, "protocol");
    case NEAP_FIELD_REQUEST:
      neap_weak_get(L, neap_conn_request_key(box));
      return 1;
    case NEAP_FIELD_DROPPED: return push_dropped(L, box);
    default: return 0;
  }
}

static int conn_index(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    return 1;
  if (lua_type(L, 2) != LUA_TSTRING)
    return 0;
  return push_field(L, lua_touserdata(L, 1), lua_tostring(L, 2));
}

static int conn_newindex(lua_State *L) {
  const neap_conn_box *box = neap_conn_check(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "data"))
    return luaL_error(L,
                      "a connection has no field '%s' to set: keep what is "
                      "yours in conn.data",
                      key);
  lua_settop(L, 3);
  set_data(L, box);
  return 0;
}

/* conn <close>: 1000, or 1011 when an error passes by */
static int conn_close_scope(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  bool failed = !lua_isnoneornil(L, 2);
  if (box->conn)
    neap_conn_close(box->conn, failed ? NEAP_CAUSE_ERROR : NEAP_CAUSE_CLOSED,
                    NEAP_BY_LOCAL, failed ? 1011 : 1000, NULL, 0);
  return 0;
}

static int anchor(lua_State *L) {
  neap_conn_box *box = lua_touserdata(L, 1);
  neap_runtime *rt = neap_runtime_open(L);
  lua_pop(L, 1);
  box->slot = neap_ref(rt, L);
  return 0;
}

/* Whether there is something that must hear of the end. */
static bool is_owed(const neap_conn_box *box) {
  return has_life(box) ||
         (box->route && neap_route_has(box->route, NEAP_HANDLER_CLOSE));
}

/* The handle comes back to life until that has heard. Where memory is too short
 * for a root, the next collection finds it once more. */
static void keep(lua_State *L, const neap_conn_box *box) {
  lua_settop(L, 1);
  if (box->slot != LUA_NOREF)
    return;
  lua_pushcfunction(L, anchor);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return;
  lua_getmetatable(L, 1);
  lua_setmetatable(L, 1);
}

/* Only a detached one gets here while the state lives: nobody remembers it,
 * so it is closed, and counted as abandoned. It never calls Lua. */
static void abandon(lua_State *L, neap_conn_box *box) {
  neap_conn *conn = box->conn;
  if (is_owed(box)) {
    keep(L, box);
  } else {
    neap_conn_forget(box);
    conn->peer = NULL;
  }
  if (conn->state == NEAP_CONN_OPEN)
    neap_orphan_note(conn->loop->peer, conn);
  neap_conn_linger(conn, false);
  neap_conn_close(conn, NEAP_CAUSE_ABANDONED, NEAP_BY_LOCAL, 1001, NULL, 0);
}

/* Whoever was to receive is being collected too. */
static void drop_waiting(neap_conn_box *box) {
  if (box->has_letters)
    neap_inbox_clear(&box->inbox, &box->conn->loop->census);
  box->has_letters = false;
  box->receiver = NULL;
}

static int conn_gc(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (neap_runtime_of(L)->loop == NULL)
    return 0;
  if (box->conn) {
    drop_waiting(box);
    abandon(L, box);
  }
  if (box->conn)
    return 0;
  if (box->route)
    neap_route_leave(box->route);
  box->route = NULL;
  return 0;
}

static int conn_tostring(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  lua_pushfstring(L, "neap.conn #%d (%s)", (int)neap_conn_id(box),
                  state_name(box));
  return 1;
}

/* core.life(conn) -> the table of what the scripting layer keeps for it */
static int conn_life(lua_State *L) {
  const neap_conn_box *box = neap_conn_check(L, 1);
  if (lua_toboolean(L, 2) || has_life(box)) {
    neap_conn_push_life(L, 1);
    return 1;
  }
  return 0;
}

/* core.detach(conn): from here on the script alone holds it. */
static int detach(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL || box->is_detached)
    return neap_push_status(L, box->conn ? NEAP_OK : NEAP_ECLOSED);
  lua_settop(L, 1);
  neap_weak_set(L, box);
  box->is_detached = true;
  neap_unref(neap_runtime_of(L), &box->slot);
  lua_pushboolean(L, 1);
  return 1;
}

/* core.route_scope(conn) -> the scope that its route was made with */
static int route_scope(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->route == NULL || !neap_route_has(box->route, NEAP_HANDLER_SCOPE))
    return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, box->route->handlers[NEAP_HANDLER_SCOPE]);
  return 1;
}

/* core.is_conn(value) -> true | false */
static int is_conn(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, NEAP_CONN_CLASS) != NULL);
  return 1;
}

/* core.has_room(conn, size) -> true | false, and conn_writable comes later */
static int has_room(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  size_t size = (size_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, box->conn == NULL || neap_conn_may_queue(box->conn, size));
  return 1;
}

/* Pushes nothing, and is false, where a finaliser is about to end it. */
static bool push_handle(lua_State *L, neap_conn_box *box) {
  neap_conn_push(L, box);
  if (lua_isuserdata(L, -1))
    return true;
  lua_pop(L, 1);
  return false;
}

int neap_conn_push_by_id(lua_State *L, neap_runtime *rt, uint64_t id) {
  neap_conn *conn = neap_conn_find(rt->loop, id);
  neap_conn_box *box = conn ? conn->peer : NULL;
  if (box == NULL || box->peer.kind != NEAP_PEER_CONN ||
      conn->state != NEAP_CONN_OPEN)
    return 0;
  return push_handle(L, box) ? 1 : 0;
}

static int conns_next(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, lua_upvalueindex(2)) + 1;
  lua_pushinteger(L, i);
  lua_copy(L, -1, lua_upvalueindex(2));
  lua_rawgeti(L, lua_upvalueindex(1), i);
  return 1;
}

/* core.conns([closing_too]) -> iterator over those that are open now */
static int conns(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  int last = lua_toboolean(L, 1) ? NEAP_CONN_SHUTDOWN : NEAP_CONN_OPEN;
  lua_newtable(L);
  if (rt->loop) {
    neap_link *list = &rt->loop->census.tally[NEAP_CLASS_STREAM].living;
    lua_Integer count = 0;
    for (neap_link *l = list->next; l != list; l = l->next) {
      neap_conn *conn = NEAP_CONTAINER(l, neap_conn, born.link);
      neap_conn_box *box = conn->peer;
      if (box == NULL || box->peer.kind != NEAP_PEER_CONN ||
          conn->state < NEAP_CONN_OPEN || conn->state > last)
        continue;
      if (push_handle(L, box))
        lua_rawseti(L, -2, ++count);
    }
  }
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, conns_next, 2);
  return 1;
}

void neap_bind_conn(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", conn_gc},
                                         {"__close", conn_close_scope},
                                         {"__newindex", conn_newindex},
                                         {"__tostring", conn_tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"conns", conns},
                                       {"life", conn_life},
                                       {"publish", neap_publish},
                                       {"send_ping", neap_send_ping},
                                       {"close_as", neap_close_as},
                                       {"route_scope", route_scope},
                                       {"detach", detach},
                                       {"is_conn", is_conn},
                                       {"has_room", has_room},
                                       {"has_heard", neap_conn_has_heard},
                                       {NULL, NULL}};
  neap_class(L, NEAP_CONN_CLASS, neap_conn_methods, metamethods);
  lua_getfield(L, -1, "__index");
  neap_runtime_open(L);
  luaL_setfuncs(L, neap_conn_receive_methods, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, neap_conn_topic_methods, 1);
  lua_pop(L, 1);
  neap_open_class(L, "conn", conn_index);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
