#include "bind/listener.h"

#include <fcntl.h>
#include <string.h>

#include "bind/route.h"
#include "bind/runtime.h"
#include "bind/site.h"
#include "bind/tls.h"
#include "net/acceptor.h"
#include "net/conn.h"
#include "proto/status.h"

#define CLASS "neap.listener"

/* Anchored while it listens: the handler stands in rt->handlers by its tag,
 * and the handle itself in the registry. */
typedef struct listener_box {
  neap_acceptor *acceptor; /* NULL once closed */
  int slot;
} listener_box;

static listener_box *check_listener(lua_State *L) {
  return luaL_checkudata(L, 1, CLASS);
}

static enum neap_sharing sharing_field(lua_State *L) {
  static const char *const names[] = {"alone", "first", "other", NULL};
  lua_getfield(L, 1, "sharing");
  int choice = luaL_checkoption(L, -1, "alone", names);
  lua_pop(L, 1);
  return (enum neap_sharing)choice;
}

static bool flag_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

/* Borrowed from the table; NULL: there is none. */
static const char *text_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : NULL;
  lua_pop(L, 1);
  return text;
}

static lua_Integer number_field(lua_State *L, const char *name,
                                lua_Integer otherwise) {
  lua_getfield(L, 1, name);
  lua_Integer n = luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return n;
}

static int open_tcp(lua_State *L, neap_fault *fault) {
  lua_Integer port = number_field(L, "port", -1);
  const char *host = text_field(L, "host");
  luaL_argcheck(L, port >= 0 && port <= 65535, 1, "port is not 0 to 65535");
  luaL_argcheck(L, host, 1, "there is no host");
  return neap_endpoint_tcp(host, (uint16_t)port, flag_field(L, "v6only"),
                           sharing_field(L), fault);
}

/* A bound descriptor, or a negative status. */
static int open_endpoint(lua_State *L, neap_socket_mark *mark,
                         neap_fault *fault) {
  neap_socket_file file = {.path = text_field(L, "path"),
                           .mode = (int)number_field(L, "mode", -1),
                           .owner = text_field(L, "owner"),
                           .group = text_field(L, "group")};
  lua_Integer fd = number_field(L, "fd", -1);
  if (file.path)
    return neap_endpoint_unix(mark, &file, fault);
  return fd >= 0 ? neap_endpoint_inherited((int)fd, fault) : open_tcp(L, fault);
}

static int open_acceptor(lua_State *L, neap_acceptor **out, neap_loop *loop,
                         neap_settings *settings, neap_fault *fault) {
  neap_socket_mark mark = {0};
  int fd = open_endpoint(L, &mark, fault);
  return fd < 0 ? fd
                : neap_acceptor_open(out, loop, fd, &mark, settings, fault);
}

static void set(lua_State *L, neap_runtime *rt, lua_Integer key) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->handlers);
  lua_insert(L, -2);
  lua_rawseti(L, -2, key);
  lua_pop(L, 1);
}

void neap_listener_set_handler(lua_State *L, neap_runtime *rt, uint32_t tag) {
  set(L, rt, tag);
}

void neap_listener_set_doors(lua_State *L, neap_runtime *rt, uint32_t tag) {
  set(L, rt, -(lua_Integer)tag);
}

bool neap_listener_push_doors(lua_State *L, neap_runtime *rt, uint32_t tag) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->handlers);
  return lua_rawgeti(L, -1, -(lua_Integer)tag) == LUA_TTABLE;
}

/* core.listen{host=, port=, v6only=, sharing= | path=, mode=, owner=, group= |
 * fd=, settings=, on_request=, tls=, proxy=}
 * -> listener | nil, message, code */
static int listen_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "settings");
  neap_settings *settings = neap_settings_check(L, -1);
  lua_getfield(L, 1, "on_request");
  luaL_argcheck(L, lua_isfunction(L, -1), 1, "on_request is not a function");
  lua_getfield(L, 1, "tls");
  neap_tls_context *tls = neap_tls_context_opt(L, -1, false);
  lua_insert(L, -2); /* the function stays on top */
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  listener_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  int handle = lua_gettop(L);
  *box = (listener_box){.slot = LUA_NOREF};
  luaL_setmetatable(L, CLASS);

  neap_fault fault = {""};
  neap_acceptor *acceptor;
  int err = open_acceptor(L, &acceptor, rt->loop, settings, &fault);
  if (err)
    return neap_push_failure(L, err, fault.text);
  box->acceptor = acceptor;
  acceptor->tag = ++rt->last_tag;
  acceptor->is_proxied = flag_field(L, "proxy");
  acceptor->peer = box;
  if (tls)
    neap_acceptor_secure(acceptor, tls);
  acceptor->born.site = neap_site_here(rt, L);
  lua_pushvalue(L, handle - 1);
  neap_listener_set_handler(L, rt, acceptor->tag);
  lua_pushvalue(L, handle);
  box->slot = neap_ref(rt, L);
  lua_settop(L, handle);
  return 1;
}

