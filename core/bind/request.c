#include "bind/request.h"

#include <stdlib.h>
#include <string.h>

#include "bind/door.h"
#include "bind/fields.h"
#include "bind/request_internal.h"
#include "bind/tls.h"
#include "proto/handshake.h"
#include "proto/status.h"

enum { ENV = 1 };

neap_request_box *neap_request_check(lua_State *L) {
  return luaL_checkudata(L, 1, NEAP_REQUEST_CLASS);
}

void neap_request_end(neap_request_box *box) {
  if (box->is_running || box->conn)
    return;
  neap_census_close(&box->rt->loop->census, &box->born);
  neap_unref(box->rt, &box->slot);
}

void neap_request_let_go(neap_request_box *box) {
  box->conn->peer = NULL;
  box->conn = NULL;
  if (box->reader)
    neap_task_wake(box->reader, NEAP_ECLOSED);
  if (box->writer)
    neap_task_wake(box->writer, NEAP_ECLOSED);
}

static void call_error(neap_runtime *rt, lua_State *L, void *arg) {
  const neap_task *task = arg;
  const neap_request_box *box = task->arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_REQUEST_ERROR))
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, box->slot);
  neap_task_push_error(L, task);
  lua_call(L, 3, 0);
}

static bool request_done(neap_task *task, int status, int count) {
  neap_request_box *box = task->arg;
  (void)count;
  box->is_running = false;
  if (status != LUA_OK)
    neap_road(box->rt, call_error, task);
  neap_request_conclude(box);
  neap_request_end(box);
  return true;
}

static void call_gone(neap_runtime *rt, lua_State *L, void *arg) {
  neap_request_box *box = NEAP_CONTAINER(arg, neap_request_box, errand);
  if (box->is_running && neap_push_hook(rt, L, NEAP_HOOK_REQUEST_GONE)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->slot);
    lua_call(L, 1, 0);
  }
  neap_request_end(box);
}

/* Leaves a request on the stack that nothing knows yet. */
static neap_request_box *make_request(neap_runtime *rt, lua_State *L,
                                      const neap_arrival *arrival) {
  size_t head_size = neap_http_head_size(arrival->head);
  size_t size = offsetof(neap_request_box, head) + head_size;
  neap_request_box *box = lua_newuserdatauv(L, size + arrival->len, 1);
  memset(box, 0, offsetof(neap_request_box, head));
  box->peer.kind = NEAP_PEER_REQUEST;
  box->slot = LUA_NOREF;
  box->errand.body = call_gone;
  box->rt = rt;
  box->address = arrival->conn->address;
  box->bytes = (char *)box + size;
  memcpy(&box->head, arrival->head, head_size);
  memcpy(box->bytes, arrival->src, arrival->len);
  luaL_setmetatable(L, NEAP_REQUEST_CLASS);
  return box;
}

static neap_request_box *new_request(neap_runtime *rt, lua_State *L,
                                     const neap_arrival *arrival) {
  neap_request_box *box = make_request(rt, L, arrival);
  box->slot = neap_ref(rt, L);
  box->conn = arrival->conn;
  box->conn->peer = box;
  neap_census_open(&rt->loop->census, &box->born, NEAP_CLASS_REQUEST,
                   neap_loop_now(rt->loop));
  return box;
}

static void take_request(neap_runtime *rt, lua_State *L, void *arg) {
  neap_arrival *arrival = arg;
  if (neap_door_enter(rt, L, arrival))
    return;
  neap_request_box *box = new_request(rt, L, arrival);
  neap_task *task = neap_task_take(rt, L);
  lua_State *co = task->co;
  task->done = request_done;
  task->arg = box;
  task->owner_slot = &box->slot;
  box->is_running = true;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->handlers);
  if (lua_rawgeti(L, -1, arrival->conn->http->tag) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    lua_pushcfunction(L, neap_request_refuse);
  }
  lua_xmove(L, co, 1);
  lua_rawgeti(co, LUA_REGISTRYINDEX, box->slot);
  neap_task_start(task, 1);
}

static bool is_running(const neap_request_box *box) {
  return box && box->is_running;
}

void neap_request_arrived(neap_conn *conn, const neap_http_head *head,
                          const char *src, size_t len) {
  neap_runtime *rt = conn->loop->peer;
  neap_arrival arrival = {conn, head, src, len, false};
  neap_road(rt, take_request, &arrival);
  if (arrival.is_entering)
    neap_conn_close_for_memory(conn);
  if (conn->state == NEAP_CONN_ANSWER && !is_running(conn->peer) &&
      conn->http->writing == NEAP_HTTP_SILENT)
    neap_conn_terminate(conn); /* no memory even for the request */
}

void neap_request_gone(neap_conn *conn) {
  neap_request_box *box = conn->peer;
  if (box == NULL)
    return;
  neap_request_let_go(box);
  neap_errand_run(box->rt, &box->errand);
}

static void keep_env(lua_State *L, int index) {
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, ENV);
}

/* Where there is a table already, or a function that makes it. */
static bool push_own_env(lua_State *L, int index) {
  int type = lua_getiuservalue(L, index, ENV);
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    keep_env(L, index);
  } else if (type != LUA_TTABLE) {
    lua_pop(L, 1);
    return false;
  }
  return true;
}

static void push_env(lua_State *L, int index) {
  if (push_own_env(L, index))
    return;
  lua_newtable(L);
  keep_env(L, index);
}

