#include "bind/secret.h"

#include <lauxlib.h>
#include <sys/random.h>

#include "bind/runtime.h"
#include "proto/secret.h"
#include "proto/status.h"

/* core.is_secret(secret, given) -> boolean; tells nothing by the time it takes */
static int is_secret(lua_State *L) {
  size_t len, given_len;
  const char *secret = luaL_checklstring(L, 1, &len);
  const char *given = luaL_checklstring(L, 2, &given_len);
  lua_pushboolean(L, neap_secret_is_same(secret, len, given, given_len));
  return 1;
}

/* core.random(count) -> bytes that nobody can guess | nil, message, "io" */
static int random_bytes(lua_State *L) {
  char bytes[256]; /* getrandom gives that many at once, or none */
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 0 && count <= (lua_Integer)sizeof bytes, 1,
                "0 to 256 bytes");
  if (getrandom(bytes, (size_t)count, 0) != (ssize_t)count)
    return neap_push_status(L, NEAP_EIO);
  lua_pushlstring(L, bytes, (size_t)count);
  return 1;
}

void neap_bind_secret(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"is_secret", is_secret}, {"random", random_bytes}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
