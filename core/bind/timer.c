#include "bind/timer.h"

#include <math.h>

#include "bind/errand.h"
#include "bind/site.h"
#include "proto/status.h"

#define CLASS "neap.timer"

enum { CALLBACK = 1 };

/* Held by its scope, or by the script alone: the loop finds it by address in
 * the weak table, so a dropped one is an ordinary piece of garbage. */
typedef struct timer_box {
  neap_timer timer;
  neap_born born;
  neap_errand errand; /* its time has come */
  neap_runtime *rt;
} timer_box;

static timer_box *check_timer(lua_State *L) {
  return luaL_checkudata(L, 1, CLASS);
}

static void call(neap_runtime *rt, lua_State *L, void *arg) {
  (void)rt;
  if (neap_weak_get(L, NEAP_CONTAINER(arg, timer_box, errand)) != LUA_TUSERDATA)
    return;
  lua_getiuservalue(L, -1, CALLBACK);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

static void on_timer(neap_timer *timer) {
  timer_box *box = NEAP_CONTAINER(timer, timer_box, timer);
  neap_errand_run(box->rt, &box->errand);
}

/* core.timer(fn) -> timer; fn(timer) is called on the loop, and must not wait
 */
static int timer_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  timer_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (timer_box){.timer.fn = on_timer,
                     .born.size = sizeof *box,
                     .errand.body = call,
                     .rt = rt};
  luaL_setmetatable(L, CLASS);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, CALLBACK);
  lua_pushvalue(L, -1);
  neap_weak_set(L, box);
  neap_census_open(&rt->loop->census, &box->born, NEAP_CLASS_TIMER,
                   neap_loop_now(rt->loop));
  box->born.site = neap_site_here(rt, L);
  return 1;
}

/* timer:start(seconds) -> true | nil, message, code; once */
static int timer_start(lua_State *L) {
  timer_box *box = check_timer(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  if (box->rt->loop == NULL || !neap_link_is_linked(&box->born.link))
    return neap_push_status(L, NEAP_ECLOSED);
  neap_errand_forget(&box->errand);
  uv_update_time(&box->rt->loop->uv); /* the turn may have been a long one */
  double ms = seconds > 0 ? ceil(seconds * 1e3) : 0;
  return neap_push_status(
    L, neap_loop_start_timer(box->rt->loop, &box->timer,
                             ms < 1e12 ? (uint64_t)ms : (uint64_t)1e12));
}

/* timer:stop(); it can be started again */
static int timer_stop(lua_State *L) {
  timer_box *box = check_timer(L);
  neap_errand_forget(&box->errand);
  if (box->rt->loop)
    neap_loop_stop_timer(box->rt->loop, &box->timer);
  return 0;
}

/* timer:close(); also __close and __gc */
static int timer_close(lua_State *L) {
  timer_box *box = check_timer(L);
  neap_errand_forget(&box->errand);
  if (box->rt->loop == NULL)
    return 0;
  neap_loop_stop_timer(box->rt->loop, &box->timer);
  neap_census_close(&box->rt->loop->census, &box->born);
  return 0;
}

const neap_born *neap_timer_born(lua_State *L, int index) {
  timer_box *box = luaL_testudata(L, index, CLASS);
  return box ? &box->born : NULL;
}

void neap_bind_timer(lua_State *L) {
  static const luaL_Reg methods[] = {{"start", timer_start},
                                     {"stop", timer_stop},
                                     {"close", timer_close},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", timer_close}, {"__close", timer_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"timer", timer_new}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
