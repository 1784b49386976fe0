/* Fails one allocation of the process that preloads it: the n-th after
 * fail_at(n), whether Lua's, libuv's or neap's own. fail_at() disarms, and
 * returns how many there were since. */

#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static bool is_armed;
static long calls, fails_at;

static bool fails(void) {
  if (!is_armed || ++calls != fails_at)
    return false;
  errno = ENOMEM;
  return true;
}

void *malloc(size_t size) {
  return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  return size && fails() ? NULL : __libc_realloc(old, size);
}

static int fail_at(lua_State *L) {
  long counted = calls;
  is_armed = !lua_isnoneornil(L, 1);
  fails_at = (long)luaL_optinteger(L, 1, 0);
  calls = 0;
  lua_pushinteger(L, counted);
  return 1;
}

int luaopen_malloc_fail(lua_State *L) {
  lua_pushcfunction(L, fail_at);
  return 1;
}
