/* The way of a message to whoever waits for it: the route's handler, a task in
 * receive, or the inbox until one of them has time.
 *
 * All messages of one read go through one coroutine, for the way into it costs
 * more than a small message; only a handler that waits keeps it. */

#include "bind/conn_internal.h"
#include "proto/status.h"

/* STRING_COST: what Lua and malloc put around a string. */
enum { UNREAD_MAX = 4096, STRING_COST = 48 };

/* On the C stack of who runs the handler; gone once the handler has waited. */
struct reading {
  neap_runtime *rt;
  neap_conn_box *box;
  neap_letter *letter;
  bool reads;      /* also what the session has, not the inbox alone */
  bool is_drained; /* nothing is left in either */
};

static void push_kind(lua_State *L, const neap_runtime *rt,
                      enum neap_opcode opcode) {
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              opcode == NEAP_OP_TEXT ? rt->text : rt->binary);
}

void neap_conn_close_for_memory(neap_conn *conn) {
  neap_conn_close(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL, 1011, "out of memory",
                  13);
}

/* A string that the handler returned is the reply, in the kind that came. Nobody
 * would hear that it was not sent. */
static void reply(neap_conn_box *box, const neap_task *task, lua_State *co) {
  size_t len;
  if (lua_type(co, -1) != LUA_TSTRING || box->conn == NULL)
    return;
  const char *text = lua_tolstring(co, -1, &len);
  int err =
    neap_conn_send(box->conn, (enum neap_opcode)task->kind, text, len, 0);
  if (err == NEAP_ENOMEM)
    neap_conn_close_for_memory(box->conn);
  else if (err == NEAP_EPROTO)
    luaL_error(co, "the reply is no UTF-8: conn:send(bytes, \"binary\") can "
                   "send it");
  else if (err == NEAP_ETOOBIG)
    luaL_error(co, "the reply is larger than limits.queue");
}

static void drop_letter(struct reading *reading) {
  if (reading->letter)
    neap_letter_free(reading->letter, &reading->rt->loop->census);
  reading->letter = NULL;
}

static neap_letter *take_letter(neap_conn_box *box) {
  return box->has_letters ? neap_conn_take_letter(box) : NULL;
}

/* The next message, borrowed; false when there is none. */
static bool take_next(struct reading *reading, neap_event *event) {
  neap_letter *letter = take_letter(reading->box);
  if (letter == NULL)
    return reading->reads && neap_conn_next(reading->box->conn, event);
  reading->letter = letter;
  *event = (neap_event){
    .opcode = letter->opcode, .data = letter->data, .len = letter->len};
  return true;
}

/* What one message did to the task, the next must not meet. */
static bool is_fresh(const neap_task *task) {
  return !task->is_exposed && task->cancel == NEAP_CANCEL_NONE;
}

static int after_wait(lua_State *co, int status, lua_KContext context) {
  (void)status;
  neap_conn_box *box = (neap_conn_box *)context;
  if (box->conn)
    reply(box, ((neap_runtime *)box->conn->loop->peer)->current, co);
  return 0;
}

/* The body of the coroutine: (reading, handle) */
static int call_handler(lua_State *co) {
  struct reading *reading = lua_touserdata(co, 1);
  neap_conn_box *box = reading->box;
  neap_runtime *rt = reading->rt;
  neap_task *task = rt->current;
  neap_event event;
  while (is_fresh(task)) {
    if (!take_next(reading, &event)) {
      reading->is_drained = reading->reads;
      break;
    }
    neap_conn_push_handler(co, box->route, NEAP_HANDLER_MESSAGE);
    lua_pushvalue(co, 2);
    lua_pushlstring(co, (const char *)event.data, event.len);
    rt->strings += event.len + STRING_COST;
    push_kind(co, rt, event.opcode);
    drop_letter(reading);
    task->kind = (uint8_t)event.opcode;
    lua_callk(co, 3, 1, (lua_KContext)box, after_wait);
    reply(box, task, co);
    lua_pop(co, 1);
  }
  return 0;
}

/* Runs the handler for what waits, until it waits itself. True when nothing is
 * left to read. */
static bool run_handler(neap_conn_box *box, bool reads) {
  neap_runtime *rt = box->conn->loop->peer;
  struct reading reading = {.rt = rt, .box = box, .reads = reads};
  if (!neap_tasks_are_stocked(rt)) {
    neap_conn_close_for_memory(box->conn);
    return false;
  }
  neap_task *task = neap_conn_take_task(rt, box, neap_conn_callback_done);
  box->is_busy = true;
  lua_pushcfunction(task->co, call_handler);
  lua_pushlightuserdata(task->co, &reading);
  neap_conn_push(task->co, box); /* a script may drop every other reference */
  neap_task_start_off_road(task, 2);
  drop_letter(&reading);
  return reading.is_drained;
}

static bool is_free(const neap_conn_box *box) {
  return !box->is_busy && neap_conn_receiver(box) == NULL &&
         neap_route_has(box->route, NEAP_HANDLER_MESSAGE);
}

void neap_conn_deliver(neap_conn_box *box) {
  if (box->is_delivering || box->route == NULL)
    return;
  box->is_delivering = true;
  while (is_free(box) && box->has_letters && box->conn)
    run_handler(box, false);
  box->is_delivering = false;
  neap_conn_has_room(box);
}

void neap_conn_has_room(neap_conn_box *box) {
  if (box->has_letters || box->conn == NULL)
    return;
  neap_conn_linger(box->conn, false);
  if (!box->is_held)
    neap_conn_resume(box->conn);
}

/* A route that only sends, and a script that has never asked: what comes is
 * kept shortly, in case it asks yet, and is not hoarded. */
static bool has_consumer(const neap_conn_box *box) {
  return box->has_reader || neap_route_has(box->route, NEAP_HANDLER_MESSAGE) ||
         neap_route_has(box->route, NEAP_HANDLER_TASK);
}

static void put_in_inbox(neap_conn_box *box, const neap_event *event) {
  neap_conn *conn = box->conn;
  bool is_wanted = has_consumer(box);
  size_t waiting = box->has_letters ? neap_inbox_bytes(&box->inbox) : 0;
  if (!is_wanted && waiting > UNREAD_MAX)
    return;
  if (neap_inbox_put(&box->inbox, &conn->loop->census, event)) {
    neap_conn_close_for_memory(conn);
    return;
  }
  box->has_letters = true;
  if (is_wanted)
    neap_conn_linger(conn, true);
  if (neap_inbox_bytes(&box->inbox) > conn->settings->message)
    neap_conn_pause(conn);
}

static void give(neap_conn_box *box, lua_State *L, const neap_event *event) {
  neap_task *task = neap_conn_receiver(box);
  if (task) {
    lua_pushlstring(L, (const char *)event->data, event->len);
    push_kind(L, task->rt, event->opcode);
    lua_xmove(L, task->co, 2);
    neap_task_wake_now(task, 2);
    return;
  }
  put_in_inbox(box, event);
  neap_conn_deliver(box);
}

static void give_all(neap_runtime *rt, lua_State *L, void *arg) {
  neap_conn_box *box = arg;
  neap_event event;
  (void)rt;
  neap_conn_push(L, box);
  while (neap_conn_next(box->conn, &event)) {
    give(box, L, &event);
    lua_settop(L, 1);
  }
}

void neap_conn_take_messages(neap_conn_box *box) {
  neap_conn *conn = box->conn;
  if (is_free(box) && run_handler(box, true))
    return;
  if (neap_road(conn->loop->peer, give_all, box) != LUA_OK)
    neap_conn_close_for_memory(conn);
}
