/* What the loop tells a connection's handle, on the road into Lua. */

#include <string.h>

#include "bind/conn_internal.h"
#include "bind/errand.h"
#include "bind/why.h"
#include "proto/status.h"

static neap_conn_box *box_of(neap_conn *conn) {
  neap_peer *peer = conn->peer;
  return peer && peer->kind == NEAP_PEER_CONN ? conn->peer : NULL;
}

static void call_error(neap_runtime *rt, lua_State *L, void *arg) {
  const neap_task *task = arg;
  neap_conn_box *box = task->arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_CONN_ERROR))
    return;
  neap_conn_push(L, box);
  neap_task_push_error(L, task);
  neap_conn_push_handler(L, box->route, NEAP_HANDLER_ERROR);
  lua_call(L, 4, 0);
}

/* An error in a handler: the scripting layer logs it, the peer gets 1011. */
static void on_error(neap_conn_box *box, neap_task *task) {
  if (box->route)
    neap_road(task->rt, call_error, task);
  if (box->conn)
    neap_conn_close(box->conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL, 1011,
                    "handler failed", 14);
}

bool neap_conn_callback_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  box->is_busy = false;
  if (status != LUA_OK)
    on_error(box, task);
  neap_conn_deliver(box);
  return true;
}

static bool open_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  neap_weak_clear(task->rt->L, neap_conn_request_key(box));
  return neap_conn_callback_done(task, status, count);
}

/* A task handler: its return closes with 1000, its error with 1011. */
static bool task_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  neap_weak_clear(task->rt->L, neap_conn_request_key(box));
  if (status != LUA_OK)
    on_error(box, task);
  else if (box->conn && !box->is_detached)
    neap_conn_close(box->conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, 1000, NULL, 0);
  return true;
}

neap_task *neap_conn_take_task(neap_runtime *rt, neap_conn_box *box,
                               neap_task_done *done) {
  neap_task *task = neap_task_take(rt, rt->L);
  task->done = done;
  task->arg = box;
  task->owner_slot = &box->slot;
  return task;
}

struct arrival {
  neap_conn_box *box;
  const neap_event *event;
};

static bool is_request(const neap_conn *conn) {
  const neap_peer *peer = conn->peer;
  return peer && peer->kind == NEAP_PEER_REQUEST;
}

static void on_readable(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (is_request(conn))
    neap_request_readable(conn);
  if (box)
    neap_conn_take_messages(box);
}

static void call_pong(neap_runtime *rt, lua_State *L, void *arg) {
  struct arrival *arrival = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_CONN_PONG))
    return;
  neap_conn_push(L, arrival->box);
  lua_pushlstring(L, (const char *)arrival->event->data, arrival->event->len);
  lua_call(L, 2, 0);
}

static void on_pong(neap_conn *conn, const neap_event *event) {
  neap_conn_box *box = box_of(conn);
  if (box && box->wants_pong)
    neap_road(conn->loop->peer, call_pong, &(struct arrival){box, event});
}

static void call_writable(neap_runtime *rt, lua_State *L, void *arg) {
  neap_conn_box *box = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_CONN_WRITABLE))
    return;
  neap_conn_push(L, box);
  neap_conn_push_handler(L, box->route, NEAP_HANDLER_WRITABLE);
  lua_call(L, 2, 0);
}

static void on_writable(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (is_request(conn))
    neap_request_writable(conn);
  if (box)
    neap_road(conn->loop->peer, call_writable, box);
}

static void end_receive(neap_conn_box *box) {
  neap_task *task = neap_conn_receiver(box);
  if (task == NULL)
    return;
  box->is_ended = true;
  neap_task_wake(task, NEAP_ECLOSED);
}

/* Messages that came whole are still delivered; then receive ends. */
static void on_closing(neap_conn *conn) {
  neap_conn_box *box = box_of(conn);
  if (box == NULL)
    return;
  end_receive(box);
}

struct ending {
  neap_conn_box *box;
  neap_conn *conn;     /* NULL: this is another attempt, */
  const neap_why *why; /* and the handle has kept why */
};

static void let_go(neap_runtime *rt, neap_conn_box *box) {
  neap_unref(rt, &box->slot);
  if (box->route)
    neap_route_leave(box->route);
  box->route = NULL;
}

/* From here on the handle is told, or there is nobody to tell. */
static void part(struct ending *ending) {
  if (ending->conn == NULL)
    return;
  ending->conn->peer = NULL;
  neap_conn_forget(ending->box);
}

static void call_closed(neap_runtime *rt, lua_State *L, void *arg);

