#include "bind/census.h"

#include "bind/runtime.h"
#include "bind/site.h"
#include "bind/task.h"
#include "bind/timer.h"
#include "net/conn.h"
#include "net/worker.h"
#include "proto/status.h"

#define TOKEN "neap.token"

/* A place in the census for something that lives in Lua alone. */
typedef struct token_box {
  neap_born born;
  neap_runtime *rt;
  uint32_t label;
} token_box;

static enum neap_class check_class(lua_State *L, int index) {
  static const char *const names[] = {
#define X(symbol, name) name,
    NEAP_CLASS_MAP(X)
#undef X
      NULL};
  return (enum neap_class)luaL_checkoption(L, index, NULL, names);
}

/* core.token(class [, label [, site]]) -> token, counted until it is closed;
 * made at the script's line, or at the site that is given */
static int token_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  enum neap_class class = check_class(L, 1);
  const char *label = luaL_optstring(L, 2, NULL);
  const char *site = luaL_optstring(L, 3, NULL);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  token_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (token_box){.rt = rt};
  luaL_setmetatable(L, TOKEN);
  neap_census_open(&rt->loop->census, &box->born, class,
                   neap_loop_now(rt->loop));
  box->born.site = site ? neap_site_named(L, site) : neap_site_here(rt, L);
  if (label)
    box->label = neap_site_named(L, label);
  return 1;
}

/* token:label(text) groups it in the census */
static int token_label(lua_State *L) {
  token_box *box = luaL_checkudata(L, 1, TOKEN);
  box->label = neap_site_named(L, luaL_checkstring(L, 2));
  return 0;
}

/* token:site() -> "feed.lua:42" | nil */
static int token_site(lua_State *L) {
  token_box *box = luaL_checkudata(L, 1, TOKEN);
  neap_site_push(L, box->born.site);
  return 1;
}

static int token_close(lua_State *L) {
  token_box *box = luaL_checkudata(L, 1, TOKEN);
  if (box->rt->loop)
    neap_census_close(&box->rt->loop->census, &box->born);
  return 0;
}

static bool is_of_class(const neap_born *born, enum neap_class class) {
  if (class != NEAP_CLASS_CONN)
    return true;
  return NEAP_CONTAINER(born, const neap_conn, born)->is_websocket;
}

static void push_count(lua_State *L, const neap_count *count, uint64_t now) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, (lua_Integer)count->opened);
  lua_setfield(L, -2, "opened");
  lua_pushinteger(L, (lua_Integer)count->closed);
  lua_setfield(L, -2, "closed");
  lua_pushinteger(L, (lua_Integer)(count->opened - count->closed));
  lua_setfield(L, -2, "live");
  lua_pushinteger(L, (lua_Integer)count->peak);
  lua_setfield(L, -2, "peak");
  lua_pushinteger(L, (lua_Integer)count->bytes);
  lua_setfield(L, -2, "bytes");
  if (count->at == 0)
    return;
  lua_pushnumber(L, now > count->at ? (lua_Number)(now - count->at) / 1e3 : 0);
  lua_setfield(L, -2, "oldest");
}

/* core.counts([of_process]) -> {class = {opened=, closed=, live=, peak=, bytes=,
 * oldest=}}, messages dropped, connections abandoned, shed and refused; of this
 * worker, or of all together */
static int counts(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_counts counts;
  bool of_process = lua_toboolean(L, 1);
  lua_newtable(L);
  if (rt->loop == NULL)
    return 1;
  neap_worker_sum(&counts, rt->loop, of_process);
  for (int i = 0; i < NEAP_CLASS_COUNT; i++) {
    push_count(L, &counts.classes[i], neap_loop_now(rt->loop));
    lua_setfield(L, -2, neap_class_name((enum neap_class)i));
  }
  lua_pushinteger(L, (lua_Integer)counts.dropped);
  lua_pushinteger(L, (lua_Integer)counts.abandoned);
  lua_pushinteger(L, (lua_Integer)counts.shed);
  lua_pushinteger(L, (lua_Integer)counts.refused);
  return 5;
}

static void count_under(lua_State *L, uint32_t name) {
  if (name == 0)
    return;
  neap_site_push(L, name);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  lua_Integer count = lua_tointeger(L, -1) + 1;
  lua_pop(L, 1);
  lua_pushinteger(L, count);
  lua_rawset(L, -3);
}

/* core.site(timer | task) -> "feed.lua:42" | nil */
static int site_of(lua_State *L) {
  const neap_born *born = neap_timer_born(L, 1);
  if (born == NULL)
    born = neap_task_born(L, 1);
  neap_site_push(L, born ? born->site : 0);
  return 1;
}

/* core.born(class [, by_label]) -> {site = how many live}; scopes alone have
 * labels */
static int born(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  enum neap_class class = check_class(L, 1);
  bool by_label = lua_toboolean(L, 2) && class == NEAP_CLASS_SCOPE;
  enum neap_class listed = class == NEAP_CLASS_CONN ? NEAP_CLASS_STREAM : class;
  lua_newtable(L);
  if (rt->loop == NULL)
    return 1;
  neap_link *list = &rt->loop->census.tally[listed].living;
  for (neap_link *l = list->next; l != list; l = l->next) {
    neap_born *one = NEAP_CONTAINER(l, neap_born, link);
    if (by_label)
      count_under(L, ((token_box *)(void *)one)->label);
    else if (is_of_class(one, class))
      count_under(L, one->site);
  }
  return 1;
}

/* core.abandoned() -> how many the collector had to close, shed connections */
static int abandoned(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_pushinteger(L, rt->loop ? (lua_Integer)rt->loop->abandoned : 0);
  lua_pushinteger(L, rt->loop ? (lua_Integer)rt->loop->shed : 0);
  return 2;
}

/* core.abandon(): the collector had to close something that lives in Lua */
static int abandon(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop)
    rt->loop->abandoned++;
  return 0;
}

void neap_bind_census(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", token_close},
                                     {"label", token_label},
                                     {"site", token_site},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", token_close}, {"__close", token_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
    {"token", token_new}, {"counts", counts},       {"born", born},
    {"site", site_of},    {"abandoned", abandoned}, {"abandon", abandon},
    {NULL, NULL}};
  neap_class(L, TOKEN, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
