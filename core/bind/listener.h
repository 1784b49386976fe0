/* bind/listener.h - core.listen and the listener's handle. */

#ifndef NEAP_BIND_LISTENER_H
#define NEAP_BIND_LISTENER_H

#include "bind/runtime.h"

void neap_bind_listener(lua_State *L);

/* The function, or nil, on top of the stack answers the requests of a tag. */
void neap_listener_set_handler(lua_State *L, neap_runtime *rt, uint32_t tag);

/* The table, or nil, on top of the stack has the doors of a tag, by path. */
void neap_listener_set_doors(lua_State *L, neap_runtime *rt, uint32_t tag);
bool neap_listener_push_doors(lua_State *L, neap_runtime *rt, uint32_t tag);

#endif