/* req.tls, made when it is first asked for. */
static int push_tls(lua_State *L, int index, const neap_conn *conn) {
  push_env(L, index);
  lua_pushliteral(L, "tls");
  if (lua_rawget(L, -2) == LUA_TTABLE)
    return 1;
  if (conn == NULL || conn->transport.tls == NULL)
    return 0;
  neap_push_tls(L, conn->transport.tls);
  lua_pushliteral(L, "tls");
  lua_pushvalue(L, -2);
  lua_rawset(L, -5);
  return 1;
}

void neap_request_keep_tls(lua_State *L, int index, const neap_conn *conn) {
  int top = lua_gettop(L);
  if (conn->transport.tls)
    push_tls(L, index, conn);
  lua_settop(L, top);
}

void neap_request_keep(neap_runtime *rt, lua_State *L,
                       const neap_arrival *arrival) {
  make_request(rt, L, arrival);
  int index = lua_gettop(L);
  lua_pushvalue(L, index - 1);
  lua_setiuservalue(L, index, ENV);
  neap_request_keep_tls(L, index, arrival->conn);
}

static void push_span(lua_State *L, const neap_request_box *box,
                      neap_http_span span) {
  lua_pushlstring(L, box->bytes + span.at, span.len);
}

/* req:header(name) -> value | nil; several of one name are joined by ", " */
static int request_header(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  int at = neap_http_find(&box->head, box->bytes, name, len, 0);
  if (at < 0)
    return 0;
  push_span(L, box, box->head.fields[at].value);
  while ((at = neap_http_find(&box->head, box->bytes, name, len, at + 1)) >=
         0) {
    lua_pushliteral(L, ", ");
    push_span(L, box, box->head.fields[at].value);
    lua_concat(L, 3);
  }
  return 1;
}

/* req:fields() -> {{name, value}, ...}, in the order that they came */
static int request_fields(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  lua_createtable(L, box->head.field_count, 0);
  for (int i = 0; i < box->head.field_count; i++) {
    lua_createtable(L, 2, 0);
    push_span(L, box, box->head.fields[i].name);
    lua_rawseti(L, -2, 1);
    push_span(L, box, box->head.fields[i].value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int request_is_upgrade(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  lua_pushboolean(L, neap_handshake_is_upgrade(&box->head, box->bytes));
  return 1;
}

static int request_is_closed(lua_State *L) {
  lua_pushboolean(L, neap_request_check(L)->conn == NULL);
  return 1;
}

static int push_field(lua_State *L, const neap_request_box *box,
                      const char *key) {
  char remote[80];
  switch (neap_field_of(key)) {
    case NEAP_FIELD_METHOD: push_span(L, box, box->head.method); return 1;
    case NEAP_FIELD_TARGET: push_span(L, box, box->head.target); return 1;
    case NEAP_FIELD_VERSION:
      lua_pushfstring(L, "1.%d", box->head.minor);
      return 1;
    case NEAP_FIELD_REMOTE:
      lua_pushlstring(L, remote,
                      neap_address_write(&box->address, remote, sizeof remote));
      return 1;
    case NEAP_FIELD_TLS: return push_tls(L, 1, box->conn);
    default: return 0;
  }
}

/* A method, a field of the head, or what the script put there. */
static int request_index(lua_State *L) {
  neap_request_box *box = lua_touserdata(L, 1);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
    return 1;
  if (lua_type(L, 2) == LUA_TSTRING && push_field(L, box, lua_tostring(L, 2)))
    return 1;
  if (!push_own_env(L, 1))
    return 0;
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

static int request_newindex(lua_State *L) {
  neap_request_check(L);
  push_env(L, 1);
  lua_insert(L, 2);
  lua_rawset(L, 2);
  return 0;
}

/* core.env(req) -> the table behind its fields */
static int request_env(lua_State *L) {
  neap_request_check(L);
  push_env(L, 1);
  return 1;
}

/* core.set_remote(req, address, port | 0) -> true | nil, message, code */
static int request_set_remote(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  const char *text = luaL_checkstring(L, 2);
  lua_Integer port = luaL_checkinteger(L, 3);
  luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 3, "no port");
  if (!neap_address_parse(&box->address, text, (uint16_t)port))
    return neap_push_failure(L, NEAP_EPROTO, "no numeric address");
  lua_pushboolean(L, 1);
  return 1;
}

static int request_gc(lua_State *L) {
  neap_request_box *box = neap_request_check(L);
  neap_errand_forget(&box->errand);
  if (box->rt->loop == NULL)
    return 0;
  if (box->conn) {
    box->conn->peer = NULL;
    neap_conn_terminate(box->conn);
    box->conn = NULL;
  }
  neap_census_close(&box->rt->loop->census, &box->born);
  return 0;
}

void neap_bind_request(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"answer", neap_request_answer},
    {"check_upgrade", neap_request_check_upgrade},
    {"upgrade", neap_request_upgrade},
    {"header", request_header},
    {"fields", request_fields},
    {"is_upgrade", request_is_upgrade},
    {"is_closed", request_is_closed},
    {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", request_gc}, {"__newindex", request_newindex}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"env", request_env},
                                       {"read_body", neap_request_read},
                                       {"set_remote", request_set_remote},
                                       {NULL, NULL}};
  neap_class(L, NEAP_REQUEST_CLASS, methods, metamethods);
  neap_open_class(L, "request", request_index);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, neap_request_answers, 1);
}
