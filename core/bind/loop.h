/* bind/loop.h - registers core's loop functions in the table on the stack. */

#ifndef NEAP_BIND_LOOP_H
#define NEAP_BIND_LOOP_H

#include <lua.h>
#include <stddef.h>
#include <uv.h>

#include "bind/runtime.h"

enum { NEAP_SIGNALS = 3 };

/* Once for a runtime: the core may be opened again. */
void neap_look_init(neap_runtime *rt);

void neap_bind_loop(lua_State *L);

/* The handles of signals, while they are watched; returns how many. */
size_t neap_signals_handles(neap_runtime *rt, uv_handle_t *own[NEAP_SIGNALS]);

#endif
