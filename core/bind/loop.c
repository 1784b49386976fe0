#include "bind/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "bind/conn.h"
#include "bind/runtime.h"
#include "bind/watchdog.h"
#include "net/worker.h"
#include "proto/status.h"

enum { LOOK_MS = 100 };

struct neap_signals {
  neap_runtime *rt;
  int open;
  uv_signal_t handles[NEAP_SIGNALS];
};

static const int signal_numbers[NEAP_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
static const char *const signal_names[NEAP_SIGNALS] = {"int", "term", "hup"};

/* core.run(): turns the loop until core.stop(), on the main thread */
static int loop_run(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (L != rt->L)
    return luaL_error(L, "the loop is run from the main chunk, not from a "
                         "coroutine");
  if (rt->is_running)
    return luaL_error(L, "the loop is running already");
  rt->is_running = true;
  neap_loop_run(rt->loop);
  rt->is_running = false;
  return neap_push_status(L, NEAP_OK);
}

static int loop_stop(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop)
    neap_loop_stop(rt->loop);
  return 0;
}

static int loop_is_running(lua_State *L) {
  lua_pushboolean(L, neap_runtime_of(L)->is_running);
  return 1;
}

/* core.now() -> seconds, monotonic */
static int loop_now(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  const neap_loop *loop = rt->loop;
  lua_Number skew = loop ? (lua_Number)(int64_t)loop->skew / 1e3 : 0;
  bool is_held = loop && loop->clock_is_held;
  lua_pushnumber(L, skew + (is_held ? 0 : (lua_Number)uv_hrtime() / 1e9));
  return 1;
}

/* core.wall() -> seconds since 1970, with fractions */
static int loop_wall(lua_State *L) {
  struct timeval now;
  gettimeofday(&now, NULL);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_usec / 1e6);
  return 1;
}

static void call_signal(neap_runtime *rt, lua_State *L, void *arg) {
  if (!neap_push_hook(rt, L, NEAP_HOOK_SIGNAL))
    return;
  lua_pushstring(L, arg);
  lua_call(L, 1, 0);
}

static void on_signal(uv_signal_t *handle, int number) {
  struct neap_signals *signals = handle->data;
  for (int i = 0; i < NEAP_SIGNALS && signals->rt->loop; i++)
    if (signal_numbers[i] == number)
      neap_road(signals->rt, call_signal, (void *)(uintptr_t)signal_names[i]);
}

static void on_signal_closed(uv_handle_t *handle) {
  struct neap_signals *signals = handle->data;
  if (--signals->open == 0)
    free(signals);
}

void neap_signals_close(neap_runtime *rt) {
  struct neap_signals *signals = rt->signals;
  if (rt->watchdog)
    neap_watchdog_stop(rt->watchdog);
  rt->watchdog = NULL;
  if (signals == NULL)
    return;
  rt->signals = NULL;
  for (int i = 0; i < NEAP_SIGNALS; i++)
    uv_close((uv_handle_t *)&signals->handles[i], on_signal_closed);
}

size_t neap_signals_handles(neap_runtime *rt, uv_handle_t *own[NEAP_SIGNALS]) {
  if (rt->signals == NULL)
    return 0;
  for (int i = 0; i < NEAP_SIGNALS; i++)
    own[i] = (uv_handle_t *)&rt->signals->handles[i];
  return NEAP_SIGNALS;
}

static uint64_t opt_ms(lua_State *L, int index, lua_Number otherwise) {
  return (uint64_t)(luaL_optnumber(L, index, otherwise) * 1e3 + 0.5);
}

static int open_signals(neap_runtime *rt) {
  struct neap_signals *signals = calloc(1, sizeof *signals);
  if (signals == NULL)
    return NEAP_ENOMEM;
  *signals = (struct neap_signals){.rt = rt, .open = NEAP_SIGNALS};
  for (int i = 0; i < NEAP_SIGNALS; i++) {
    uv_signal_init(&rt->loop->uv, &signals->handles[i]);
    signals->handles[i].data = signals;
    uv_signal_start(&signals->handles[i], on_signal, signal_numbers[i]);
    uv_unref((uv_handle_t *)&signals->handles[i]);
  }
  rt->signals = signals;
  return NEAP_OK;
}

/* core.watch_signals(on [, cancel [, turn]]): while on, INT, TERM and HUP call the
 * signal hook; a second INT or TERM ends the process with 130. Once asked to
 * stop, a turn that lasts over cancel seconds is interrupted; one that lasts
 * over turn seconds is reported at any time. Of several workers the first has
 * the signals */
static int watch_signals(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_signals_close(rt);
  if (!lua_toboolean(L, 1) || rt->loop == NULL)
    return 0;
  const neap_worker *worker = rt->loop->worker;
  bool has_signals = worker == NULL || worker->index == 1;
  if (has_signals && open_signals(rt))
    return neap_push_status(L, NEAP_ENOMEM);
  rt->watchdog =
    neap_watchdog_start(rt, opt_ms(L, 2, 1), opt_ms(L, 3, 5), has_signals);
  return 0;
}

/* core.hook(name, fn): what the core calls in the scripting layer */
static int set_hook(lua_State *L) {
  static const char *const names[] = {
#define X(symbol, name) name,
    NEAP_HOOK_MAP(X)
#undef X
      NULL};
  neap_runtime *rt = neap_runtime_of(L);
  int hook = luaL_checkoption(L, 1, NULL, names);
  luaL_unref(L, LUA_REGISTRYINDEX, rt->hooks[hook]);
  rt->hooks[hook] = LUA_NOREF;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2))
    rt->hooks[hook] = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void call_look(neap_runtime *rt, lua_State *L, void *arg) {
  bool *has_more = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_LOOK))
    return;
  lua_call(L, 0, 1);
  *has_more = lua_toboolean(L, -1);
}

static int start_look(neap_runtime *rt) {
  return neap_loop_start_timer(rt->loop, &rt->look, LOOK_MS);
}

static void on_look(neap_timer *timer) {
  neap_runtime *rt = NEAP_CONTAINER(timer, neap_runtime, look);
  bool has_more = false;
  if (neap_road(rt, call_look, &has_more) == LUA_ERRMEM || has_more)
    start_look(rt);
}

void neap_look_init(neap_runtime *rt) {
  rt->look = (neap_timer){.fn = on_look, .has_room = true};
}

/* core.look_soon(): calls the look hook in a while, and again for as long as it
 * returns true; takes no memory */
static int look_soon(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop && !neap_timer_is_waiting(&rt->look))
    start_look(rt);
  return 0;
}

void neap_bind_loop(lua_State *L) {
  static const luaL_Reg functions[] = {{"run", loop_run},
                                       {"stop", loop_stop},
                                       {"now", loop_now},
                                       {"wall", loop_wall},
                                       {"hook", set_hook},
                                       {"look_soon", look_soon},
                                       {"watch_signals", watch_signals},
                                       {"is_running", loop_is_running},
                                       {NULL, NULL}};
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
