/* Fails allocations of the process that preloads it: the n-th after
 * fail_at(n [, count]), whether Lua's, libuv's, OpenSSL's or neap's own, and
 * those that follow, count in all (1 by default). Lua tries a second time after
 * an emergency collection, so it takes two to fail one of Lua's. Nothing is ever
 * too large to be made smaller. fail_at() disarms, and returns how many
 * allocations there were since. */

#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static bool is_armed;
static long calls, fails_at, count;

static bool fails(void) {
  if (!is_armed || ++calls < fails_at || calls >= fails_at + count)
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
  bool shrinks = size == 0 || (old && size <= malloc_usable_size(old));
  return !shrinks && fails() ? NULL : __libc_realloc(old, size);
}

static int fail_at(lua_State *L) {
  long counted = calls;
  is_armed = !lua_isnoneornil(L, 1);
  fails_at = (long)luaL_optinteger(L, 1, 0);
  count = (long)luaL_optinteger(L, 2, 1);
  calls = 0;
  lua_pushinteger(L, counted);
  return 1;
}

int luaopen_malloc_fail(lua_State *L) {
  lua_pushcfunction(L, fail_at);
  return 1;
}
