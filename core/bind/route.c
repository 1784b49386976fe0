#include "bind/route.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bind/site.h"
#include "proto/status.h"

#define ROUTE "neap.route"
#define SETTINGS "neap.settings"

enum { HANDLERS = 1 };

neap_route *neap_route_retain(neap_route *route) {
  route->references++;
  return route;
}

void neap_route_release(neap_route *route) {
  if (--route->references > 0)
    return;
  neap_settings_release(route->settings);
  free(route);
}

static void take_slots(lua_State *L, neap_route *route) {
  if (neap_weak_get(L, route) == LUA_TUSERDATA) {
    lua_getiuservalue(L, -1, HANDLERS);
    for (int i = 0; i < NEAP_HANDLER_COUNT; i++)
      if (lua_rawgeti(L, -1, i + 1) == LUA_TNIL)
        lua_pop(L, 1);
      else
        route->handlers[i] = neap_ref(route->rt, L);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void give_slots_back(neap_route *route) {
  for (int i = 0; i < NEAP_HANDLER_COUNT; i++)
    neap_unref(route->rt, &route->handlers[i]);
}

neap_route *neap_route_enter(lua_State *L, neap_route *route) {
  if (route->conns == 0)
    take_slots(L, route);
  route->conns++;
  return neap_route_retain(route);
}

void neap_route_leave(neap_route *route) {
  if (--route->conns == 0)
    give_slots_back(route);
  neap_route_release(route);
}

neap_settings *neap_settings_check(lua_State *L, int index) {
  neap_settings **box = luaL_checkudata(L, index, SETTINGS);
  return *box;
}

neap_route *neap_route_check(lua_State *L, int index) {
  neap_route **box = luaL_checkudata(L, index, ROUTE);
  luaL_argcheck(L, *box, index, "the route is closed");
  return *box;
}

neap_route *neap_route_of(lua_State *L, int index) {
  neap_route **box = lua_touserdata(L, index);
  return box ? *box : NULL;
}

static size_t size_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_Number n = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  return n > 0 ? (size_t)n : 0;
}

static uint32_t count_field(lua_State *L, const char *name) {
  size_t n = size_field(L, name);
  return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint64_t time_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_Number n = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  return n > 0 ? (uint64_t)ceil(n * 1e3) : 0;
}

static enum neap_overflow overflow_field(lua_State *L) {
  static const char *const names[] = {"close",  "drop_new", "drop_old",
                                      "latest", "wait",     NULL};
  lua_getfield(L, 1, "overflow");
  int choice = luaL_checkoption(L, -1, "close", names);
  lua_pop(L, 1);
  return (enum neap_overflow)choice;
}

static bool flag_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

static uint8_t small_field(lua_State *L, const char *name, int otherwise,
                           int least, int most) {
  lua_getfield(L, 1, name);
  lua_Integer n = luaL_optinteger(L, -1, otherwise);
  luaL_argcheck(L, n >= least && n <= most, 1, name);
  lua_pop(L, 1);
  return (uint8_t)n;
}

/* What waits in a queue whose policy drops it must not be part of a context. */
static neap_deflate_settings deflate_fields(lua_State *L,
                                            enum neap_overflow overflow) {
  bool drops =
    overflow == NEAP_OVERFLOW_DROP_OLD || overflow == NEAP_OVERFLOW_LATEST;
  return (neap_deflate_settings){
    .wish = {.takeover = flag_field(L, "takeover"),
             .sends_alone = drops,
             .window = small_field(L, "window", 15, 9, 15)},
    .level = small_field(L, "level", 1, 1, 9),
    .min = size_field(L, "min"),
    .idle = time_field(L, "context"),
  };
}

/* core.settings{header=, message=, ...} -> settings; bytes and seconds */
static int settings_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  neap_settings values = {
    .connections = size_field(L, "connections"),
    .per_ip = count_field(L, "per_ip"),
    .handshakes = count_field(L, "handshakes"),
    .header = size_field(L, "header"),
    .message = size_field(L, "message"),
    .queue = size_field(L, "queue"),
    .handshake = time_field(L, "handshake"),
    .ping = time_field(L, "ping"),
    .pong = time_field(L, "pong"),
    .idle = time_field(L, "idle"),
    .write = time_field(L, "write"),
    .close = time_field(L, "close"),
    .keepalive = time_field(L, "keepalive"),
    .body = time_field(L, "body"),
    .messages_per_second = size_field(L, "messages_per_second"),
    .bytes_per_second = size_field(L, "bytes_per_second"),
    .burst = time_field(L, "burst"),
    .overflow = overflow_field(L),
    .deflates = flag_field(L, "deflate"),
  };
  values.deflate = deflate_fields(L, values.overflow);
  neap_settings **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, SETTINGS);
  *box = neap_settings_new(&values);
  if (*box == NULL)
    return luaL_error(L, "neap: %s", neap_status_text(NEAP_ENOMEM));
  return 1;
}

static int settings_gc(lua_State *L) {
  neap_settings **box = luaL_checkudata(L, 1, SETTINGS);
  if (*box)
    neap_settings_release(*box);
  *box = NULL;
  return 0;
}

/* Copies the handlers into the user value of the handle on top. */
static void keep_handlers(lua_State *L) {
  static const char *const names[] = {
#define X(symbol, name) name,
    NEAP_HANDLER_MAP(X)
#undef X
  };
  lua_createtable(L, NEAP_HANDLER_COUNT, 0);
  for (int i = 0; i < NEAP_HANDLER_COUNT; i++) {
    lua_getfield(L, 1, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setiuservalue(L, -2, HANDLERS);
}

/* core.route{settings=, label=, open=, task=, message=, ...} -> route */
static int route_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "settings");
  neap_settings *settings = neap_settings_check(L, -1);
  neap_route **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, ROUTE);
  neap_route *route = malloc(sizeof *route);
  if (route == NULL)
    return luaL_error(L, "neap: %s", neap_status_text(NEAP_ENOMEM));
  *route = (neap_route){.references = 1, .rt = neap_runtime_of(L)};
  route->settings = neap_settings_retain(settings);
  for (int i = 0; i < NEAP_HANDLER_COUNT; i++)
    route->handlers[i] = LUA_NOREF;
  *box = route;
  keep_handlers(L);
  lua_pushvalue(L, -1);
  neap_weak_set(L, route);
  lua_getfield(L, 1, "label");
  if (lua_isstring(L, -1))
    route->site = neap_site_named(L, lua_tostring(L, -1));
  lua_pop(L, 1);
  return 1;
}

/* route:close(): no more upgrades; open connections keep it until they end. */
static int route_close(lua_State *L) {
  neap_route **box = luaL_checkudata(L, 1, ROUTE);
  neap_route *route = *box;
  *box = NULL;
  if (route)
    neap_route_release(route);
  return 0;
}

/* route:conns() -> how many connections have not ended, close handler and all */
static int route_conns(lua_State *L) {
  neap_route **box = luaL_checkudata(L, 1, ROUTE);
  lua_pushinteger(L, *box ? (lua_Integer)(*box)->conns : 0);
  return 1;
}

void neap_bind_route(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  static const luaL_Reg settings_meta[] = {{"__gc", settings_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
    {"close", route_close}, {"conns", route_conns}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", route_close}, {"__close", route_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
    {"settings", settings_new}, {"route", route_new}, {NULL, NULL}};
  neap_class(L, SETTINGS, none, settings_meta);
  neap_class(L, ROUTE, methods, metamethods);
  lua_pop(L, 2);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
