#include "bind/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bind/conn.h"
#include "bind/errand.h"
#include "bind/loop.h"
#include "bind/orphan.h"
#include "bind/pace.h"
#include "bind/running.h"
#include "bind/task.h"
#include "bind/worker.h"
#include "net/trim.h"
#include "proto/status.h"

enum { HANDLES_MIN = 256, REST_MS = 1000 };

/* Registry keys: their addresses, never their values, are used. */
static const char runtime_key;
static const char weak_key;

struct journey {
  neap_runtime *rt;
  neap_road_fn *body;
  void *arg;
};

static int travel(lua_State *L) {
  struct journey *journey = lua_touserdata(L, 1);
  lua_settop(L, 0);
  journey->body(journey->rt, L, journey->arg);
  return 0;
}

static int add_traceback(lua_State *L) {
  if (!lua_checkstack(L, 20))
    return 1;
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static int report(lua_State *L) {
  neap_runtime *rt = lua_touserdata(L, 2);
  lua_settop(L, 1);
  if (neap_push_hook(rt, L, NEAP_HOOK_ERROR)) {
    lua_insert(L, 1);
    lua_call(L, 1, 0);
  } else {
    lua_warning(L, luaL_tolstring(L, 1, NULL), 0);
  }
  return 0;
}

/* With the message on top; pops it. */
static void report_error(neap_runtime *rt, lua_State *L) {
  lua_pushcfunction(L, report);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, rt);
  if (lua_pcall(L, 2, 0, 0))
    lua_pop(L, 1);
}

/* The text is Lua's own, which a pcall of the scripting layer may have caught
 * and raised again. */
bool neap_is_shortage(lua_State *L, int index) {
  static const char text[] = NEAP_SHORTAGE;
  return lua_type(L, index) == LUA_TSTRING &&
         strncmp(lua_tostring(L, index), text, sizeof text - 1) == 0;
}

int neap_road(neap_runtime *rt, neap_road_fn *body, void *arg) {
  struct journey journey = {rt, body, arg};
  neap_task *outer = rt->finishing;
  neap_runtime_stir(rt);
  lua_State *L = rt->L;
  neap_runner runner;
  if (!lua_checkstack(L, 20))
    return LUA_ERRMEM;
  lua_pushcfunction(L, add_traceback);
  lua_pushcfunction(L, travel);
  lua_pushlightuserdata(L, &journey);
  neap_running_enter(rt, &runner, L);
  int status = lua_pcall(L, 1, 0, -3);
  neap_running_leave(rt, &runner);
  if (status != LUA_OK && neap_is_shortage(L, -1))
    status = LUA_ERRMEM;
  if (status != LUA_OK) {
    neap_tasks_recover(rt, outer, status);
    report_error(rt, L);
  }
  lua_pop(L, 1);
  return status;
}

bool neap_push_hook(neap_runtime *rt, lua_State *L, enum neap_hook hook) {
  if (rt->hooks[hook] == LUA_NOREF)
    return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->hooks[hook]);
  return true;
}

int neap_ref(neap_runtime *rt, lua_State *L) {
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (rt->loop)
    neap_census_add(&rt->loop->census, NEAP_CLASS_LUA_REF, 0);
  return ref;
}

void neap_unref(neap_runtime *rt, int *ref) {
  if (*ref == LUA_NOREF)
    return;
  luaL_unref(rt->L, LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
  if (rt->loop)
    neap_census_remove(&rt->loop->census, NEAP_CLASS_LUA_REF, 0);
}

void neap_weak_set(lua_State *L, const void *key) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, key);
  lua_pop(L, 1);
}

int neap_weak_get(lua_State *L, const void *key) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  int type = lua_rawgetp(L, -1, key);
  lua_remove(L, -2);
  return type;
}

void neap_weak_clear(lua_State *L, const void *key) {
  lua_pushnil(L);
  neap_weak_set(L, key);
}

