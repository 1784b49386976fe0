#include "bind/fields.h"

#include <string.h>

#include "bind/runtime.h"

enum neap_field neap_field_of(const char *name) {
#define X(symbol, text)        \
  if (strcmp(name, text) == 0) \
    return NEAP_FIELD_##symbol;
  NEAP_FIELD_MAP(X)
#undef X
  return NEAP_FIELD_NONE;
}

void neap_open_class(lua_State *L, const char *name, lua_CFunction index) {
  int class = lua_gettop(L);
  luaL_getsubtable(L, class - 1, "methods");
  lua_getfield(L, class, "__index");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, name);
  neap_runtime_open(L);
  lua_insert(L, -2);
  lua_pushcclosure(L, index, 2);
  lua_setfield(L, class, "__index");
  lua_settop(L, class);
}
