/* What scripts' modules call on tasks: core.task, core.park, core.wake, ... */

#include "bind/site.h"
#include "bind/task_internal.h"
#include "proto/status.h"

static neap_task *check_task(lua_State *L, int index) {
  return luaL_checkudata(L, index, NEAP_TASK_CLASS);
}

/* core.task(owner, fn, ...) -> task, to run in the next turn */
static int task_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  int nargs = lua_gettop(L) - 2;
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_task *task = neap_task_new(rt, L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, NEAP_TASK_OWNER);
  lua_pushvalue(L, -1);
  neap_weak_set(L, task);
  lua_insert(L, 2);
  if (!lua_checkstack(task->co, nargs + 1))
    return luaL_error(L, "too many arguments");
  lua_xmove(L, task->co, nargs + 1);
  neap_task_be_born(task);
  task->born.site = neap_site_here(rt, L);
  neap_task_start_later(task, nargs);
  lua_settop(L, 2);
  return 1;
}

/* core.current() -> task | nil */
static int task_current(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->current == NULL || rt->current->co != L)
    return 0;
  rt->current->is_exposed = true;
  neap_task_push(L, rt->current);
  return 1;
}

/* core.owner([task]) -> what it, or the running task, belongs to */
static int task_owner(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_task *task = lua_isnoneornil(L, 1) ? rt->current : check_task(L, 1);
  if (task == NULL)
    return 0;
  if (task->done && !task->is_adopted) {
    neap_task_push_borrower(L, task);
    return 1;
  }
  neap_task_push(L, task);
  lua_getiuservalue(L, -1, NEAP_TASK_OWNER);
  return 1;
}

/* core.set_owner(task, owner) */
static int task_set_owner(lua_State *L) {
  check_task(L, 1);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, NEAP_TASK_OWNER);
  return 0;
}

/* core.park([seconds]) -> what core.wake gives | nil, message, code */
static int task_park(lua_State *L) {
  lua_Number timeout = luaL_optnumber(L, 1, -1);
  return neap_task_park(L, NULL, timeout, NEAP_ETIMEOUT);
}

/* core.sleep(seconds) -> true | nil, message, "cancelled" */
static int task_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0, 1, "a time is not negative");
  return neap_task_park(L, NULL, seconds, NEAP_OK);
}

/* core.wake(task, ...) -> true if it was waiting */
static int task_wake(lua_State *L) {
  neap_task *task = check_task(L, 1);
  bool is_waiting = neap_task_is_waiting(task);
  int count = lua_gettop(L) - 1;
  if (is_waiting) {
    if (!lua_checkstack(task->co, count))
      return luaL_error(L, "too many values");
    neap_task_leave_place(task);
    lua_xmove(L, task->co, count);
    task->nargs = count;
    neap_task_make_ready(task);
  }
  lua_pushboolean(L, is_waiting);
  return 1;
}

static void tell(neap_task *task) {
  if (task->shield || !neap_task_is_waiting(task))
    return;
  task->cancel = NEAP_CANCEL_TOLD;
  neap_task_wake(task, NEAP_ECANCELLED);
}

/* core.cancel(task) -> whether it waits, and is told for the first time: its
 * wait, or its next one, is answered "cancelled" */
static int task_cancel(lua_State *L) {
  neap_task *task = check_task(L, 1);
  bool is_first =
    task->state != NEAP_TASK_DONE && task->cancel == NEAP_CANCEL_NONE;
  lua_pushboolean(L, is_first && neap_task_is_waiting(task));
  if (is_first) {
    task->cancel = NEAP_CANCEL_ASKED;
    tell(task);
  }
  return 1;
}

/* core.kill(task): closes its coroutine at the end of this turn. */
static int task_kill(lua_State *L) {
  neap_task *task = check_task(L, 1);
  neap_runtime *rt = task->rt;
  if (task->state == NEAP_TASK_DONE || task == rt->current || !rt->loop)
    return 0;
  neap_task_leave_place(task);
  neap_link_remove(&task->link);
  task->state = NEAP_TASK_PARKED;
  neap_list_append(&rt->doomed, &task->link);
  neap_loop_wake(rt->loop);
  return 0;
}

/* core.shield(task, on): while on, cancellation waits. */
static int task_shield(lua_State *L) {
  neap_task *task = check_task(L, 1);
  task->shield = (uint8_t)(task->shield + (lua_toboolean(L, 2) ? 1 : -1));
  if (task->cancel == NEAP_CANCEL_ASKED)
    tell(task);
  return 0;
}

/* core.task_state(task) -> "ready" | "running" | "parked" | "done", cancelled */
static int task_state(lua_State *L) {
  static const char *const names[] = {"done", "ready", "running", "parked",
                                      "done"};
  neap_task *task = check_task(L, 1);
  lua_pushstring(L, names[task->state]);
  lua_pushboolean(L, task->cancel != NEAP_CANCEL_NONE);
  return 2;
}

/* Nobody can wake a dropped task any more, but what its <close> variables hold
 * must still be given back: it is kept until the end of the turn, and closed. */
static int task_gc(lua_State *L) {
  neap_task *task = check_task(L, 1);
  neap_runtime *rt = task->rt;
  if (rt->loop == NULL || task->state == NEAP_TASK_IDLE)
    return 0;
  neap_link_remove(&task->link);
  if (task->state == NEAP_TASK_DONE) {
    neap_census_close(&rt->loop->census, &task->born);
    return 0;
  }
  neap_task_leave_place(task);
  if (task->slot == LUA_NOREF) {
    lua_settop(L, 1);
    task->slot = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  task->state = NEAP_TASK_PARKED;
  neap_list_append(&rt->doomed, &task->link);
  neap_loop_wake(rt->loop);
  return 0;
}

static int task_tostring(lua_State *L) {
  lua_pushfstring(L, NEAP_TASK_CLASS ": %p", lua_touserdata(L, 1));
  return 1;
}

const neap_born *neap_task_born(lua_State *L, int index) {
  neap_task *task = luaL_testudata(L, index, NEAP_TASK_CLASS);
  return task ? &task->born : NULL;
}

void neap_bind_task(lua_State *L) {
  static const luaL_Reg methods[] = {{NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", task_gc}, {"__tostring", task_tostring}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
    {"task", task_new},         {"current", task_current},
    {"owner", task_owner},      {"set_owner", task_set_owner},
    {"park", task_park},        {"sleep", task_sleep},
    {"wake", task_wake},        {"cancel", task_cancel},
    {"kill", task_kill},        {"shield", task_shield},
    {"task_state", task_state}, {NULL, NULL}};
  neap_class(L, NEAP_TASK_CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
