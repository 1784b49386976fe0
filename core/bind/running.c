#include "bind/running.h"

#include <lualib.h>
#include <stdatomic.h>

#include "bind/watchdog.h"

#if LUA_VERSION_NUM == 504 && LUA_VERSION_RELEASE_NUM < 50406
#define close_coroutine(co, from) lua_resetthread(co)
#else
#define close_coroutine(co, from) lua_closethread(co, from)
#endif

/* The signal may come between any two lines: a runner is whole before it is
 * seen, and is not seen any more before its hook goes. */
void neap_running_enter(neap_runtime *rt, neap_runner *runner, lua_State *co) {
  runner->co = co;
  runner->outer = rt->running;
  atomic_signal_fence(memory_order_release);
  rt->running = runner;
}

void neap_running_leave(neap_runtime *rt, const neap_runner *runner) {
  rt->running = runner->outer;
  atomic_signal_fence(memory_order_release);
  neap_watchdog_calm(rt, runner->co);
}

int neap_running_close(neap_runtime *rt, lua_State *co, lua_State *from) {
  neap_runner runner;
  (void)from;
  neap_running_enter(rt, &runner, co);
  int status = close_coroutine(co, from);
  neap_running_leave(rt, &runner);
  return status;
}

/* ---- in the place of Lua's own */

static lua_State *check_coroutine(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  luaL_argexpected(L, co, index, "thread");
  return co;
}

/* Moves count arguments to co and its results back: their number, or -1 and
 * an error message on top. */
static int resume(lua_State *L, lua_State *co, int count) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_runner runner;
  int results = 0;
  if (!lua_checkstack(co, count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, count);
  neap_running_enter(rt, &runner, co);
  int status = lua_resume(co, L, count, &results);
  neap_running_leave(rt, &runner);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

/* coroutine.resume(co, ...) -> true, ... | false, error */
static int co_resume(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  if (results < 0)
    results = 1;
  lua_insert(L, -results - 1);
  return results + 1;
}

/* An error passes on: what the coroutine held is closed, and a message gets
 * the place of the call. */
static int raise_from(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = neap_running_close(neap_runtime_of(L), co, L);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  int results = resume(L, co, lua_gettop(L));
  return results < 0 ? raise_from(L, co) : results;
}

/* coroutine.wrap(fn) -> function that resumes it */
static int co_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 2);
  return 1;
}

static bool is_active(lua_State *L, lua_State *co) {
  lua_Debug call;
  return L == co ||
         (lua_status(co) == LUA_OK && lua_getstack(co, 0, &call) > 0);
}

/* coroutine.close(co) -> true | false, error; Lua's own says what can't be */
static int co_close(lua_State *L) {
  lua_State *co =
    lua_isnone(L, 1) ? L : check_coroutine(L, 1); /* 5.5: the running one */
  if (is_active(L, co)) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
  }
  bool is_fine = neap_running_close(neap_runtime_of(L), co, L) == LUA_OK;
  lua_pushboolean(L, is_fine);
  if (is_fine)
    return 1;
  lua_xmove(co, L, 1);
  return 2;
}

static void replace(lua_State *L, const char *name, lua_CFunction fn) {
  neap_runtime_open(L);
  lua_getfield(L, -2, name);
  lua_pushcclosure(L, fn, 2);
  lua_setfield(L, -2, name);
}

void neap_bind_running(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
    replace(L, "resume", co_resume);
    replace(L, "wrap", co_wrap);
    replace(L, "close", co_close);
  }
  lua_pop(L, 2);
}
