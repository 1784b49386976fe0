#include "bind/errand.h"
#include "bind/running.h"
#include "bind/task_internal.h"

#include <math.h>

#include "proto/status.h"

enum { POOL_MAX = 64 };

void neap_task_make_ready(neap_task *task) {
  task->state = NEAP_TASK_READY;
  neap_list_append(&task->rt->ready, &task->link);
  neap_loop_wake(task->rt->loop);
}

void neap_task_leave_place(neap_task *task) {
  if (task->where)
    *task->where = NULL;
  task->where = NULL;
  if (task->rt->loop)
    neap_loop_stop_timer(task->rt->loop, &task->timer);
}

static void on_timeout(neap_timer *timer) {
  neap_task *task = NEAP_CONTAINER(timer, neap_task, timer);
  neap_task_wake(task, task->at_timeout);
}

/* A root of the pool's own: it is no reference that a script could leak. */
static void unroot(neap_task *task) {
  luaL_unref(task->rt->L, LUA_REGISTRYINDEX, task->slot);
  task->slot = LUA_NOREF;
}

neap_task *neap_task_new(neap_runtime *rt, lua_State *L) {
  neap_task *task = lua_newuserdatauv(L, sizeof *task, 2);
  *task = (neap_task){.rt = rt, .slot = LUA_NOREF, .born.size = sizeof *task};
  task->timer.fn = on_timeout;
  luaL_setmetatable(L, NEAP_TASK_CLASS);
  task->co = lua_newthread(L);
  lua_setiuservalue(L, -2, NEAP_TASK_COROUTINE);
  return task;
}

void neap_task_be_born(neap_task *task) {
  neap_census_open(&task->rt->loop->census, &task->born, NEAP_CLASS_TASK,
                   neap_loop_now(task->rt->loop));
}

neap_task *neap_task_take(neap_runtime *rt, lua_State *L) {
  neap_task *task = rt->idle;
  if (task) {
    rt->idle = task->next_idle;
    rt->idle_count--;
  } else {
    task = neap_task_new(rt, L);
    task->slot = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  task->nargs = 0;
  task->answer = NEAP_OK;
  task->is_over = task->is_lost = false;
  task->cancel = NEAP_CANCEL_NONE;
  rt->taken = task;
  return task;
}

void neap_tasks_trim(neap_runtime *rt) {
  while (rt->idle) {
    neap_task *task = rt->idle;
    rt->idle = task->next_idle;
    task->state = NEAP_TASK_DONE;
    unroot(task);
  }
  rt->idle_count = 0;
}

void neap_task_retire(neap_task *task, bool may_return) {
  neap_runtime *rt = task->rt;
  task->state = NEAP_TASK_DONE;
  neap_census_close(&rt->loop->census, &task->born);
  if (may_return && !task->is_adopted && !task->is_exposed &&
      task->slot != LUA_NOREF && rt->idle_count < POOL_MAX) {
    task->state = NEAP_TASK_IDLE;
    task->done = NULL;
    task->next_idle = rt->idle;
    rt->idle = task;
    rt->idle_count++;
    return;
  }
  unroot(task);
}

static void stock(neap_runtime *rt, lua_State *L, void *arg) {
  (void)arg;
  neap_task *task = neap_task_take(rt, L);
  neap_task_retire(task, true);
}

bool neap_tasks_are_stocked(neap_runtime *rt) {
  return rt->idle || neap_road(rt, stock, NULL) == LUA_OK;
}

void neap_task_push(lua_State *L, neap_task *task) {
  if (task->slot != LUA_NOREF)
    lua_rawgeti(L, LUA_REGISTRYINDEX, task->slot);
  else
    neap_weak_get(L, task);
}

/* Whose callback it is: an anchored handle, or one that the script holds. */
void neap_task_push_borrower(lua_State *L, neap_task *task) {
  if (*task->owner_slot != LUA_NOREF)
    lua_rawgeti(L, LUA_REGISTRYINDEX, *task->owner_slot);
  else
    neap_weak_get(L, task->arg);
}

/* The first wait of a callback: from here on its owner's scope holds it. */
static void adopt(neap_runtime *rt, lua_State *L, void *arg) {
  neap_task *task = arg;
  task->is_adopted = true;
  if (!neap_link_is_linked(&task->born.link))
    neap_task_be_born(task);
  if (!neap_push_hook(rt, L, NEAP_HOOK_ADOPT))
    return;
  neap_task_push(L, task);
  lua_pushvalue(L, -1);
  neap_weak_set(L, task);
  neap_task_push_borrower(L, task);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -3, NEAP_TASK_OWNER);
  lua_insert(L, -2);
  lua_call(L, 2, 0);
  unroot(task);
}

/* A plain coroutine.yield waits for nothing: its turn comes again. */
static void suspend(neap_task *task, int count) {
  lua_pop(task->co, count);
  if (task->state == NEAP_TASK_RUNNING)
    neap_task_make_ready(task);
  if (task->slot != LUA_NOREF && !task->is_adopted &&
      neap_road(task->rt, adopt, task) != LUA_OK)
    neap_task_lose(task);
}

static int enter(neap_task *task, int nargs, int *count) {
  neap_runtime *rt = task->rt;
  neap_runner runner;
  neap_link_remove(&task->link);
  task->state = NEAP_TASK_RUNNING;
  rt->taken = NULL;
  rt->current = task;
  neap_running_enter(rt, &runner, task->co);
  int status = lua_resume(task->co, rt->L, nargs, count);
  neap_running_leave(rt, &runner);
  rt->current = NULL;
  return status;
}

static void leave(neap_task *task, int status, int count) {
  if (status == LUA_YIELD)
    suspend(task, count);
  else
    neap_task_finish(task, status, count);
}

