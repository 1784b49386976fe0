#include "bind/dial.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include "bind/conn.h"
#include "bind/pipe.h"
#include "bind/site.h"
#include "bind/tls.h"
#include "proto/handshake.h"
#include "proto/status.h"

#define CLASS "neap.dial"

enum { RESULT = 1, MESSAGE_MAX = 160 };

/* One attempt; user value 1 is the connection once there is one. */
typedef struct dial_box {
  neap_peer peer;
  neap_conn *conn; /* NULL when it has joined, failed or was given up */
  neap_runtime *rt;
  neap_route *route;
  neap_task *waiter;
  int status; /* 1 under way, NEAP_OK, or why it failed */
  char key[NEAP_KEY_LEN];
  char message[MESSAGE_MAX];
} dial_box;

static dial_box *check_dial(lua_State *L) {
  return luaL_checkudata(L, 1, CLASS);
}

static int read_address(lua_State *L, struct sockaddr_storage *address,
                        socklen_t *len) {
  struct sockaddr_un *un = (void *)address;
  lua_getfield(L, 1, "path");
  const char *path = lua_tostring(L, -1);
  if (path) {
    luaL_argcheck(L, strlen(path) < sizeof un->sun_path, 1, "path too long");
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    *len = sizeof *un;
    return NEAP_OK;
  }
  lua_getfield(L, 1, "address");
  lua_getfield(L, 1, "port");
  const char *host = luaL_checkstring(L, -2);
  int port = (int)luaL_checkinteger(L, -1);
  if (uv_ip4_addr(host, port, (struct sockaddr_in *)(void *)address) == 0)
    *len = sizeof(struct sockaddr_in);
  else if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)(void *)address) == 0)
    *len = sizeof(struct sockaddr_in6);
  else
    return NEAP_EIO;
  return NEAP_OK;
}

static int write_request(lua_State *L, dial_box *box, neap_buffer *request) {
  uint8_t nonce[16];
  if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce)
    return NEAP_EIO;
  neap_handshake_key(nonce, box->key);
  size_t len;
  lua_getfield(L, 1, "host");
  lua_getfield(L, 1, "target");
  lua_getfield(L, 1, "headers");
  const char *headers = luaL_optlstring(L, -1, "", &len);
  return neap_handshake_write_request(request, luaL_checkstring(L, -3),
                                      luaL_checkstring(L, -2), box->key,
                                      headers, len);
}

static dial_box *new_dial(lua_State *L, neap_runtime *rt) {
  lua_getfield(L, 1, "route");
  neap_route *route = neap_route_check(L, -1);
  neap_collect_if_grown(rt, L);
  dial_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (dial_box){.peer.kind = NEAP_PEER_DIAL, .rt = rt, .status = 1};
  luaL_setmetatable(L, CLASS);
  box->route = neap_route_retain(route);
  lua_pushvalue(L, -1);
  neap_weak_set(L, box);
  return box;
}

