/* The part of neap.codec that agrees on compression. */

#include <lauxlib.h>
#include <string.h>

#include "bind/codec.h"
#include "proto/deflate_offer.h"
#include "proto/handshake.h"
#include "proto/status.h"

enum { HEAD_MAX = 64 * 1024 };

/* {takeover=, sends_alone=, window=} at index; nothing there is the default */
static neap_deflate_wish check_wish(lua_State *L, int index) {
  neap_deflate_wish wish = {.window = 15};
  if (lua_isnoneornil(L, index))
    return wish;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_getfield(L, index, "takeover");
  lua_getfield(L, index, "sends_alone");
  lua_getfield(L, index, "window");
  lua_Integer window = luaL_optinteger(L, -1, 15);
  luaL_argcheck(L, window >= 9 && window <= 15, index,
                "window is not in 9..15");
  wish.takeover = lua_toboolean(L, -3);
  wish.sends_alone = lua_toboolean(L, -2);
  wish.window = (uint8_t)window;
  lua_pop(L, 3);
  return wish;
}

static void push_terms(lua_State *L, const neap_deflate_terms *terms) {
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, terms->send_bits);
  lua_setfield(L, -2, "send_bits");
  lua_pushinteger(L, terms->receive_bits);
  lua_setfield(L, -2, "receive_bits");
  lua_pushboolean(L, terms->send_takeover);
  lua_setfield(L, -2, "send_takeover");
  lua_pushboolean(L, terms->receive_takeover);
  lua_setfield(L, -2, "receive_takeover");
}

static int push_refusal(lua_State *L, const char *text) {
  luaL_pushfail(L);
  lua_pushstring(L, text);
  lua_pushstring(L, neap_status_name(NEAP_EPROTO));
  return 3;
}

static void check_head(lua_State *L, int size) {
  luaL_argcheck(L, size > 0, 1, "not a whole head");
}

/* codec.deflate_accept(request_head [, wish]) -> terms, header line | nil
 * | nil, message, "protocol" */
static int deflate_accept(lua_State *L) {
  size_t len;
  const char *src = luaL_checklstring(L, 1, &len);
  neap_deflate_wish wish = check_wish(L, 2);
  neap_deflate_terms terms;
  neap_http_head head;
  char line[NEAP_DEFLATE_HEADER_MAX];
  check_head(L, neap_http_read_request(&head, src, len, HEAD_MAX));
  int got = neap_deflate_accept(&head, src, &wish, &terms, line);
  if (got < 0)
    return push_refusal(L, "Sec-WebSocket-Extensions is malformed.");
  if (got == 0) {
    lua_pushnil(L);
    return 1;
  }
  push_terms(L, &terms);
  lua_pushstring(L, line);
  return 2;
}

/* codec.deflate_offer([wish]) -> header line */
static int deflate_offer(lua_State *L) {
  neap_deflate_wish wish = check_wish(L, 1);
  char line[NEAP_DEFLATE_HEADER_MAX];
  lua_pushlstring(L, line, neap_deflate_offer(&wish, line));
  return 1;
}

/* codec.deflate_check(answer_head [, wish | false]) -> terms | nil
 * | nil, message, "protocol"; false: nothing was offered */
static int deflate_check(lua_State *L) {
  size_t len;
  const char *src = luaL_checklstring(L, 1, &len);
  bool offered = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  neap_deflate_wish wish = check_wish(L, offered ? 2 : 3);
  neap_deflate_terms terms;
  neap_http_head head;
  check_head(L, neap_http_read_response(&head, src, len, HEAD_MAX));
  int got =
    neap_deflate_check_answer(&head, src, offered ? &wish : NULL, &terms);
  if (got < 0)
    return push_refusal(L, head.error);
  if (got == 0)
    lua_pushnil(L);
  else
    push_terms(L, &terms);
  return 1;
}

void neap_bind_codec_deflate(lua_State *L) {
  static const luaL_Reg functions[] = {{"deflate_accept", deflate_accept},
                                       {"deflate_check", deflate_check},
                                       {"deflate_offer", deflate_offer},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
