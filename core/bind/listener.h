/* bind/listener.h - core.listen and the listener's handle. */

#ifndef NEAP_BIND_LISTENER_H
#define NEAP_BIND_LISTENER_H

#include <lua.h>

void neap_bind_listener(lua_State *L);

#endif
