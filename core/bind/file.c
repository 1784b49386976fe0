#include "bind/file.h"

#include <unistd.h>

#include "bind/site.h"
#include "net/beneath.h"
#include "proto/status.h"

#define CLASS "neap.file"

neap_file_box *neap_file_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, CLASS);
}

int neap_file_take(neap_file_box *box) {
  int fd = box->fd;
  box->fd = -1;
  if (fd >= 0 && box->rt->loop)
    neap_census_close(&box->rt->loop->census, &box->born);
  return fd;
}

/* core.open_file(directory, path, walks) -> file | "directory" | nil, message, code:
 * "refused" for what is not there, or must not be seen. walks: as where the
 * kernel has no openat2 */
static int open_file(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  const char *root = luaL_checkstring(L, 1);
  const char *path = luaL_checkstring(L, 2);
  bool walks = lua_toboolean(L, 3);
  struct stat st;
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_file_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (neap_file_box){.fd = -1, .rt = rt};
  luaL_setmetatable(L, CLASS);
  int fd = walks ? neap_open_beneath_by_walking(root, path, &st)
                 : neap_open_beneath(root, path, &st);
  if (fd < 0)
    return neap_push_status(L, fd);
  if (S_ISDIR(st.st_mode)) {
    close(fd);
    lua_pushliteral(L, "directory");
    return 1;
  }
  box->fd = fd;
  box->size = (uint64_t)st.st_size;
  box->seconds = st.st_mtim.tv_sec;
  box->nanoseconds = st.st_mtim.tv_nsec;
  neap_census_open(&rt->loop->census, &box->born, NEAP_CLASS_FILE,
                   neap_loop_now(rt->loop));
  return 1;
}

/* file:stat() -> bytes, seconds, nanoseconds of its last change */
static int file_stat(lua_State *L) {
  const neap_file_box *box = neap_file_check(L, 1);
  lua_pushinteger(L, (lua_Integer)box->size);
  lua_pushinteger(L, box->seconds);
  lua_pushinteger(L, box->nanoseconds);
  return 3;
}

/* file:close(); also __close and __gc */
static int file_close(lua_State *L) {
  int fd = neap_file_take(neap_file_check(L, 1));
  if (fd >= 0)
    close(fd);
  return 0;
}

static int file_tostring(lua_State *L) {
  const neap_file_box *box = neap_file_check(L, 1);
  lua_pushstring(L, box->fd < 0 ? CLASS " (closed)" : CLASS);
  return 1;
}

void neap_bind_file(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"close", file_close}, {"stat", file_stat}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", file_close},
                                         {"__close", file_close},
                                         {"__tostring", file_tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open_file", open_file}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
