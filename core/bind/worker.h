/* bind/worker.h - the threads of one process, each with a Lua state.
 *
 * Worker 1 is the thread that the process began with; it starts the others and
 * outlives them. Each state is its thread's alone. */

#ifndef NEAP_BIND_WORKER_H
#define NEAP_BIND_WORKER_H

#include "bind/runtime.h"
#include "net/worker.h"

int luaopen_neap_core(lua_State *L);

/* Of a state that is new: its loop becomes that of the worker whose thread this
 * is, if it is one's. Raises. */
void neap_worker_adopt(neap_runtime *rt, lua_State *L);

/* The state goes: its loop has gone before. */
void neap_workers_forget(neap_runtime *rt);

void neap_bind_worker(lua_State *L);

#endif
