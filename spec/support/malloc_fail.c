/* Fails allocations: the n-th after fail_at(n [, count [, whose]]) and those that
 * follow it, count in all (1 by default). Nothing is ever too large to be made
 * smaller. fail_at() disarms, and returns how many allocations there were since.
 *
 * whose   "all" (default): the process's, whether Lua's, libuv's, OpenSSL's or
 *         neap's own, if it preloads this; "thread": the caller's alone;
 *         "lua": those that the caller's Lua makes, preloaded or not.
 *
 * Lua tries a second time after an emergency collection, so it takes two to fail
 * one of Lua's. */

#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

enum whose { NOBODY, ALL, THREAD, LUA };

static atomic_int armed; /* an enum whose */
static _Thread_local bool is_mine;
static atomic_long calls, fails_at, count;

static bool fails_now(void) {
  long call = ++calls;
  if (call < fails_at || call >= fails_at + count)
    return false;
  errno = ENOMEM;
  return true;
}

static bool fails(void) {
  int whose = armed;
  bool counts = whose == ALL || (whose == THREAD && is_mine);
  return counts && fails_now();
}

void *malloc(size_t size) {
  return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  bool shrinks = size == 0 || (old && size <= malloc_usable_size(old));
  return !shrinks && fails() ? NULL : __libc_realloc(old, size);
}

/* A state's own allocator, which ours stands before. */
static lua_Alloc real;

/* For a new object `old_size` is its type, not a size. */
static void *allocate(void *peer, void *old, size_t old_size, size_t size) {
  bool shrinks = size == 0 || (old && size <= old_size);
  if (!shrinks && armed == LUA && is_mine && fails_now())
    return NULL;
  return real(peer, old, old_size, size);
}

static int fail_at(lua_State *L) {
  static const char *const names[] = {"nobody", "all", "thread", "lua", NULL};
  long counted = calls;
  bool arms = !lua_isnoneornil(L, 1);
  int whose = luaL_checkoption(L, 3, arms ? "all" : "nobody", names);
  armed = NOBODY;
  fails_at = (long)luaL_optinteger(L, 1, 0);
  count = (long)luaL_optinteger(L, 2, 1);
  calls = 0;
  is_mine = arms;
  armed = whose;
  lua_pushinteger(L, counted);
  return 1;
}

int luaopen_malloc_fail(lua_State *L) {
  void *peer;
  lua_Alloc own = lua_getallocf(L, &peer);
  if (own != allocate) {
    real = own;
    lua_setallocf(L, allocate, peer);
  }
  lua_pushcfunction(L, fail_at);
  return 1;
}