static int open_conn(lua_State *L, dial_box *box, neap_conn **out,
                     const neap_buffer *request) {
  neap_settings *settings = box->route->settings;
  struct sockaddr_storage address = {0};
  socklen_t len = 0;
  if (lua_getfield(L, 1, "pipe") != LUA_TNIL)
    return neap_pipe_dial(L, lua_gettop(L), out, settings, request);
  int err = read_address(L, &address, &len);
  if (err)
    return err;
  return neap_conn_dial(out, box->rt->loop, (struct sockaddr *)&address, len,
                        settings, request->data, request->len);
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

/* core.dial{address=, port= | path= | pipe=, host=, target=, headers=, route=,
 * tls=, server_name=} -> dial | nil, message, code */
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

static int push_result(lua_State *L, const dial_box *box) {
  if (box->status < 0)
    return neap_push_failure(L, box->status, box->message);
  lua_getiuservalue(L, -1, RESULT);
  return 1;
}

/* The attempt is over: whoever waits is told. */
static void tell(neap_runtime *rt, lua_State *L, void *arg) {
  dial_box *box = arg;
  (void)rt;
  (void)L;
  if (box->waiter == NULL)
    return;
  neap_task *task = box->waiter;
  lua_State *co = task->co;
  neap_weak_get(co, box);
  int count = push_result(co, box);
  lua_rotate(co, -count - 1, count);
  lua_pop(co, 1);
  neap_task_wake_now(task, count);
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

static void join(neap_runtime *rt, lua_State *L, dial_box *box) {
  neap_conn *conn = box->conn;
  neap_weak_get(L, box);
  lua_pushnil(L);
  neap_conn_box *handle = neap_conn_handle(rt, L, conn, box->route, false);
  box->conn = NULL;
  conn->peer = handle;
  box->status = neap_conn_join(conn);
  if (box->status)
    fail(box, box->status, neap_status_text(box->status));
  lua_setiuservalue(L, -2, RESULT);
}

static void keep_protocol(lua_State *L, const neap_http_head *head,
                          const char *src, dial_box *box) {
  int at = neap_http_find(head, src, "sec-websocket-protocol", 22, 0);
  if (at < 0)
    return;
  neap_http_span value = head->fields[at].value;
  neap_weak_get(L, box);
  lua_getiuservalue(L, -1, RESULT);
  neap_conn_push_life(L, -1);
  lua_pushlstring(L, src + value.at, value.len);
  lua_setfield(L, -2, "protocol");
}

static void take_answer(neap_runtime *rt, lua_State *L, void *arg) {
  const struct answer *answer = arg;
  dial_box *box = answer->conn->peer;
  neap_http_head head = *answer->head;
  if (neap_weak_get(L, box) != LUA_TUSERDATA)
    return; /* being collected: its finaliser ends the attempt */
  if (neap_handshake_check_answer(&head, answer->src, box->key)) {
    char text[MESSAGE_MAX];
    snprintf(text, sizeof text, "the server answered %d: %s", head.status,
             head.error);
    fail(box, head.status == 101 ? NEAP_EPROTO : NEAP_EREFUSED, text);
    give_up(box);
  } else {
    join(rt, L, box);
    keep_protocol(L, &head, answer->src, box);
  }
  tell(rt, L, box);
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
    fail(box, NEAP_ETIMEOUT, "the handshake took too long");
  else
    fail(box, why->cause == NEAP_CAUSE_PROTOCOL ? NEAP_EPROTO : NEAP_ECLOSED,
         "the connection ended during the handshake");
  neap_road(box->rt, tell, box);
}

/* dial:wait() -> conn | nil, message, code */
static int dial_wait(lua_State *L) {
  dial_box *box = check_dial(L);
  if (box->status <= 0) {
    lua_settop(L, 1);
    return push_result(L, box);
  }
  return neap_task_park(L, &box->waiter, -1, NEAP_ETIMEOUT);
}

/* dial:close(): gives the attempt up; also __close and __gc */
static int dial_close(lua_State *L) {
  dial_box *box = check_dial(L);
  if (box->rt->loop == NULL)
    return 0;
  give_up(box);
  if (box->route)
    neap_route_release(box->route);
  box->route = NULL;
  if (box->status == 1)
    fail(box, NEAP_ECLOSED, "given up");
  return 0;
}

struct search {
  uv_getaddrinfo_t request;
  neap_runtime *rt;
  neap_task *waiter;
  const struct addrinfo *found;
  int status;
};

static void push_addresses(lua_State *L, const struct addrinfo *found) {
  char host[64];
  lua_Integer count = 0;
  lua_newtable(L);
  for (; found; found = found->ai_next) {
    if (found->ai_family == AF_INET)
      uv_ip4_name((const void *)found->ai_addr, host, sizeof host);
    else if (found->ai_family == AF_INET6)
      uv_ip6_name((const void *)found->ai_addr, host, sizeof host);
    else
      continue;
    lua_pushstring(L, host);
    lua_rawseti(L, -2, ++count);
  }
}

static void give_addresses(neap_runtime *rt, lua_State *L, void *arg) {
  struct search *search = arg;
  neap_task *task = search->waiter;
  int count = 1;
  (void)rt;
  (void)L;
  if (search->status)
    count =
      neap_push_failure(task->co, NEAP_EREFUSED, uv_strerror(search->status));
  else
    push_addresses(task->co, search->found);
  neap_task_wake_now(task, count);
}

static void on_found(uv_getaddrinfo_t *request, int status,
                     struct addrinfo *found) {
  struct search *search = request->data;
  search->status = status;
  search->found = found;
  if (search->waiter && search->rt->loop)
    neap_road(search->rt, give_addresses, search);
  uv_freeaddrinfo(found);
  free(search);
}

/* core.resolve(name) -> array of addresses | nil, message, code */
static int resolve(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  const char *name = luaL_checkstring(L, 1);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  neap_task_check(L);
  struct search *search = calloc(1, sizeof *search);
  if (search == NULL)
    return neap_push_status(L, NEAP_ENOMEM);
  search->rt = rt;
  search->request.data = search;
  int err = uv_getaddrinfo(&rt->loop->uv, &search->request, on_found, name,
                           NULL, &hints);
  if (err) {
    free(search);
    return neap_push_failure(L, NEAP_EREFUSED, uv_strerror(err));
  }
  return neap_task_park(L, &search->waiter, -1, NEAP_ETIMEOUT);
}

void neap_bind_dial(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"wait", dial_wait}, {"close", dial_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", dial_close}, {"__close", dial_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
    {"dial", dial_new}, {"resolve", resolve}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
