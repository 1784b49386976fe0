#include "bind/pipe.h"

#include "bind/listener.h"
#include "bind/route.h"
#include "proto/status.h"

#define CLASS "neap.pipe"

typedef struct pipe_box {
  neap_pipe *pipe; /* NULL once closed */
  neap_settings *settings;
  uint32_t tag;
} pipe_box;

static pipe_box *check_pipe(lua_State *L, int index) {
  return luaL_checkudata(L, index, CLASS);
}

/* core.pipe{settings=, on_request=, doors=} -> pipe; core.dial{pipe=} goes through it,
 * to on_request as if a listener had accepted it */
static int pipe_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "settings");
  neap_settings *settings = neap_settings_check(L, -1);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  pipe_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (pipe_box){0};
  luaL_setmetatable(L, CLASS);
  box->pipe = neap_pipe_new(rt->loop);
  if (box->pipe == NULL)
    return neap_push_status(L, NEAP_ENOMEM);
  box->settings = neap_settings_retain(settings);
  box->tag = ++rt->last_tag;
  lua_getfield(L, 1, "on_request");
  luaL_argcheck(L, lua_isfunction(L, -1), 1, "on_request is not a function");
  neap_listener_set_handler(L, rt, box->tag);
  lua_getfield(L, 1, "doors");
  neap_listener_set_doors(L, rt, box->tag);
  return 1;
}

int neap_pipe_dial(lua_State *L, int index, neap_conn **out,
                   neap_settings *settings, const neap_buffer *request) {
  neap_runtime *rt = neap_runtime_of(L);
  pipe_box *box = check_pipe(L, index);
  if (box->pipe == NULL)
    return NEAP_ECLOSED;
  return neap_conn_dial_pipe(out, rt->loop, box->pipe, box->settings, box->tag,
                             settings, request->data, request->len);
}

static enum neap_cut check_cut(lua_State *L, int index) {
  static const char *const names[] = {"fin",   "reset", "silence",
                                      "stall", "mute",  NULL};
  return (enum neap_cut)(NEAP_CUT_FIN +
                         luaL_checkoption(L, index, NULL, names));
}

/* pipe:cut(how [, at]): now, or behind the at-th write of both ends */
static int pipe_cut(lua_State *L) {
  pipe_box *box = check_pipe(L, 1);
  enum neap_cut cut = check_cut(L, 2);
  if (box->pipe == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (lua_isnoneornil(L, 3)) {
    neap_pipe_cut(box->pipe, cut);
  } else {
    box->pipe->cut = cut;
    box->pipe->cut_at = (size_t)luaL_checkinteger(L, 3);
  }
  return neap_push_status(L, NEAP_OK);
}

/* pipe:writes() -> how many writes both ends have made */
static int pipe_writes(lua_State *L) {
  pipe_box *box = check_pipe(L, 1);
  lua_pushinteger(L, box->pipe ? (lua_Integer)box->pipe->writes : 0);
  return 1;
}

/* pipe:hold("client"|"server", is_held): what is on its way there waits */
static int pipe_hold(lua_State *L) {
  static const char *const names[] = {"client", "server", NULL};
  pipe_box *box = check_pipe(L, 1);
  int end = luaL_checkoption(L, 2, NULL, names);
  if (box->pipe == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_pipe_hold(&box->pipe->ends[end], lua_toboolean(L, 3));
  return neap_push_status(L, NEAP_OK);
}

/* pipe:narrow(grain, room): the most bytes that one read takes (0 is any), and
 * that either end may leave unread */
static int pipe_narrow(lua_State *L) {
  pipe_box *box = check_pipe(L, 1);
  lua_Integer grain = luaL_checkinteger(L, 2), room = luaL_checkinteger(L, 3);
  luaL_argcheck(L, grain >= 0, 2, "negative");
  luaL_argcheck(L, room > 0, 3, "not positive");
  if (box->pipe == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  box->pipe->grain = (size_t)grain;
  box->pipe->room = (size_t)room;
  return neap_push_status(L, NEAP_OK);
}

static int pipe_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  pipe_box *box = check_pipe(L, 1);
  if (box->pipe == NULL || rt->loop == NULL)
    return 0;
  lua_pushnil(L);
  neap_listener_set_handler(L, rt, box->tag);
  lua_pushnil(L);
  neap_listener_set_doors(L, rt, box->tag);
  neap_pipe_release(box->pipe);
  box->pipe = NULL;
  neap_settings_release(box->settings);
  return 0;
}

/* core.advance(seconds): puts the loop's clock forward */
static int advance(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_Number seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "out of range");
  if (rt->loop)
    neap_loop_advance(rt->loop, (uint64_t)(seconds * 1e3 + 0.5));
  return 0;
}

/* core.hold_clock(is_held): the loop's clock stands, but for core.advance */
static int hold_clock(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop)
    neap_loop_hold_clock(rt->loop, lua_toboolean(L, 1));
  return 0;
}

void neap_bind_pipe(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"cut", pipe_cut},       {"hold", pipe_hold},   {"narrow", pipe_narrow},
    {"writes", pipe_writes}, {"close", pipe_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", pipe_close}, {"__close", pipe_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"pipe", pipe_new},
                                       {"advance", advance},
                                       {"hold_clock", hold_clock},
                                       {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
