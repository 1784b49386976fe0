/* bind/task.h - coroutines that the loop resumes.
 *
 * A task starts and goes on only from the loop, never inside another one. It
 * waits for one thing at a time, in one place, and is woken exactly once. Its
 * userdata lives in its owner's scope (user value 2), its coroutine in user
 * value 1; a callback that never waits borrows a pooled one instead. */

#ifndef NEAP_BIND_TASK_H
#define NEAP_BIND_TASK_H

#include "bind/runtime.h"

enum neap_task_state {
  NEAP_TASK_IDLE, /* in the pool */
  NEAP_TASK_READY,
  NEAP_TASK_RUNNING,
  NEAP_TASK_PARKED,
  NEAP_TASK_DONE,
};

enum neap_cancel {
  NEAP_CANCEL_NONE,
  NEAP_CANCEL_ASKED, /* its next wait is answered "cancelled" */
  NEAP_CANCEL_TOLD,  /* its next wait parks it for good */
};

typedef struct neap_task neap_task;

/* The end of a callback: status LUA_OK with count results on co's stack, or an
 * error, with its coroutine closed. Does not raise. False: it could not be told
 * for want of memory, and is called once more, later, with NEAP_TASK_AGAIN. */
enum { NEAP_TASK_AGAIN = -1 };
typedef bool neap_task_done(neap_task *task, int status, int count);

struct neap_task {
  neap_link link; /* ready, doomed or late */
  neap_born born;
  neap_timer timer; /* of a wait that has an end */
  neap_runtime *rt;
  lua_State *co;
  neap_task **where;    /* the place that it waits in, cleared at its waking */
  neap_task_done *done; /* NULL: the scope's, through a hook */
  void *arg;            /* of done */
  neap_task *next_idle;
  int slot; /* a root while it is a callback that nobody adopted */
  const int
    *owner_slot; /* of a callback's handle, which adopts it if it waits */
  int nargs;     /* values on co's stack for the next resume, or -1: */
  int answer;    /* a status to answer with */
  int at_timeout;
  uint8_t state;
  uint8_t cancel;
  uint8_t shield;
  bool is_adopted;
  bool is_exposed; /* a script may hold it: never pooled again */
  bool is_closing; /* its coroutine is being closed */
  bool is_lost;    /* it is closed because its scope could not hold it */
  bool is_over;    /* done has heard of the end */
  uint8_t kind;    /* for done */
};

void neap_bind_task(lua_State *L);

/* Its place in the census, or NULL if that is no task. */
const neap_born *neap_task_born(lua_State *L, int index);

/* A task to push a function and its arguments on, from the pool. Raises. */
neap_task *neap_task_take(neap_runtime *rt, lua_State *L);

/* An error came out of the start or the end of a task: of those that began to
 * end after outer did. Where memory was short, the end is told later. */
void neap_tasks_recover(neap_runtime *rt, neap_task *outer, int status);

/* Whether memory was too short for it to go on. */
bool neap_task_was_short(const neap_task *task);

/* Pushes the error that ended a task, and its traceback or nil; raises. */
void neap_task_push_error(lua_State *L, const neap_task *task);

/* Leaves the tasks of the pool to the collector. */
void neap_tasks_trim(neap_runtime *rt);

/* Whether the pool has a task, so that to take one raises nothing; outside of the
 * road. False: no memory for one. */
bool neap_tasks_are_stocked(neap_runtime *rt);

/* Runs it now (from the loop alone), or in the loop's next turn; count is the
 * number of arguments on co's stack above the function. Off the road, the
 * arguments hold the handle. */
void neap_task_start(neap_task *task, int count);
void neap_task_start_off_road(neap_task *task, int count);
void neap_task_start_later(neap_task *task, int count);

/* In a C function of a script: suspends the running task. where (or NULL) is
 * set to it until it is woken; timeout in seconds, negative for none. Raises
 * outside of a task. Return its result. */
int neap_task_park(lua_State *L, neap_task **where, lua_Number timeout,
                   int at_timeout);

/* The same for a wait whose answer is known: it still takes a turn. */
int neap_task_yield(lua_State *L, int answer);

/* The running task, or an error that says how to get one. */
neap_task *neap_task_check(lua_State *L);

/* Wakes a parked task with a status, or with count values that stand on its
 * own stack already; _now resumes it at once (from the loop alone). */
void neap_task_wake(neap_task *task, int status);
void neap_task_wake_now(neap_task *task, int count);

/* One turn: everything that was ready runs, what is doomed is closed. True if
 * there is more. */
bool neap_tasks_run(neap_runtime *rt);

#endif
