#include "bind/site.h"

#include <string.h>

/* Registry keys: of the table name -> number and number -> name, and of the
 * prefix that neap's own sources have. */
static const char sites_key;
static const char prefix_key;

/* NAMES_MAX: labels may come from peers. What is new beyond that goes by the
 * name of OTHERS. */
enum { LEVELS = 24, NAMES_MAX = 8192, OTHERS = 1 };

static void push_sites(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sites_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushliteral(L, "others");
  lua_rawseti(L, -2, OTHERS);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sites_key);
}

/* Of the sites on top of the stack and a name below them. */
static uint32_t add_name(lua_State *L) {
  lua_Integer number = (lua_Integer)lua_rawlen(L, -1) + 1;
  if (number > NAMES_MAX)
    return OTHERS;
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, number);
  lua_pushvalue(L, -2);
  lua_pushinteger(L, number);
  lua_rawset(L, -3);
  return (uint32_t)number;
}

/* Replaces the name on top of the stack by nothing; returns its number. */
static uint32_t intern(lua_State *L) {
  push_sites(L);
  lua_pushvalue(L, -2);
  bool is_known = lua_rawget(L, -2) != LUA_TNIL;
  uint32_t number = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (!is_known)
    number = add_name(L);
  lua_pop(L, 2);
  return number;
}

static bool is_of_script(const lua_Debug *frame, const char *prefix,
                         size_t len) {
  return frame->what[0] != 'C' && frame->currentline > 0 &&
         (prefix == NULL || strncmp(frame->source, prefix, len) != 0);
}

bool neap_site_is_script(lua_State *L, lua_Debug *frame) {
  if (!lua_checkstack(L, 2))
    return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &prefix_key);
  size_t len = 0;
  const char *prefix = lua_tolstring(L, -1, &len);
  lua_getinfo(L, "Sl", frame);
  bool is_script = is_of_script(frame, prefix, len);
  lua_pop(L, 1);
  return is_script;
}

uint32_t neap_site_here(neap_runtime *rt, lua_State *L) {
  lua_Debug frame;
  if (rt->without_sites || !lua_checkstack(L, 6))
    return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &prefix_key);
  size_t len = 0;
  const char *prefix = lua_tolstring(L, -1, &len);
  uint32_t site = 0;
  for (int level = 0; level < LEVELS && site == 0; level++) {
    if (!lua_getstack(L, level, &frame))
      break;
    lua_getinfo(L, "Sl", &frame);
    if (is_of_script(&frame, prefix, len)) {
      lua_pushfstring(L, "%s:%d", frame.short_src, frame.currentline);
      site = intern(L);
    }
  }
  lua_pop(L, 1);
  return site;
}

uint32_t neap_site_named(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  return intern(L);
}

void neap_site_push(lua_State *L, uint32_t site) {
  push_sites(L);
  lua_rawgeti(L, -1, site);
  lua_remove(L, -2);
}

/* core.sites(prefix | false): sources that begin with prefix are neap's own;
 * false keeps no sites at all */
static int set_sites(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  rt->without_sites = !lua_toboolean(L, 1);
  if (lua_isstring(L, 1)) {
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &prefix_key);
  }
  return 0;
}

void neap_bind_site(lua_State *L) {
  static const luaL_Reg functions[] = {{"sites", set_sites}, {NULL, NULL}};
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
