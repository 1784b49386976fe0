#include "bind/pace.h"

#include <limits.h>

/* What a heap may grow by before it is collected again, in KiB: by as much as
 * lives, as is Lua's default, and always by LEAST; by what messages make of it in
 * the OFTEN-th part of a second, for each collection looks at all that lives, but
 * not by over MOST. */
enum { LEAST = 4096, MOST = 16384, OFTEN = 32, PAUSE_MAX = 1000 };

static int max(int a, int b) {
  return a > b ? a : b;
}

static int slack(const neap_runtime *rt) {
  size_t messages = rt->strings / 1024 / OFTEN;
  int made = messages < MOST ? (int)messages : MOST;
  return max(max(LEAST, made), rt->heap);
}

/* A finaliser that turns the loop is not told. */
void neap_pace_look(neap_runtime *rt) {
  int heap = lua_gc(rt->L, LUA_GCCOUNT);
  if (heap > 0 && heap < rt->heap)
    rt->heap = heap;
}

void neap_pace_set(neap_runtime *rt) {
  if (rt->pause == 0)
    return;
  neap_pace_look(rt);
  int pause = 100 + (int)(100LL * slack(rt) / rt->heap);
  pause = pause < PAUSE_MAX ? pause / 4 * 4 : PAUSE_MAX; /* as Lua keeps it */
  rt->heap = INT_MAX;
  rt->strings = 0;
  int before = lua_gc(rt->L, LUA_GCSETPAUSE, pause);
  if (before == rt->pause) {
    rt->pause = pause;
    return;
  }
  lua_gc(rt->L, LUA_GCSETPAUSE, before); /* the script's own */
  rt->pause = 0;
}

/* core.pace(): from here on the pace is the server's */
static int pace(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_gc(L, LUA_GCINC, 0, 0, 0);
  rt->pause = lua_gc(L, LUA_GCSETPAUSE, 200);
  lua_gc(L, LUA_GCSETPAUSE, rt->pause);
  rt->heap = INT_MAX;
  neap_pace_set(rt);
  return 0;
}

void neap_bind_pace(lua_State *L) {
  static const luaL_Reg functions[] = {{"pace", pace}, {NULL, NULL}};
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
