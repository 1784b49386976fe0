/* bind/door.h - the short way in, for a WebSocket that no script has to see.
 *
 * The scripting layer leaves a door open behind a request that it has let in by
 * nothing but its path, Host and Origin. Whoever asks for the same goes through
 * it: the handshake is checked, and the 101 written, without a line of Lua. */

#ifndef NEAP_BIND_DOOR_H
#define NEAP_BIND_DOOR_H

#include "bind/request_internal.h"

/* Lets the request in if there is a door for it; false: it has to go the long
 * way, and nothing has happened. Raises when there is no memory. */
bool neap_door_enter(neap_runtime *rt, lua_State *L, neap_arrival *arrival);

#endif
