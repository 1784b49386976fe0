/* bind/route.h - what the connections of one route share: settings and
 * handlers. Counted by reference: the script's handle, and each connection.
 *
 * The handlers live in the handle's user value, so that a route whose handlers
 * mention their app is an ordinary cycle; the registry has them only while a
 * connection does, which is a root anyway. */

#ifndef NEAP_BIND_ROUTE_H
#define NEAP_BIND_ROUTE_H

#include "bind/runtime.h"
#include "net/settings.h"

#define NEAP_HANDLER_MAP(X) \
  X(OPEN, "open")           \
  X(TASK, "task")           \
  X(MESSAGE, "message")     \
  X(WRITABLE, "writable")   \
  X(CLOSE, "close")         \
  X(ERROR, "error")         \
  X(DRAINING, "draining")   \
  X(SCOPE, "scope") /* not called: what its connections belong to */

enum neap_handler {
#define X(symbol, name) NEAP_HANDLER_##symbol,
  NEAP_HANDLER_MAP(X)
#undef X
    NEAP_HANDLER_COUNT,
};

typedef struct neap_route {
  size_t references;
  neap_runtime *rt;
  neap_settings *settings;
  size_t conns;
  int handlers[NEAP_HANDLER_COUNT]; /* registry slots while conns > 0 */
  uint32_t site; /* its label, as its connections' place of birth */
} neap_route;

static inline bool neap_route_has(const neap_route *route,
                                  enum neap_handler handler) {
  return route->handlers[handler] != LUA_NOREF;
}

neap_route *neap_route_retain(neap_route *route);
void neap_route_release(neap_route *route);

/* A connection comes (raises when there is no memory), and goes. */
neap_route *neap_route_enter(lua_State *L, neap_route *route);
void neap_route_leave(neap_route *route);

neap_route *neap_route_check(lua_State *L, int index);
/* Of what is known to be a route: NULL when it is closed. */
neap_route *neap_route_of(lua_State *L, int index);
neap_settings *neap_settings_check(lua_State *L, int index);

void neap_bind_route(lua_State *L);

#endif
