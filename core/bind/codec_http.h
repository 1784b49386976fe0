/* bind/codec_http.h - the part of neap.codec that reads heads and makes
 * handshakes. Pure, like the rest of it. */

#ifndef NEAP_BIND_CODEC_HTTP_H
#define NEAP_BIND_CODEC_HTTP_H

#include <lua.h>

/* Adds its functions to the table on top of the stack. */
void neap_bind_codec_http(lua_State *L);

/* codec.body, in codec_body.c. */
void neap_bind_codec_body(lua_State *L);

/* The part of it in codec_proxy.c: what a proxy says of its client. */
void neap_bind_codec_proxy(lua_State *L);

#endif
