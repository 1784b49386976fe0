/* bind/loop.h - registers core's loop functions in the table on the stack. */

#ifndef NEAP_BIND_LOOP_H
#define NEAP_BIND_LOOP_H

#include <lua.h>

void neap_bind_loop(lua_State *L);

#endif
