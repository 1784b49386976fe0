/* bind/lookup.h - core.lookup: the addresses of a host name. */

#ifndef NEAP_BIND_LOOKUP_H
#define NEAP_BIND_LOOKUP_H

#include <lua.h>

void neap_bind_lookup(lua_State *L);

#endif
