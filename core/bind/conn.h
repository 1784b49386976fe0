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
  uint8_t kind; /* enum neap_peer_kind */
} neap_peer;

/* What the one user value is: conn.data; the life table, which has the data and
 * all else that the scripting layer keeps; or how the connection ended, packed,
 * where nobody wanted to hear it. */
enum neap_conn_kept { NEAP_KEPT_DATA, NEAP_KEPT_LIFE, NEAP_KEPT_WHY };

/* There is one for each connection: kept small. Nobody waits to receive while
 * there are letters, and neither is left when the connection has ended. */
typedef struct neap_conn_box {
  neap_peer peer;
  uint8_t kept : 2;       /* enum neap_conn_kept */
  bool has_letters : 1;   /* else there may be a receiver */
  bool is_busy : 1;       /* a callback of the route is running, or waits */
  bool is_delivering : 1; /* inside the loop over the inbox */
  bool is_ended : 1;      /* receive has answered "closed" once */
  bool has_reader : 1;    /* receive was asked for at least once */
  bool wants_pong : 1;
  bool has_heard : 1;   /* the scripting layer, of the end */
  bool is_held : 1;     /* the script has paused it */
  bool is_detached : 1; /* the script's own: no handler's return closes it */
  int slot;             /* LUA_NOREF: not anchored */
  neap_conn *conn;      /* NULL once the transport is gone */
  neap_route *route;
  union {
    neap_task *receiver; /* parked in receive */
    neap_inbox inbox;
    uint64_t id; /* where conn is NULL */
  };
} neap_conn_box;

static inline uint64_t neap_conn_id(const neap_conn_box *box) {
  return box->conn ? box->conn->id : box->id;
}

/* The task that is parked in receive, or NULL. */
static inline neap_task *neap_conn_receiver(const neap_conn_box *box) {
  return box->conn && !box->has_letters ? box->receiver : NULL;
}

/* The oldest letter, of those that there are. */
static inline neap_letter *neap_conn_take_letter(neap_conn_box *box) {
  neap_letter *letter = neap_inbox_take(&box->inbox);
  box->has_letters = box->inbox.newest != NULL;
  return letter;
}

/* Under which the request is found, while a handler may ask for it. */
static inline const void *neap_conn_request_key(const neap_conn_box *box) {
  return &box->route;
}

/* The peer gets 1011. */
void neap_conn_close_for_memory(neap_conn *conn);

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
/* How it ended, for whoever asks the handle at index later; nobody was told. */
void neap_conn_keep_why(lua_State *L, int index, const neap_why *why);

/* The transport is gone, and what waited for it has been woken. */
void neap_conn_forget(neap_conn_box *box);

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
int neap_conn_has_heard(lua_State *L);

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
