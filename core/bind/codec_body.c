/* The part of neap.codec that reads the body of a request. */

#include <lauxlib.h>

#include "bind/codec_http.h"
#include "proto/http_body.h"
#include "proto/status.h"

static void read_options(lua_State *L, neap_http_body *body) {
  neap_http_head head = {.content_length = -1};
  lua_getfield(L, 2, "chunked");
  head.chunked = lua_toboolean(L, -1);
  lua_getfield(L, 2, "length");
  head.content_length = luaL_optinteger(L, -1, -1);
  neap_http_body_init(body, &head);
  lua_getfield(L, 2, "limit");
  body->limit = (uint64_t)luaL_optinteger(L, -1, 0);
  lua_pop(L, 3);
}

/* Appends the pieces of one fed string to the table at index 3; returns the
 * bytes used, or the failure. */
static lua_Integer read_all(lua_State *L, neap_http_body *body,
                            const uint8_t *src, size_t len) {
  size_t at = 0, used, size;
  const uint8_t *piece;
  int got;
  while ((got = neap_http_body_next(body, src + at, len - at, &used, &piece,
                                    &size)) > 0) {
    lua_pushlstring(L, (const char *)piece, size);
    lua_rawseti(L, 3, (lua_Integer)lua_rawlen(L, 3) + 1);
    at += used;
  }
  return got < 0 ? got : (lua_Integer)(at + used);
}

/* codec.body({bytes, ...}, {chunked= | length=, limit=}) -> pieces, used, done
 * | nil, message, code; used of the last bytes, the rest is what follows */
static int codec_body(lua_State *L) {
  neap_http_body body;
  lua_Integer used = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_newtable(L);
  read_options(L, &body);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t len;
    lua_rawgeti(L, 1, i);
    const char *bytes = luaL_checklstring(L, -1, &len);
    used = read_all(L, &body, (const uint8_t *)bytes, len);
    if (used < 0) {
      luaL_pushfail(L);
      lua_pushstring(L, body.error);
      lua_pushstring(L, neap_status_name((int)used));
      return 3;
    }
    lua_pop(L, 1);
  }
  lua_pushinteger(L, used);
  lua_pushboolean(L, neap_http_body_is_done(&body));
  return 3;
}

void neap_bind_codec_body(lua_State *L) {
  lua_pushcfunction(L, codec_body);
  lua_setfield(L, -2, "body");
}
