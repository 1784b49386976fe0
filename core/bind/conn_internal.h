/* bind/conn_internal.h - what the files of a connection's events share. */

#ifndef NEAP_BIND_CONN_INTERNAL_H
#define NEAP_BIND_CONN_INTERNAL_H

#include "bind/conn.h"

static inline void neap_conn_push(lua_State *L, neap_conn_box *box) {
  if (box->slot != LUA_NOREF)
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->slot);
  else
    neap_weak_get(L, box);
}

static inline void neap_conn_push_handler(lua_State *L, const neap_route *route,
                                          enum neap_handler handler) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, route->handlers[handler]);
}

/* A task for a callback of the route, from the pool. Raises. */
neap_task *neap_conn_take_task(neap_runtime *rt, neap_conn_box *box,
                               neap_task_done *done);

/* Something of the route has ended: what waited for it goes on. */
bool neap_conn_callback_done(neap_task *task, int status, int count);

/* The connection has something to read: conn_messages.c. */
void neap_conn_take_messages(neap_conn_box *box);

#endif
