/* What the loop tells a connection's handle, on the road into Lua. */

#include <string.h>

#include "bind/conn.h"
#include "bind/why.h"
#include "proto/status.h"

enum { UNREAD_MAX = 4096 };

static neap_conn_box *box_of(neap_conn *conn) {
  neap_peer *peer = conn->peer;
  return peer && peer->kind == NEAP_PEER_CONN ? conn->peer : NULL;
}

static void push_handle(lua_State *L, neap_conn_box *box) {
  if (box->slot != LUA_NOREF)
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->slot);
  else
    neap_weak_get(L, box);
}

static void push_handler(lua_State *L, const neap_route *route,
                         enum neap_handler handler) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, route->handlers[handler]);
}

static void push_kind(lua_State *L, const neap_runtime *rt,
                      enum neap_opcode opcode) {
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              opcode == NEAP_OP_TEXT ? rt->text : rt->binary);
}

/* An error in a handler: the scripting layer logs it, the peer gets 1011. */
static void on_error(neap_conn_box *box, neap_task *task) {
  lua_State *L = box->rt->L;
  if (box->route && neap_push_hook(box->rt, L, NEAP_HOOK_CONN_ERROR)) {
    push_handle(L, box);
    lua_pushvalue(task->co, -1);
    lua_xmove(task->co, L, 1);
    luaL_traceback(L, task->co, luaL_tolstring(L, -1, NULL), 0);
    lua_remove(L, -2);
    push_handler(L, box->route, NEAP_HANDLER_ERROR);
    lua_call(L, 4, 0);
  }
  if (box->conn)
    neap_conn_close(box->conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL, 1011,
                    "handler failed", 14);
}

/* Something of the route has ended: what waited for it goes on. */
static void callback_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  box->is_busy = false;
  if (status != LUA_OK)
    on_error(box, task);
  neap_conn_deliver(box);
}

static void open_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  neap_weak_clear(box->rt->L, &box->id);
  callback_done(task, status, count);
}

/* A task handler: its return closes with 1000, its error with 1011. */
static void task_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  neap_weak_clear(box->rt->L, &box->id);
  if (status != LUA_OK)
    on_error(box, task);
  else if (box->conn && !box->is_detached)
    neap_conn_close(box->conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, 1000, NULL, 0);
}

/* A string that message returned is the reply, in the kind that came. */
static void message_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  if (status == LUA_OK && count > 0 && box->conn) {
    size_t len;
    const char *reply = lua_type(task->co, -count) == LUA_TSTRING
                          ? lua_tolstring(task->co, -count, &len)
                          : NULL;
    if (reply)
      neap_conn_send(box->conn, (enum neap_opcode)task->kind, reply, len, 0);
  }
  callback_done(task, status, count);
}

static neap_task *take_callback(neap_conn_box *box, lua_State *L,
                                neap_task_done *done) {
  neap_task *task = neap_task_take(box->rt, L);
  task->done = done;
  task->arg = box;
  task->owner_slot = &box->slot;
  return task;
}

static void call_message(neap_conn_box *box, enum neap_opcode opcode,
                         const uint8_t *data, size_t len) {
  neap_runtime *rt = box->rt;
  neap_task *task = take_callback(box, rt->L, message_done);
  lua_State *co = task->co;
  task->kind = (uint8_t)opcode;
  push_handler(co, box->route, NEAP_HANDLER_MESSAGE);
  push_handle(co, box);
  lua_pushlstring(co, (const char *)data, len);
  push_kind(co, rt, opcode);
  box->is_busy = true;
  neap_task_start(task, 3);
}

void neap_conn_deliver(neap_conn_box *box) {
  neap_census *census = &box->rt->loop->census;
  neap_letter *letter;
  if (box->is_delivering || box->route == NULL ||
      !neap_route_has(box->route, NEAP_HANDLER_MESSAGE))
    return;
  box->is_delivering = true;
  while (!box->is_busy && (letter = neap_inbox_take(&box->inbox)) != NULL) {
    call_message(box, letter->opcode, letter->data, letter->len);
    neap_letter_free(letter, census);
  }
  box->is_delivering = false;
  neap_conn_has_room(box);
}

void neap_conn_has_room(neap_conn_box *box) {
  if (box->inbox.first || box->conn == NULL)
    return;
  neap_conn_linger(box->conn, false);
  if (!box->is_held)
    neap_conn_resume(box->conn);
}

struct arrival {
  neap_conn_box *box;
  const neap_event *event;
};

/* A route that only sends, and a script that has never asked: what comes is
 * kept shortly, in case it asks yet, and is not hoarded. */
