/* How a task ends. Each step is taken once: where memory is too short for one, the
 * task is late, and goes on from there. */

#include "bind/errand.h"
#include "bind/running.h"
#include "bind/task_internal.h"

bool neap_task_was_short(const neap_task *task) {
  return task->is_lost || neap_is_shortage(task->co, 1);
}

void neap_task_push_error(lua_State *L, const neap_task *task) {
  if (task->is_lost) {
    lua_pushliteral(L, NEAP_SHORTAGE);
    lua_pushnil(L);
    return;
  }
  lua_pushvalue(task->co, 1);
  lua_pushvalue(task->co, 2);
  lua_xmove(task->co, L, 2);
}

/* Its pending <close> variables run now; what they raise is reported. A
 * coroutine that died by an error answers with that error once more. */
static void close_now(neap_task *task) {
  neap_runtime *rt = task->rt;
  lua_State *L = rt->L;
  neap_task *outer = rt->current;
  if (lua_gettop(task->co) > 0 && lua_status(task->co) > LUA_YIELD) {
    lua_pushvalue(task->co, -1);
    lua_xmove(task->co, L, 1);
  } else {
    lua_pushnil(L);
  }
  task->is_closing = true;
  rt->current = task;
  int status = neap_running_close(rt, task->co, L);
  rt->current = outer;
  task->is_closing = false;
  if (status != LUA_OK) {
    lua_xmove(task->co, L, 1);
    bool is_new = !lua_rawequal(L, -1, -2);
    if (is_new && neap_push_hook(rt, L, NEAP_HOOK_ERROR)) {
      lua_pushvalue(L, -2);
      if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_settop(task->co, 0);
}

/* The coroutine that died is closed, and holds its error and traceback, until
 * they are told. */
static void close_failed(neap_task *task) {
  lua_State *L = task->rt->L;
  neap_task_push_failure(L, task);
  close_now(task);
  lua_xmove(L, task->co, 2);
}

/* Tells the scripting layer: (task, ok, error, traceback). */
static void call_task_end(neap_task *task) {
  neap_runtime *rt = task->rt;
  lua_State *L = rt->L;
  bool has_failed = lua_gettop(task->co) > 0;
  if (!neap_push_hook(rt, L, NEAP_HOOK_TASK_END))
    return;
  neap_task_push(L, task);
  lua_pushboolean(L, !has_failed);
  for (int i = 1; i <= 2; i++) {
    if (has_failed)
      lua_pushvalue(task->co, i);
    else
      lua_pushnil(task->co);
    lua_xmove(task->co, L, 1);
  }
  lua_call(L, 4, 0);
}

static void be_late(neap_task *task) {
  neap_list_append(&task->rt->late, &task->link);
  neap_errands_retry(task->rt);
}

static void tell_end(neap_task *task) {
  neap_runtime *rt = task->rt;
  task->next_idle = rt->finishing;
  rt->finishing = task;
  if (!task->is_over)
    task->is_over = task->done(task, NEAP_TASK_AGAIN, 0);
  if (task->is_over && (task->is_adopted || !task->done))
    call_task_end(task);
  rt->finishing = task->next_idle;
  if (task->is_over)
    neap_task_retire(task, lua_gettop(task->co) == 0);
  else
    be_late(task);
}

void neap_tasks_recover(neap_runtime *rt, neap_task *outer, int status) {
  if (rt->taken)
    neap_task_retire(rt->taken, false);
  rt->taken = NULL;
  while (rt->finishing != outer) {
    neap_task *task = rt->finishing;
    rt->finishing = task->next_idle;
    if (status == LUA_ERRMEM)
      be_late(task);
    else
      neap_task_retire(task, false);
  }
}

/* What the coroutine held is given back before anybody hears of its end. */
void neap_task_finish(neap_task *task, int status, int count) {
  task->state = NEAP_TASK_DONE;
  if (status != LUA_OK)
    close_failed(task);
  task->is_over = !task->done || task->done(task, status, count);
  if (status == LUA_OK)
    lua_settop(task->co, 0);
  tell_end(task);
}

void neap_task_close(neap_task *task) {
  neap_task_push(task->rt->L, task); /* its scope may be dropped meanwhile */
  neap_link_remove(&task->link);
  if (task->state != NEAP_TASK_DONE) {
    neap_task_leave_place(task);
    task->state = NEAP_TASK_DONE;
    close_now(task);
    int status = task->is_lost ? LUA_ERRMEM : LUA_OK;
    task->is_over = !task->done || task->done(task, status, 0);
  }
  tell_end(task);
}

void neap_task_lose(neap_task *task) {
  neap_task_leave_place(task);
  neap_link_remove(&task->link);
  task->is_adopted = false;
  task->is_lost = true;
  task->state = NEAP_TASK_PARKED;
  neap_list_append(&task->rt->doomed, &task->link);
  neap_loop_wake(task->rt->loop);
}
