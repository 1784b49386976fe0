#include "bind/census.h"

#include "bind/runtime.h"
#include "proto/status.h"

#define TOKEN "neap.token"

/* A place in the census for something that lives in Lua alone. */
typedef struct token_box {
  neap_born born;
  neap_runtime *rt;
} token_box;

static enum neap_class check_class(lua_State *L, int index) {
  static const char *const names[] = {
#define X(symbol, name) name,
    NEAP_CLASS_MAP(X)
#undef X
      NULL};
  return (enum neap_class)luaL_checkoption(L, index, NULL, names);
}

/* core.token(class) -> token, counted until it is closed */
static int token_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  enum neap_class class = check_class(L, 1);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  token_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (token_box){.rt = rt};
  luaL_setmetatable(L, TOKEN);
  neap_census_open(&rt->loop->census, &box->born, class,
                   neap_loop_now(rt->loop));
  return 1;
}

static int token_close(lua_State *L) {
  token_box *box = luaL_checkudata(L, 1, TOKEN);
  if (box->rt->loop)
    neap_census_close(&box->rt->loop->census, &box->born);
  return 0;
}

static void push_tally(lua_State *L, const neap_tally *tally, uint64_t now) {
  lua_Integer opened = (lua_Integer)tally->opened;
  lua_Integer closed = (lua_Integer)tally->closed;
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, opened);
  lua_setfield(L, -2, "opened");
  lua_pushinteger(L, closed);
  lua_setfield(L, -2, "closed");
  lua_pushinteger(L, opened - closed);
  lua_setfield(L, -2, "live");
  lua_pushinteger(L, (lua_Integer)tally->peak);
  lua_setfield(L, -2, "peak");
  lua_pushinteger(L, (lua_Integer)tally->bytes);
  lua_setfield(L, -2, "bytes");
  if (neap_list_is_empty(&tally->living))
    return;
  neap_born *oldest = NEAP_CONTAINER(tally->living.next, neap_born, link);
  lua_pushnumber(L, (lua_Number)(now - oldest->at) / 1e3);
  lua_setfield(L, -2, "oldest");
}

/* core.counts() -> {class = {opened=, closed=, live=, peak=, bytes=, oldest=}}
 */
static int counts(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_newtable(L);
  if (rt->loop == NULL)
    return 1;
  for (int i = 0; i < NEAP_CLASS_COUNT; i++) {
    push_tally(L, &rt->loop->census.tally[i], neap_loop_now(rt->loop));
    lua_setfield(L, -2, neap_class_name((enum neap_class)i));
  }
  return 1;
}

/* core.abandoned() -> how many the collector had to close, shed connections */
static int abandoned(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_pushinteger(L, (lua_Integer)rt->abandoned);
  lua_pushinteger(L, rt->loop ? (lua_Integer)rt->loop->shed : 0);
  return 2;
}

void neap_bind_census(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", token_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", token_close}, {"__close", token_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"token", token_new},
                                       {"counts", counts},
                                       {"abandoned", abandoned},
                                       {NULL, NULL}};
  neap_class(L, TOKEN, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