static bool has_consumer(const neap_conn_box *box) {
  return box->has_reader || neap_route_has(box->route, NEAP_HANDLER_MESSAGE) ||
         neap_route_has(box->route, NEAP_HANDLER_TASK);
}

static void put_in_inbox(neap_conn_box *box, const neap_event *event) {
  neap_conn *conn = box->conn;
  bool is_wanted = has_consumer(box);
  if (!is_wanted && box->inbox.bytes > UNREAD_MAX)
    return;
  if (neap_inbox_put(&box->inbox, &conn->loop->census, event)) {
    neap_conn_close(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL, 1011,
                    "out of memory", 13);
    return;
  }
  if (is_wanted)
    neap_conn_linger(conn, true);
  if (box->inbox.bytes > conn->settings->message)
    neap_conn_pause(conn);
}

static void take_message(neap_conn_box *box, const neap_event *event) {
  if (box->receiver) {
    neap_task *task = box->receiver;
    lua_pushlstring(task->co, (const char *)event->data, event->len);
    push_kind(task->co, box->rt, event->opcode);
    neap_task_wake_now(task, 2);
  } else if (!box->is_busy && box->inbox.first == NULL &&
             neap_route_has(box->route, NEAP_HANDLER_MESSAGE)) {
    call_message(box, event->opcode, event->data, event->len);
  } else {
    put_in_inbox(box, event);
  }
}

/* One road for all that one read brought: the way into Lua costs more than a
 * small message. */
static void take_messages(neap_runtime *rt, lua_State *L, void *arg) {
  neap_conn_box *box = arg;
  neap_event event;
  (void)rt;
  push_handle(L, box); /* a handler may drop the last other reference */
  while (neap_conn_next(box->conn, &event)) {
    take_message(box, &event);
    lua_settop(L, 1);
  }
}

static bool is_request(const neap_conn *conn) {
  const neap_peer *peer = conn->peer;
  return peer && peer->kind == NEAP_PEER_REQUEST;
}

static void on_readable(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (is_request(conn))
    neap_request_readable(conn);
  if (box && neap_road(box->rt, take_messages, box) != LUA_OK)
    neap_conn_close(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL, 1011,
                    "out of memory", 13);
}

static void call_pong(neap_runtime *rt, lua_State *L, void *arg) {
  struct arrival *arrival = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_CONN_PONG))
    return;
  push_handle(L, arrival->box);
  lua_pushlstring(L, (const char *)arrival->event->data, arrival->event->len);
  lua_call(L, 2, 0);
}

static void on_pong(neap_conn *conn, const neap_event *event) {
  neap_conn_box *box = box_of(conn);
  if (box && box->wants_pong)
    neap_road(box->rt, call_pong, &(struct arrival){box, event});
}

static void call_writable(neap_runtime *rt, lua_State *L, void *arg) {
  neap_conn_box *box = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_CONN_WRITABLE))
    return;
  push_handle(L, box);
  push_handler(L, box->route, NEAP_HANDLER_WRITABLE);
  lua_call(L, 2, 0);
}

static void on_writable(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (is_request(conn))
    neap_request_writable(conn);
  if (box)
    neap_road(box->rt, call_writable, box);
}

/* Messages that came whole are still delivered; then receive ends. */
static void on_closing(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (box == NULL)
    return;
  if (box->receiver) {
    box->is_ended = true;
    neap_task_wake(box->receiver, NEAP_ECLOSED);
  }
}

struct ending {
  neap_conn_box *box;
  neap_conn *conn;
  const neap_why *why;
};

static void let_go(neap_conn_box *box) {
  neap_unref(box->rt, &box->slot);
  if (box->route)
    neap_route_leave(box->route);
  box->route = NULL;
}

static void closed_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  if (status != LUA_OK)
    on_error(box, task);
  let_go(box);
}

/* What the script alone held is kept from here to the end of its close. */
static void anchor_until_done(neap_conn_box *box, lua_State *L) {
  if (box->slot != LUA_NOREF)
    return;
  lua_pushvalue(L, -1);
  box->slot = neap_ref(box->rt, L);
}

/* The close handler may still ask who it was. */
static void keep_remote(lua_State *L, const neap_conn *conn) {
  char remote[80];
  size_t len = neap_conn_remote(conn, remote, sizeof remote);
  neap_conn_push_life(L, -1);
  lua_pushlstring(L, remote, len);
  lua_setfield(L, -2, "remote");
  lua_pop(L, 1);
}