/* The scope and the waits are what must hear; the handler is the script's. */
static bool closed_done(neap_task *task, int status, int count) {
  neap_conn_box *box = task->arg;
  (void)count;
  if (status == NEAP_TASK_AGAIN)
    return neap_road(task->rt, call_closed, &(struct ending){.box = box}) !=
           LUA_ERRMEM;
  if (status != LUA_OK && !box->has_heard && neap_task_was_short(task))
    return false;
  if (status != LUA_OK)
    on_error(box, task);
  let_go(task->rt, box);
  return true;
}

/* What the script alone held is kept from here to the end of its close. */
static void anchor_until_done(neap_runtime *rt, neap_conn_box *box,
                              lua_State *L) {
  if (box->slot != LUA_NOREF)
    return;
  lua_pushvalue(L, -1);
  box->slot = neap_ref(rt, L);
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

/* Takes the handle and why from the top of the stack. */
static void start_closed(neap_runtime *rt, lua_State *L,
                         struct ending *ending) {
  neap_conn_box *box = ending->box;
  neap_task *task = neap_conn_take_task(rt, box, closed_done);
  lua_State *co = task->co;
  neap_push_hook(rt, co, NEAP_HOOK_CONN_CLOSED);
  lua_xmove(L, co, 2);
  neap_conn_push_handler(co, box->route, NEAP_HANDLER_CLOSE);
  part(ending);
  if (box->is_busy) /* perhaps with an open that is ready, and goes first */
    neap_task_start_later(task, 3);
  else
    neap_task_start(task, 3);
}

/* The scope and the close handler, in a task: both may wait. A handle that the
 * collector has found, and not finalised yet, is finalised first: it then has a
 * root, and is told at the next attempt, or nobody is left to tell. */
static void call_closed(neap_runtime *rt, lua_State *L, void *arg) {
  struct ending *ending = arg;
  neap_conn_box *box = ending->box;
  neap_conn_push(L, box);
  if (!lua_isuserdata(L, -1)) {
    lua_gc(L, LUA_GCCOLLECT);
    return;
  }
  anchor_until_done(rt, box, L);
  if (ending->conn) {
    if (neap_route_has(box->route, NEAP_HANDLER_CLOSE))
      keep_remote(L, ending->conn);
    bool has_life = box->kept == NEAP_KEPT_LIFE;
    neap_conn_keep_why(L, -1, ending->why);
    if (!has_life || rt->hooks[NEAP_HOOK_CONN_CLOSED] == LUA_NOREF) {
      part(ending);
      let_go(rt, box);
      return;
    }
  }
  neap_conn_push_life(L, -1);
  lua_getfield(L, -1, "why");
  lua_remove(L, -2);
  start_closed(rt, L, ending);
}

/* core.has_heard(conn): its scope ends; what is left is the script's handler */
int neap_conn_has_heard(lua_State *L) {
  neap_conn_check(L, 1)->has_heard = true;
  return 0;
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

/* A handle that is collected meanwhile is no longer the peer. */
static bool tell_end(neap_conn *conn, neap_conn_box *box, const neap_why *why) {
  neap_runtime *rt = conn->loop->peer;
  end_receive(box);
  neap_road(rt, call_closed, &(struct ending){box, conn, why});
  if (conn->peer == NULL)
    return true;
  neap_errands_retry(rt); /* in a turn to come */
  return false;
}

static bool on_closed(neap_conn *conn, const neap_why *why) {
  neap_conn_box *box = box_of(conn);
  neap_peer *peer = conn->peer;
  neap_runtime *rt = conn->loop->peer;
  if (rt->is_closing) {
    forget(conn);
    return true;
  }
  if (box)
    return tell_end(conn, box, why);
  if (peer->kind == NEAP_PEER_DIAL)
    neap_dial_failed(conn, why);
  else
    neap_request_gone(conn);
  return true;
}

void neap_conn_start_route(neap_conn_box *box, lua_State *L, int request) {
  neap_runtime *rt = box->conn->loop->peer;
  bool is_task = neap_route_has(box->route, NEAP_HANDLER_TASK);
  enum neap_handler handler = is_task ? NEAP_HANDLER_TASK : NEAP_HANDLER_OPEN;
  if (!neap_route_has(box->route, handler))
    return;
  neap_task *task =
    neap_conn_take_task(rt, box, is_task ? task_done : open_done);
  box->is_busy = !is_task;
  lua_pushvalue(L, request);
  neap_weak_set(L, neap_conn_request_key(box));
  neap_conn_push_handler(task->co, box->route, handler);
  neap_conn_push(task->co, box);
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
  neap_conn_forget(box);
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
