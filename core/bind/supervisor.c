#include "bind/supervisor.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bind/runtime.h"
#include "net/notify.h"

/* core.process() -> its id, microseconds of the monotonic clock */
static int process(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushinteger(L, getpid());
  lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  return 2;
}

/* core.seal(fd): no program that is started from here gets it */
static int seal(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int flags = fcntl(fd, F_GETFD);
  if (flags >= 0)
    fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  return 0;
}

/* core.unsetenv(name): while there is one thread */
static int unset(lua_State *L) {
  unsetenv(luaL_checkstring(L, 1));
  return 0;
}

/* core.notify(path, text) -> true | nil, message, code; path "@name" is abstract */
static int notify(lua_State *L) {
  size_t len;
  const char *path = luaL_checkstring(L, 1);
  const char *text = luaL_checklstring(L, 2, &len);
  return neap_push_status(L, neap_notify(path, text, len));
}

void neap_bind_supervisor(lua_State *L) {
  static const luaL_Reg functions[] = {{"process", process},
                                       {"seal", seal},
                                       {"unsetenv", unset},
                                       {"notify", notify},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
