/* bind/census.h - registers core's census functions in the table on the stack. */

#ifndef NEAP_BIND_CENSUS_H
#define NEAP_BIND_CENSUS_H

#include <lua.h>

void neap_bind_census(lua_State *L);

#endif
