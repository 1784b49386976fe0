/* bind/socket.h - core.socket: a bare descriptor that a script's modules read
 * and write, while a client connects. */

#ifndef NEAP_BIND_SOCKET_H
#define NEAP_BIND_SOCKET_H

#include <lua.h>

void neap_bind_socket(lua_State *L);

/* The descriptor of the socket at index, which is closed as a handle; -1 when it
 * was closed before. */
int neap_socket_hand_over(lua_State *L, int index);

#endif
