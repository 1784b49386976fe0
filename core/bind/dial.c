#include "bind/dial.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "bind/conn.h"
#include "bind/errand.h"
#include "bind/pipe.h"
#include "bind/site.h"
#include "bind/socket.h"
#include "bind/tls.h"
#include "proto/deflate_offer.h"
#include "proto/handshake.h"
#include "proto/status.h"

#define CLASS "neap.dial"

enum { RESULT = 1, MESSAGE_MAX = 160 };

/* One attempt; user value 1 is the connection once there is one, or the answer
 * that is none. */
typedef struct dial_box {
  neap_peer peer;
  neap_conn *conn; /* NULL when it has joined, failed or was given up */
  neap_runtime *rt;
  neap_route *route;
  neap_task *waiter;
  neap_errand errand; /* the attempt is over */
  int status;         /* 1 under way, NEAP_OK, or why it failed */
  bool is_taken;      /* whoever waited has the connection */
  char key[NEAP_KEY_LEN];
  char message[MESSAGE_MAX];
} dial_box;

static dial_box *check_dial(lua_State *L) {
  return luaL_checkudata(L, 1, CLASS);
}

/* The header line that offers compression, or an empty one. */
static void push_offer(lua_State *L, const neap_settings *settings) {
  char line[NEAP_DEFLATE_HEADER_MAX];
  size_t len =
    settings->deflates ? neap_deflate_offer(&settings->deflate.wish, line) : 0;
  lua_pushlstring(L, line, len);
}

static int write_request(lua_State *L, dial_box *box, neap_buffer *request) {
  uint8_t nonce[16];
  if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce)
    return NEAP_EIO;
  neap_handshake_key(nonce, box->key);
  size_t len;
  lua_getfield(L, 1, "host");
  lua_getfield(L, 1, "target");
  push_offer(L, box->route->settings);
  if (lua_getfield(L, 1, "headers") == LUA_TNIL)
    lua_pop(L, 1);
  else
    lua_concat(L, 2);
  const char *headers = luaL_checklstring(L, -1, &len);
  return neap_handshake_write_request(request, luaL_checkstring(L, -3),
                                      luaL_checkstring(L, -2), box->key,
                                      headers, len);
}

static int push_result(lua_State *L, dial_box *box) {
  int count = 1;
  lua_getiuservalue(L, -1, RESULT);
  if (box->status < 0) {
    int answer = lua_gettop(L);
    count += neap_push_failure(L, box->status, box->message);
    lua_rotate(L, answer, -1);
  }
  box->is_taken = true;
  return count;
}

/* The attempt is over: whoever waits is told. */
static void tell(neap_runtime *rt, lua_State *L, void *arg) {
  dial_box *box = NEAP_CONTAINER(arg, dial_box, errand);
  (void)rt;
  if (box->waiter == NULL)
    return;
  neap_weak_get(L, box);
  int count = push_result(L, box);
  lua_xmove(L, box->waiter->co, count);
  neap_task_wake_now(box->waiter, count);
}

static dial_box *new_dial(lua_State *L, neap_runtime *rt) {
  lua_getfield(L, 1, "route");
  neap_route *route = neap_route_check(L, -1);
  neap_collect_if_grown(rt, L);
  dial_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (dial_box){
    .peer.kind = NEAP_PEER_DIAL, .errand.body = tell, .rt = rt, .status = 1};
  luaL_setmetatable(L, CLASS);
  box->route = neap_route_retain(route);
  lua_pushvalue(L, -1);
  neap_weak_set(L, box);
  return box;
}

static int open_conn(lua_State *L, dial_box *box, neap_conn **out,
                     const neap_buffer *request) {
  neap_settings *settings = box->route->settings;
  if (lua_getfield(L, 1, "pipe") != LUA_TNIL)
    return neap_pipe_dial(L, lua_gettop(L), out, settings, request);
  lua_getfield(L, 1, "socket");
  int fd = neap_socket_hand_over(L, lua_gettop(L));
  if (fd < 0)
    return NEAP_ECLOSED;
  return neap_conn_dial(out, box->rt->loop, fd, settings, request->data,
                        request->len);
}

