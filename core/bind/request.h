/* bind/request.h - one HTTP request: its head, and the answer it is owed. */

#ifndef NEAP_BIND_REQUEST_H
#define NEAP_BIND_REQUEST_H

#include <lua.h>

void neap_bind_request(lua_State *L);

/* on_request of a listener that is closed: 503. */
int neap_request_refuse(lua_State *L);

#endif
