/* Goes behind neap's back in the process that preloads it: closes and replaces
 * its descriptors, turns a close into a leak, puts a handle on its loop. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

static uv_loop_t *loop;
static uv_idle_t stray;
static int kept = -1;

int uv_loop_init(uv_loop_t *made) {
  int (*real)(uv_loop_t *) =
    (int (*)(uv_loop_t *))dlsym(RTLD_NEXT, "uv_loop_init");
  loop = made;
  return real(made);
}

int close(int fd) {
  if (fd != kept)
    return (int)syscall(SYS_close, fd);
  kept = -1;
  return 0;
}

/* meddle.close(fd) */
static int meddle_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* meddle.replace(fd): another file takes its number */
static int meddle_replace(lua_State *L) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, (int)luaL_checkinteger(L, 1));
  close(null);
  return 0;
}

/* meddle.keep(fd): the next close of it does nothing */
static int meddle_keep(lua_State *L) {
  kept = (int)luaL_checkinteger(L, 1);
  return 0;
}

/* meddle.stray(on): a handle that nobody accounts for */
static int meddle_stray(lua_State *L) {
  if (lua_toboolean(L, 1))
    uv_idle_init(loop, &stray);
  else
    uv_close((uv_handle_t *)&stray, NULL);
  return 0;
}

int luaopen_meddle(lua_State *L) {
  static const luaL_Reg functions[] = {{"close", meddle_close},
                                       {"replace", meddle_replace},
                                       {"keep", meddle_keep},
                                       {"stray", meddle_stray},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