static void give_up(dial_box *box) {
  neap_conn *conn = box->conn;
  box->conn = NULL;
  if (conn == NULL)
    return;
  conn->peer = NULL;
  neap_conn_terminate(conn);
}

/* TLS first, when a context is given: a client's, made once by
 * core.tls_context{role = "client"}. server_name is whom the certificate must be
 * for, a name or an address without its brackets. */
static int secure(lua_State *L, neap_conn *conn) {
  lua_getfield(L, 1, "tls");
  neap_tls_context *tls = neap_tls_context_opt(L, -1, true);
  lua_getfield(L, 1, "server_name");
  const char *name = luaL_optstring(L, -1, NULL);
  return tls ? neap_conn_secure(conn, tls, name) : NEAP_OK;
}

/* core.dial{socket= | pipe=, host=, target=, headers=, route=, tls=,
 * server_name=} -> dial | nil, message, code; takes over the socket, which is
 * connected */
static int dial_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_buffer request = {0};
  neap_conn *conn;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  dial_box *box = new_dial(L, rt);
  int handle = lua_gettop(L);
  int err = write_request(L, box, &request);
  if (!err)
    err = open_conn(L, box, &conn, &request);
  neap_buffer_release(&request);
  if (err == NEAP_EPROTO)
    return neap_push_failure(L, err, "the host or path cannot stand in a URL");
  if (err)
    return neap_push_status(L, err);
  box->conn = conn;
  conn->peer = box;
  conn->born.site = neap_site_here(rt, L);
  err = secure(L, conn);
  if (err) {
    give_up(box);
    return neap_push_status(L, err);
  }
  lua_settop(L, handle);
  return 1;
}

static void fail(dial_box *box, int status, const char *message) {
  box->status = status;
  snprintf(box->message, sizeof box->message, "%s", message);
}

struct answer {
  neap_conn *conn;
  const neap_http_head *head;
  const char *src;
};

static void join(neap_runtime *rt, lua_State *L, dial_box *box,
                 const neap_deflate_terms *deflate) {
  neap_conn *conn = box->conn;
  neap_weak_get(L, box);
  lua_pushnil(L);
  neap_conn_box *handle = neap_conn_handle(rt, L, conn, box->route, false);
  box->conn = NULL;
  conn->peer = handle;
  int err = neap_conn_join(conn, deflate);
  if (err) {
    fail(box, err, neap_status_text(err));
    return;
  }
  box->status = NEAP_OK;
  lua_setiuservalue(L, -2, RESULT);
}

static void keep_protocol(neap_runtime *rt, lua_State *L, void *arg) {
  const struct answer *answer = arg;
  int at =
    neap_http_find(answer->head, answer->src, "sec-websocket-protocol", 22, 0);
  (void)rt;
  if (at < 0)
    return;
  neap_http_span value = answer->head->fields[at].value;
  neap_weak_get(L, answer->conn->peer);
  neap_conn_push_life(L, -1);
  lua_pushlstring(L, answer->src + value.at, value.len);
  lua_setfield(L, -2, "protocol");
}

/* An answer that is no upgrade: {status=, body=, name = value, ...}, the names
 * in lower case; the body as far as it came along. */
static void keep_answer(lua_State *L, const struct answer *answer) {
  const neap_http_head *head = answer->head;
  const neap_http *http = answer->conn->http;
  char name[64];
  lua_createtable(L, 0, head->field_count + 2);
  for (int i = 0; i < head->field_count; i++) {
    const neap_http_field *field = &head->fields[i];
    if (field->name.len >= sizeof name)
      continue;
    for (int at = 0; at < field->name.len; at++)
      name[at] = (char)tolower((unsigned char)answer->src[field->name.at + at]);
    lua_pushlstring(L, name, field->name.len);
    lua_pushlstring(L, answer->src + field->value.at, field->value.len);
    lua_rawset(L, -3);
  }
  lua_pushinteger(L, head->status);
  lua_setfield(L, -2, "status");
  lua_pushlstring(L, (const char *)http->at, http->left);
  lua_setfield(L, -2, "body");
  lua_setiuservalue(L, -2, RESULT);
}

