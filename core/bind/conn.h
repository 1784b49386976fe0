/* bind/conn.h - the connection's handle: its box, and what the loop tells it.
 *
 * The box lives in the userdata. While the route serves the connection the box
 * is anchored in the registry (slot); a detached one belongs to the script. */

#ifndef NEAP_BIND_CONN_H
#define NEAP_BIND_CONN_H

#include "bind/inbox.h"
#include "bind/route.h"
#include "bind/runtime.h"
#include "bind/task.h"
#include "net/conn.h"

#define NEAP_CONN_CLASS "neap.conn"

enum neap_peer_kind { NEAP_PEER_REQUEST, NEAP_PEER_DIAL, NEAP_PEER_CONN };

/* What neap_conn.peer points to begins with its kind. */
typedef struct neap_peer {
  enum neap_peer_kind kind;
} neap_peer;

enum { NEAP_CONN_DATA = 1, NEAP_CONN_LIFE = 2 };

typedef struct neap_conn_box {
  neap_peer peer;
  int slot;        /* LUA_NOREF: not anchored */
  neap_conn *conn; /* NULL once the transport is gone */
  neap_runtime *rt;
  neap_route *route;
  neap_task *receiver; /* parked in receive */
  neap_inbox inbox;
  uint64_t id;
  bool is_busy;       /* a callback of the route is running, or waits */
  bool is_delivering; /* inside the loop over the inbox */
  bool is_ended;      /* receive has answered "closed" once */
  bool has_reader;    /* receive was asked for at least once */
  bool wants_pong;
  bool is_held;     /* the script has paused it */
  bool is_detached; /* the script's own: no handler's return closes it */
} neap_conn_box;

extern const neap_conn_events neap_conn_events_lua;

/* Pushes a new handle, for a connection that was just upgraded (is_anchored) or
 * joined (held by the script alone); the value on top of the stack becomes its
 * data. Raises. */
neap_conn_box *neap_conn_handle(neap_runtime *rt, lua_State *L, neap_conn *conn,
                                neap_route *route, bool is_anchored);

/* Runs route.open or the task with (conn, request at stack index), soon. */
void neap_conn_start_route(neap_conn_box *box, lua_State *L, int request);

/* Gives what waits in the inbox to the message handler, while it is free. */
void neap_conn_deliver(neap_conn_box *box);

/* There is room again for what the peer sends, unless the script paused it. */
void neap_conn_has_room(neap_conn_box *box);

/* The life table of the handle at index: scope, remote, waiters, ... */
void neap_conn_push_life(lua_State *L, int index);

/* Before the loop goes: no connection may call Lua any more. */
void neap_conns_forget(neap_runtime *rt);
void neap_signals_close(neap_runtime *rt);

void neap_bind_conn(lua_State *L);
neap_conn_box *neap_conn_check(lua_State *L, int index);

/* Functions of the core that act on a connection: conn_methods.c and
 * conn_topics.c. */
int neap_publish(lua_State *L);
int neap_send_ping(lua_State *L);
int neap_close_as(lua_State *L);

/* What a script gives to close: a code that may be sent (0: none), and what of a
 * reason fits. */
uint16_t neap_sendable_code(lua_Integer code);
size_t neap_fitting_reason(const char *reason, size_t len);

/* Pushes the handle of an open connection of this loop, or nothing; returns how
 * many. */
int neap_conn_push_by_id(lua_State *L, neap_runtime *rt, uint64_t id);

#define NEAP_NOT_UTF8_TEXT "text is not UTF-8: send it as \"binary\""

/* Of the files that are named for them. */
extern const luaL_Reg neap_conn_methods[];
extern const luaL_Reg neap_conn_topic_methods[];
extern const luaL_Reg neap_conn_receive_methods[];

/* request.c: its part of the loop's events. */
void neap_request_arrived(neap_conn *conn, const neap_http_head *head,
                          const char *src, size_t len);
void neap_request_gone(neap_conn *conn);
void neap_request_readable(neap_conn *conn);
void neap_request_writable(neap_conn *conn);

/* dial.c: the same for a client's. */
void neap_dial_answered(neap_conn *conn, const neap_http_head *head,
                        const char *src);
void neap_dial_failed(neap_conn *conn, const neap_why *why);

#endif