/* listener:close(); also __close and __gc */
static int listener_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  listener_box *box = check_listener(L);
  neap_acceptor *acceptor = box->acceptor;
  box->acceptor = NULL;
  if (acceptor == NULL || rt->loop == NULL)
    return 0;
  acceptor->peer = NULL;
  lua_pushnil(L);
  neap_listener_set_handler(L, rt, acceptor->tag);
  lua_pushnil(L);
  neap_listener_set_doors(L, rt, acceptor->tag);
  neap_conns_let_go(rt->loop, acceptor->tag);
  neap_acceptor_close(acceptor);
  neap_unref(rt, &box->slot);
  return 0;
}

/* listener:drain() -> how many answers are under way. It goes on accepting, but
 * no connection outlives the answer to one request, and those without one end. */
static int listener_drain(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  listener_box *box = check_listener(L);
  size_t busy = 0;
  if (box->acceptor) {
    box->acceptor->is_draining = true;
    busy = neap_conns_let_go(rt->loop, box->acceptor->tag);
  }
  lua_pushinteger(L, (lua_Integer)busy);
  return 1;
}

/* listener:address() -> host, port | path, nil | nil, message, code */
static int listener_address(lua_State *L) {
  listener_box *box = check_listener(L);
  char host[128];
  int port;
  if (box->acceptor == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  int err = neap_acceptor_address(box->acceptor, host, sizeof host, &port);
  if (err)
    return neap_push_status(L, err);
  lua_pushstring(L, host);
  if (port >= 0)
    lua_pushinteger(L, port);
  else
    lua_pushnil(L);
  return 2;
}

static int call(lua_State *L, void (*fn)(neap_acceptor *)) {
  listener_box *box = check_listener(L);
  if (box->acceptor)
    fn(box->acceptor);
  return 0;
}

/* listener:hold(): whoever comes waits until listener:accept() */
static int listener_hold(lua_State *L) {
  return call(L, neap_acceptor_hold);
}

static int listener_accept(lua_State *L) {
  return call(L, neap_acceptor_accept);
}

/* listener:set_tls(context) -> true | nil, message, code; open connections
 * keep the one they have */
static int listener_set_tls(lua_State *L) {
  listener_box *box = check_listener(L);
  luaL_checkany(L, 2);
  neap_tls_context *tls = neap_tls_context_opt(L, 2, false);
  luaL_argcheck(L, tls, 2, "no TLS context");
  if (box->acceptor == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_acceptor_secure(box->acceptor, tls);
  return neap_push_status(L, NEAP_OK);
}

/* listener:set_doors(doors): those that need not go through on_request */
static int listener_set_doors(lua_State *L) {
  listener_box *box = check_listener(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  if (box->acceptor)
    neap_listener_set_doors(L, neap_runtime_of(L), box->acceptor->tag);
  return 0;
}

/* listener:dup() -> a descriptor of the same socket, for another worker */
static int listener_dup(lua_State *L) {
  listener_box *box = check_listener(L);
  int fd = box->acceptor ? fcntl(box->acceptor->fd, F_DUPFD_CLOEXEC, 0) : -1;
  if (fd < 0)
    return neap_push_status(L, box->acceptor ? NEAP_EIO : NEAP_ECLOSED);
  lua_pushinteger(L, fd);
  return 1;
}

static int listener_tostring(lua_State *L) {
  listener_box *box = check_listener(L);
  lua_pushfstring(L, box->acceptor ? CLASS ": %p" : CLASS " (closed)", box);
  return 1;
}

void neap_bind_listener(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", listener_close},
                                     {"address", listener_address},
                                     {"dup", listener_dup},
                                     {"drain", listener_drain},
                                     {"set_tls", listener_set_tls},
                                     {"hold", listener_hold},
                                     {"accept", listener_accept},
                                     {"set_doors", listener_set_doors},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", listener_close},
                                         {"__close", listener_close},
                                         {"__tostring", listener_tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"listen", listen_new}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
