/* Counts the calls of malloc and calloc of the process that preloads it. Lua's
 * own memory comes through realloc, so what is counted is C's. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <lauxlib.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

static unsigned long calls;

void *malloc(size_t size) {
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  return __libc_calloc(count, size);
}

static int count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)__atomic_load_n(&calls, __ATOMIC_RELAXED));
  return 1;
}

int luaopen_malloc_count(lua_State *L) {
  lua_pushcfunction(L, count);
  return 1;
}
