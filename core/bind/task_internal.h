/* bind/task_internal.h - what the files of tasks share among them. */

#ifndef NEAP_BIND_TASK_INTERNAL_H
#define NEAP_BIND_TASK_INTERNAL_H

#include "bind/task.h"

#define NEAP_TASK_CLASS "neap.task"

/* User values of the userdata. */
enum { NEAP_TASK_COROUTINE = 1, NEAP_TASK_OWNER = 2 };

/* Pushes a new task, idle and not counted yet. */
neap_task *neap_task_new(neap_runtime *rt, lua_State *L);
void neap_task_be_born(neap_task *task);

/* Pushes the task's userdata; nil if it is being collected. */
void neap_task_push(lua_State *L, neap_task *task);

/* Whose callback it is: an anchored handle, or one that the script holds. */
void neap_task_push_borrower(lua_State *L, neap_task *task);

void neap_task_make_ready(neap_task *task);

/* A callback that ended without waiting goes back to the pool, its coroutine
 * too; any other is left to the collector. */
void neap_task_retire(neap_task *task, bool may_return);

/* task_end.c: its coroutine has ended; or is to be closed, unless it has been,
 * and only its end is not told yet. */
void neap_task_finish(neap_task *task, int status, int count);
void neap_task_close(neap_task *task);

/* It waits, and there was no memory for its scope to hold it: it is closed. */
void neap_task_lose(neap_task *task);

/* Parked, and not about to be closed. */
bool neap_task_is_waiting(const neap_task *task);

/* It waits no longer: not in its place, nor for its time-out. */
void neap_task_leave_place(neap_task *task);

/* Pushes the error that ended a task and its traceback; where they stand. */
int neap_task_push_failure(lua_State *L, neap_task *task);

#endif
