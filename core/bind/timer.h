/* bind/timer.h - registers core's timer functions in the table on the stack. */

#ifndef NEAP_BIND_TIMER_H
#define NEAP_BIND_TIMER_H

#include <lua.h>

#include "net/census.h"

void neap_bind_timer(lua_State *L);

/* Its place in the census, or NULL if that is no timer. */
const neap_born *neap_timer_born(lua_State *L, int index);

#endif