/* The scope and the close handler, in a task: both may wait. */
static void call_closed(neap_runtime *rt, lua_State *L, void *arg) {
  struct ending *ending = arg;
  neap_conn_box *box = ending->box;
  push_handle(L, box);
  if (!lua_isuserdata(L, -1)) { /* being collected: nobody is left to tell */
    let_go(box);
    return;
  }
  anchor_until_done(box, L);
  if (neap_route_has(box->route, NEAP_HANDLER_CLOSE))
    keep_remote(L, ending->conn);
  bool has_life = lua_getiuservalue(L, -1, NEAP_CONN_LIFE) == LUA_TTABLE;
  if ((!has_life && !neap_route_has(box->route, NEAP_HANDLER_CLOSE)) ||
      rt->hooks[NEAP_HOOK_CONN_CLOSED] == LUA_NOREF) {
    lua_pushinteger(L, neap_why_pack(ending->why));
    lua_setiuservalue(L, -3, NEAP_CONN_LIFE);
    let_go(box);
    return;
  }
  neap_task *task = take_callback(box, L, closed_done);
  lua_State *co = task->co;
  neap_push_hook(rt, co, NEAP_HOOK_CONN_CLOSED);
  push_handle(co, box);
  neap_push_why(co, ending->why);
  push_handler(co, box->route, NEAP_HANDLER_CLOSE);
  neap_task_start(task, 3);
}

static void on_head(neap_conn *conn, const neap_http_head *head,
                    const char *src, size_t len) {
  if (conn->is_client)
    neap_dial_answered(conn, head, src);
  else
    neap_request_arrived(conn, head, src, len);
}

struct refusal {
  neap_conn *conn;
  const char *fault;
};

static void call_insecure(neap_runtime *rt, lua_State *L, void *arg) {
  const struct refusal *refusal = arg;
  char remote[80];
  if (!neap_push_hook(rt, L, NEAP_HOOK_INSECURE))
    return;
  lua_pushlstring(L, remote,
                  neap_conn_remote(refusal->conn, remote, sizeof remote));
  lua_pushstring(L, refusal->fault);
  lua_call(L, 2, 0);
}

static void on_insecure(neap_conn *conn, const char *fault) {
  neap_road(conn->loop->peer, call_insecure, &(struct refusal){conn, fault});
}

static void forget(neap_conn *conn);

static void on_closed(neap_conn *conn, const neap_why *why) {
  neap_conn_box *box = box_of(conn);
  neap_peer *peer = conn->peer;
  neap_runtime *rt = conn->loop->peer;
  if (rt->is_closing) {
    forget(conn);
    return;
  }
  if (peer->kind == NEAP_PEER_DIAL)
    neap_dial_failed(conn, why);
  else if (peer->kind == NEAP_PEER_REQUEST)
    neap_request_gone(conn);
  if (box == NULL)
    return;
  conn->peer = NULL;
  box->conn = NULL;
  neap_inbox_clear(&box->inbox, &conn->loop->census);
  if (box->receiver) {
    box->is_ended = true;
    neap_task_wake(box->receiver, NEAP_ECLOSED);
  }
  neap_road(box->rt, call_closed, &(struct ending){box, conn, why});
}

void neap_conn_start_route(neap_conn_box *box, lua_State *L, int request) {
  bool is_task = neap_route_has(box->route, NEAP_HANDLER_TASK);
  enum neap_handler handler = is_task ? NEAP_HANDLER_TASK : NEAP_HANDLER_OPEN;
  if (!neap_route_has(box->route, handler))
    return;
  neap_task *task = take_callback(box, L, is_task ? task_done : open_done);
  box->is_busy = !is_task;
  lua_pushvalue(L, request);
  neap_weak_set(L, &box->id);
  push_handler(task->co, box->route, handler);
  push_handle(task->co, box);
  lua_pushvalue(L, request);
  lua_xmove(L, task->co, 1);
  neap_task_start_later(task, 2);
}

/* Without Lua: what is left is the route that the handle still has. */
static void forget(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  conn->peer = NULL;
  if (box == NULL)
    return;
  box->conn = NULL;
  if (box->route)
    neap_route_leave(box->route);
  box->route = NULL;
}

void neap_conns_forget(neap_runtime *rt) {
  neap_link *list = &rt->loop->census.tally[NEAP_CLASS_STREAM].living;
  for (neap_link *l = list->next; l != list; l = l->next)
    forget(NEAP_CONTAINER(l, neap_conn, born.link));
}

const neap_conn_events neap_conn_events_lua = {
  .head = on_head,
  .insecure = on_insecure,
  .readable = on_readable,
  .pong = on_pong,
  .writable = on_writable,
  .closing = on_closing,
  .closed = on_closed,
};
