#include "bind/options.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "net/hash.h"

static bool is_among(const char *name, const char *const names[]) {
  for (int i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

static void push_names(lua_State *L, const char *const names[]) {
  lua_pushstring(L, names[0]);
  for (int i = 1; names[i]; i++) {
    lua_pushfstring(L, ", %s", names[i]);
    lua_concat(L, 2);
  }
}

void neap_options_check(lua_State *L, int index, const char *const names[]) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && is_among(lua_tostring(L, -1), names))
      continue;
    const char *name = luaL_tolstring(L, -1, NULL);
    push_names(L, names);
    luaL_error(L, "unknown option %s; there is: %s", name, lua_tostring(L, -1));
  }
}

enum neap_opcode neap_opt_kind(lua_State *L, int index) {
  static const char *const names[] = {"text", "binary", NULL};
  return luaL_checkoption(L, index, "text", names) ? NEAP_OP_BINARY
                                                   : NEAP_OP_TEXT;
}

uint64_t neap_key_field(lua_State *L, int index) {
  size_t len;
  if (lua_getfield(L, index, "key") == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  const char *key = luaL_tolstring(L, -1, &len);
  uint64_t hash = neap_hash(key, len) | 1;
  lua_pop(L, 2);
  return hash;
}
