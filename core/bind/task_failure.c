/* What ended a task by force: the error, and where it came from. */

#include "bind/task_internal.h"

static int error_text(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* (task) -> the error that ended it, and its traceback; whatever the error's own
 * __tostring does. */
static int failure_of(lua_State *L) {
  neap_task *task = lua_touserdata(L, 1);
  lua_pushvalue(task->co, -1);
  lua_xmove(task->co, L, 1);
  lua_pushcfunction(L, error_text);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
  }
  luaL_traceback(L, task->co, lua_tostring(L, -1), 0);
  lua_remove(L, -2);
  return 2;
}

/* Where there is no memory for both, that error is both. */
int neap_task_push_failure(lua_State *L, neap_task *task) {
  lua_pushcfunction(L, failure_of);
  lua_pushlightuserdata(L, task);
  if (lua_pcall(L, 1, 2, 0) != LUA_OK)
    lua_pushvalue(L, -1);
  return lua_gettop(L) - 1;
}
