/* bind/pace.h - how often Lua collects while a server runs.
 *
 * lua5.4 starts in generational mode, which turns into full collections where
 * messages are large; and a small heap at Lua's default pace is collected every
 * few thousand messages. A script that sets the pace itself keeps its own. */

#ifndef NEAP_BIND_PACE_H
#define NEAP_BIND_PACE_H

#include "bind/runtime.h"

/* Each turn: the least that the heap comes down to is what lives. */
void neap_pace_look(neap_runtime *rt);

/* Each second of work: the pace that the heap's size asks for. */
void neap_pace_set(neap_runtime *rt);

void neap_bind_pace(lua_State *L);

#endif
