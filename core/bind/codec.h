/* bind/codec.h - neap.codec: the protocol layer for scripts, without a socket.
 *
 * Specs run every wire vector through it, and tools read and write frames. */

#ifndef NEAP_BIND_CODEC_H
#define NEAP_BIND_CODEC_H

#include <lua.h>

/* Adds the functions of neap.codec to the table on top of the stack. */
void neap_bind_codec(lua_State *L);

/* The part of it in codec_session.c: codec.session and its class. */
void neap_bind_codec_session(lua_State *L);

/* The part of it in codec_deflate.c: negotiation of compression. */
void neap_bind_codec_deflate(lua_State *L);

#endif
