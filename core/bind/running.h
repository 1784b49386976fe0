/* bind/running.h - which coroutine runs now, and who has resumed it.
 *
 * Lua does not say; the watchdog must know, from a signal handler. So whatever
 * enters a coroutine leaves a runner on the C stack: tasks, the road, and, for
 * those of a script's own, coroutine.resume, wrap and close, which neap puts in
 * the place of Lua's. They do what Lua's do. */

#ifndef NEAP_BIND_RUNNING_H
#define NEAP_BIND_RUNNING_H

#include "bind/runtime.h"

typedef struct neap_runner {
  lua_State *co;
  struct neap_runner *outer;
} neap_runner;

/* Around what runs in co; nothing between the two may throw. */
void neap_running_enter(neap_runtime *rt, neap_runner *runner, lua_State *co);
void neap_running_leave(neap_runtime *rt, const neap_runner *runner);

/* Closes a coroutine; its <close> variables run. Returns a Lua status. */
int neap_running_close(neap_runtime *rt, lua_State *co, lua_State *from);

/* Replaces those three in the library of Lua. */
void neap_bind_running(lua_State *L);

#endif