/* 1 with the terms of a compression, 0 for none, or NEAP_EPROTO. */
static int check_answer(neap_http_head *head, const char *src,
                        const dial_box *box, neap_deflate_terms *terms) {
  const neap_settings *settings = box->route->settings;
  int err = neap_handshake_check_answer(head, src, box->key);
  return err ? err
             : neap_deflate_check_answer(
                 head, src, settings->deflates ? &settings->deflate.wish : NULL,
                 terms);
}

static void take_answer(neap_runtime *rt, lua_State *L, void *arg) {
  const struct answer *answer = arg;
  dial_box *box = answer->conn->peer;
  neap_http_head head = *answer->head;
  if (neap_weak_get(L, box) != LUA_TUSERDATA)
    return; /* being collected: its finaliser ends the attempt */
  neap_deflate_terms terms;
  int agreed = check_answer(&head, answer->src, box, &terms);
  if (agreed < 0) {
    char text[MESSAGE_MAX];
    snprintf(text, sizeof text, "the server answered %d: %s", head.status,
             head.error);
    fail(box, head.status == 101 ? NEAP_EPROTO : NEAP_EREFUSED, text);
    keep_answer(L, answer);
    give_up(box);
  } else {
    join(rt, L, box, agreed ? &terms : NULL);
    if (box->status == NEAP_OK && neap_road(rt, keep_protocol, arg) != LUA_OK) {
      fail(box, NEAP_ENOMEM, neap_status_text(NEAP_ENOMEM));
      neap_conn_terminate(answer->conn);
    }
  }
  neap_errand_run(rt, &box->errand);
}

void neap_dial_answered(neap_conn *conn, const neap_http_head *head,
                        const char *src) {
  dial_box *box = conn->peer;
  if (box)
    neap_road(box->rt, take_answer, &(struct answer){conn, head, src});
  if (conn->state == NEAP_CONN_ANSWER)
    neap_conn_terminate(conn);
}

void neap_dial_failed(neap_conn *conn, const neap_why *why) {
  dial_box *box = conn->peer;
  conn->peer = NULL;
  box->conn = NULL;
  if (why->reason)
    fail(box, why->status ? why->status : NEAP_EREFUSED, why->reason);
  else if (why->cause == NEAP_CAUSE_NONE)
    fail(box, NEAP_ETIMEOUT, "the server did not answer in time");
  else if (why->cause == NEAP_CAUSE_PROTOCOL)
    fail(box, NEAP_EPROTO, "the answer is not HTTP: no WebSocket server there");
  else if (why->cause == NEAP_CAUSE_KILLED) /* by neap_dial_answered */
    fail(box, NEAP_ENOMEM, neap_status_text(NEAP_ENOMEM));
  else
    fail(box, NEAP_ECLOSED, "the server hung up instead of answering");
  neap_errand_run(box->rt, &box->errand);
}

/* dial:wait() -> conn | nil, message, code, answer: what the server said */
static int dial_wait(lua_State *L) {
  dial_box *box = check_dial(L);
  if (box->status <= 0) {
    lua_settop(L, 1);
    return push_result(L, box);
  }
  return neap_task_park(L, &box->waiter, -1, NEAP_ETIMEOUT);
}

/* It came when the one who waited had been cancelled. */
static void drop_result(lua_State *L, dial_box *box) {
  if (box->status != NEAP_OK || box->is_taken)
    return;
  box->is_taken = true;
  lua_getiuservalue(L, 1, RESULT);
  neap_conn_box *handle = neap_conn_check(L, -1);
  if (handle->conn)
    neap_conn_terminate(handle->conn);
  lua_pop(L, 1);
}

/* dial:close(): gives the attempt up; also __close and __gc */
static int dial_close(lua_State *L) {
  dial_box *box = check_dial(L);
  neap_errand_forget(&box->errand);
  if (box->rt->loop == NULL)
    return 0;
  give_up(box);
  drop_result(L, box);
  if (box->route)
    neap_route_release(box->route);
  box->route = NULL;
  if (box->status == 1)
    fail(box, NEAP_ECLOSED, "given up");
  return 0;
}

void neap_bind_dial(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"wait", dial_wait}, {"close", dial_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", dial_close}, {"__close", dial_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"dial", dial_new}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
