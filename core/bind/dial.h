/* bind/dial.h - core.dial: how a client's connection begins. */

#ifndef NEAP_BIND_DIAL_H
#define NEAP_BIND_DIAL_H

#include <lua.h>

void neap_bind_dial(lua_State *L);

#endif