/* Leaves an empty table on the stack. */
static void push_weak_table(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

void neap_weak_shrink(lua_State *L) {
  push_weak_table(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &weak_key);
}

int neap_push_failure(lua_State *L, int status, const char *message) {
  luaL_pushfail(L);
  lua_pushstring(L, message);
  lua_pushstring(L, neap_status_name(status));
  return 3;
}

int neap_push_status(lua_State *L, int status) {
  if (status < 0)
    return neap_push_failure(L, status, neap_status_text(status));
  lua_pushboolean(L, 1);
  return 1;
}

void neap_class(lua_State *L, const char *name, const luaL_Reg *methods,
                const luaL_Reg *metamethods) {
  luaL_newmetatable(L, name);
  neap_runtime_open(L);
  lua_pushvalue(L, -2);
  lua_insert(L, -2);
  luaL_setfuncs(L, metamethods, 1);
  lua_pop(L, 1);
  lua_newtable(L);
  neap_runtime_open(L);
  luaL_setfuncs(L, methods, 1);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

static size_t count_handles(const neap_runtime *rt) {
  const neap_census *census = &rt->loop->census;
  return neap_census_live(census, NEAP_CLASS_STREAM) +
         neap_census_live(census, NEAP_CLASS_LISTENER) +
         neap_census_live(census, NEAP_CLASS_TIMER);
}

/* By a quarter: what a handle's making has left behind would otherwise grow to
 * more than the handles. */
void neap_collect_if_grown(neap_runtime *rt, lua_State *L) {
  size_t count = count_handles(rt);
  if (count < rt->handles_at_collection)
    rt->handles_at_collection = count;
  size_t limit = rt->handles_at_collection + rt->handles_at_collection / 4;
  if (count <= (limit > HANDLES_MIN ? limit : HANDLES_MIN))
    return;
  lua_gc(L, LUA_GCCOLLECT);
  rt->handles_at_collection = count_handles(rt);
}

static void collect(neap_runtime *rt, lua_State *L, void *arg) {
  (void)arg;
  lua_gc(L, LUA_GCCOLLECT);
  rt->handles_at_collection = count_handles(rt);
}

static void on_starved(void *peer) {
  neap_road(peer, collect, NULL);
}

static void shrink(neap_runtime *rt, lua_State *L, void *arg) {
  collect(rt, L, arg); /* what this finalises, */
  neap_runtime_shrink(rt, L);
  collect(rt, L, arg); /* this frees */
}

static void on_crowd_left(void *peer) {
  neap_road(peer, shrink, NULL);
}

void neap_runtime_shrink(neap_runtime *rt, lua_State *L) {
  neap_tasks_trim(rt);
  neap_weak_shrink(L);
}

/* Lua collects as it allocates: a loop that rests would keep what was dropped
 * last, and its descriptors, until it works again. */
static void on_rest(neap_timer *timer) {
  neap_runtime *rt = NEAP_CONTAINER(timer, neap_runtime, rest);
  bool has_rested = rt->roads == rt->roads_at_rest;
  if (has_rested) {
    neap_road(rt, collect, NULL);
    neap_trim_at_rest(rt->loop);
  }
  rt->roads_at_rest = rt->roads;
  neap_pace_set(rt);
  if (!has_rested)
    neap_loop_start_timer(rt->loop, &rt->rest, REST_MS);
}

static void watch_for_rest(neap_runtime *rt) {
  if (rt->roads == rt->roads_at_rest || neap_timer_is_waiting(&rt->rest))
    return;
  rt->roads_at_rest = rt->roads;
  neap_loop_start_timer(rt->loop, &rt->rest, REST_MS);
}

static bool on_turn(void *peer) {
  neap_orphans_report(peer);
  bool more = neap_tasks_run(peer);
  neap_pace_look(peer);
  watch_for_rest(peer);
  return more;
}

/* The last of neap's finalisers: nothing calls Lua any more. */
static int close_runtime(lua_State *L) {
  neap_runtime *rt = lua_touserdata(L, 1);
  if (rt->loop == NULL)
    return 0;
  rt->is_closing = true;
  neap_conns_forget(rt);
  neap_orphans_free(rt);
  neap_signals_close(rt);
  neap_loop_close(rt->loop);
  rt->loop = NULL;
  neap_workers_forget(rt);
  return 0;
}

static void push_main_thread(lua_State *L, neap_runtime *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  rt->L = lua_tothread(L, -1);
  lua_pop(L, 1);
}

static void init_runtime(lua_State *L, neap_runtime *rt) {
  *rt = (neap_runtime){0};
  for (int i = 0; i < NEAP_HOOK_COUNT; i++)
    rt->hooks[i] = LUA_NOREF;
  neap_list_init(&rt->ready);
  neap_list_init(&rt->doomed);
  rt->rest.fn = on_rest;
  neap_errands_init(rt);
  neap_look_init(rt);
  push_main_thread(L, rt);
}

static neap_runtime *new_runtime(lua_State *L) {
  push_weak_table(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &weak_key);
  neap_runtime *rt = lua_newuserdatauv(L, sizeof *rt, 0);
  init_runtime(L, rt);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_runtime);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &runtime_key);

  int err = neap_loop_new(&rt->loop);
  if (err)
    luaL_error(L, "neap: cannot make an event loop: %s", strerror(errno));
  rt->loop->peer = rt;
  rt->loop->on_turn = on_turn;
  rt->loop->on_starved = on_starved;
  rt->loop->on_crowd_left = on_crowd_left;
  rt->loop->events = &neap_conn_events_lua;
  neap_worker_adopt(rt, L);
  lua_pushliteral(L, "text");
  rt->text = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushliteral(L, "binary");
  rt->binary = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  rt->handlers = luaL_ref(L, LUA_REGISTRYINDEX);
  return rt;
}

neap_runtime *neap_runtime_open(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &runtime_key) == LUA_TUSERDATA)
    return lua_touserdata(L, -1);
  lua_pop(L, 1);
  return new_runtime(L);
}