static void resume(neap_task *task, int nargs) {
  lua_State *L = task->rt->L;
  int count = 0, top = lua_gettop(L);
  if (task->slot == LUA_NOREF)
    neap_task_push(L, task); /* its scope may be dropped while it runs */
  else if (task->done)
    neap_task_push_borrower(L, task); /* and so may the handle */
  int status = enter(task, nargs, &count);
  leave(task, status, count);
  lua_settop(L, top);
}

void neap_task_start(neap_task *task, int count) {
  resume(task, count);
}

void neap_task_start_off_road(neap_task *task, int count) {
  int results;
  neap_runtime_stir(task->rt);
  int status = enter(task, count, &results);
  leave(task, status, results);
}

void neap_task_start_later(neap_task *task, int count) {
  task->nargs = count;
  task->rt->taken = NULL;
  neap_task_make_ready(task);
}

neap_task *neap_task_check(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_task *task = rt->current;
  if (task && task->co == L && (task->is_closing || lua_isyieldable(L)))
    return task;
  if (task && task->co == L)
    luaL_error(L, "this waits, and can't inside a finaliser or a function that "
                  "C calls");
  if (task)
    luaL_error(L, "this waits, and can't inside a coroutine of your own: "
                  "start it with scope:spawn(fn) instead");
  luaL_error(L, "this waits: wrap it in neap.run(function() ... end)");
  return NULL;
}

static int push_answer(lua_State *L, int answer) {
  if (answer != NEAP_OK)
    return neap_push_status(L, answer);
  lua_pushboolean(L, 1);
  return 1;
}

/* True if the wait is over before it began, by the task's own state. */
static bool is_cancelled(neap_task *task) {
  neap_runtime *rt = task->rt;
  if (task->shield || task->cancel == NEAP_CANCEL_NONE)
    return false;
  if (task->cancel == NEAP_CANCEL_TOLD) {
    task->state = NEAP_TASK_PARKED;
    neap_list_append(&rt->doomed, &task->link);
    neap_loop_wake(rt->loop);
    return true;
  }
  task->cancel = NEAP_CANCEL_TOLD;
  task->answer = NEAP_ECANCELLED;
  task->nargs = -1;
  neap_task_make_ready(task);
  return true;
}

int neap_task_park(lua_State *L, neap_task **where, lua_Number timeout,
                   int at_timeout) {
  neap_task *task = neap_task_check(L);
  if (task->is_closing)
    return push_answer(L, NEAP_ECANCELLED);
  if (is_cancelled(task))
    return lua_yield(L, 0);
  if (timeout >= 0) {
    uv_update_time(&task->rt->loop->uv); /* the turn may have been a long one */
    uint64_t ms =
      timeout > 1e9 ? (uint64_t)1e12 : (uint64_t)ceil(timeout * 1e3);
    int err = neap_loop_start_timer(task->rt->loop, &task->timer, ms);
    if (err)
      return push_answer(L, err);
  }
  task->at_timeout = at_timeout;
  task->state = NEAP_TASK_PARKED;
  task->where = where;
  if (where)
    *where = task;
  return lua_yield(L, 0);
}

int neap_task_yield(lua_State *L, int answer) {
  neap_task *task = neap_task_check(L);
  if (task->is_closing)
    return push_answer(L, NEAP_ECANCELLED);
  if (is_cancelled(task))
    return lua_yield(L, 0);
  task->answer = answer;
  task->nargs = -1;
  neap_task_make_ready(task);
  return lua_yield(L, 0);
}

bool neap_task_is_waiting(const neap_task *task) {
  return task->state == NEAP_TASK_PARKED && !neap_link_is_linked(&task->link);
}

void neap_task_wake(neap_task *task, int status) {
  if (!neap_task_is_waiting(task))
    return;
  neap_task_leave_place(task);
  task->answer = status;
  task->nargs = -1;
  neap_task_make_ready(task);
}

void neap_task_wake_now(neap_task *task, int count) {
  neap_task_leave_place(task);
  resume(task, count);
}

/* Values come by way of L: an error on a coroutine that does not run would close
 * it. */
static void run_ready(neap_runtime *rt, lua_State *L, void *arg) {
  neap_task *task = arg;
  int nargs = task->nargs;
  (void)rt;
  if (task->state != NEAP_TASK_READY) { /* late */
    neap_task_close(task);
    return;
  }
  if (nargs < 0) {
    nargs = push_answer(L, task->answer);
    lua_xmove(L, task->co, nargs);
  }
  task->nargs = 0;
  resume(task, nargs);
}

static void close_doomed(neap_runtime *rt, lua_State *L, void *arg) {
  (void)rt;
  (void)L;
  neap_task_close(arg);
}

/* What did not even begin, for want of memory, has another try later. */
static void step(neap_runtime *rt, neap_road_fn *body, neap_link *link) {
  neap_link mine, *late;
  neap_list_init(&mine);
  neap_list_append(&mine, link);
  neap_road(rt, body, NEAP_CONTAINER(link, neap_task, link));
  late = neap_list_take(&mine);
  if (late == NULL)
    return;
  neap_list_append(&rt->late, late);
  neap_errands_retry(rt);
}

/* Each step travels alone: what one task raises stops no other. */
bool neap_tasks_run(neap_runtime *rt) {
  neap_link now, *link;
  neap_list_init(&now);
  neap_list_splice(&now, &rt->ready);
  while ((link = neap_list_take(&now)) != NULL)
    step(rt, run_ready, link);
  neap_list_splice(&now, &rt->doomed);
  while ((link = neap_list_take(&now)) != NULL)
    step(rt, close_doomed, link);
  return !neap_list_is_empty(&rt->ready) || !neap_list_is_empty(&rt->doomed);
}
