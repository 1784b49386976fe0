#include "bind/pace.h"

/* KIB: what a heap may always grow by before it is collected again; otherwise by
 * as much as lives, as is Lua's default. */
enum { KIB = 4096, MOST = 1000 };

void neap_pace_set(neap_runtime *rt) {
  int live = lua_gc(rt->L, LUA_GCCOUNT) + 1;
  int pause = 100 + 100 * (live > KIB ? live : KIB) / live;
  pause = pause < MOST ? pause / 4 * 4 : MOST; /* as Lua keeps it */
  if (rt->pause == 0)
    return;
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
  neap_pace_set(rt);
  return 0;
}

void neap_bind_pace(lua_State *L) {
  static const luaL_Reg functions[] = {{"pace", pace}, {NULL, NULL}};
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
