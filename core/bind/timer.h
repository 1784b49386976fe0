/* bind/timer.h - registers core's timer functions in the table on the stack. */

#ifndef NEAP_BIND_TIMER_H
#define NEAP_BIND_TIMER_H

#include <lua.h>

void neap_bind_timer(lua_State *L);

#endif
