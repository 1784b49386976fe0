/* Stands in for OpenSSL's allocator, and counts: loaded before OpenSSL is used.
 *
 *   local count = crypto_count()
 *   count.held()        blocks and bytes that OpenSSL has now
 *   count.fail_at(n)    the n-th allocation from here on fails; without n none
 *                       does; returns how many there were since the last call */

#include <lauxlib.h>
#include <lua.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

int luaopen_crypto_count(lua_State *L);

static long blocks, bytes, calls, fails_at;

static int fails(void) {
  return ++calls == fails_at;
}

static void *count_in(void *block) {
  if (block) {
    blocks++;
    bytes += (long)malloc_usable_size(block);
  }
  return block;
}

static void count_out(void *block) {
  if (block) {
    blocks--;
    bytes -= (long)malloc_usable_size(block);
  }
}

static void *allocate(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return fails() ? NULL : count_in(malloc(size));
}

static void release(void *block, const char *file, int line) {
  (void)file;
  (void)line;
  count_out(block);
  free(block);
}

static void *resize(void *old, size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  if (fails())
    return NULL;
  count_out(old);
  return count_in(realloc(old, size));
}

static int held(lua_State *L) {
  lua_pushinteger(L, blocks);
  lua_pushinteger(L, bytes);
  return 2;
}

static int fail_at(lua_State *L) {
  lua_pushinteger(L, calls);
  calls = 0;
  fails_at = (long)luaL_optinteger(L, 1, 0);
  return 1;
}

int luaopen_crypto_count(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"held", held}, {"fail_at", fail_at}, {NULL, NULL}};
  if (!CRYPTO_set_mem_functions(allocate, resize, release))
    return luaL_error(L, "OpenSSL has allocated already");
  luaL_newlib(L, functions);
  return 1;
}
