#include "bind/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "bind/errand.h"
#include "bind/site.h"
#include "net/socket.h"
#include "proto/status.h"

#define CLASS "neap.socket"

enum { CALLBACK = 1, READ_MAX = 64 * 1024 };

typedef struct socket_box {
  neap_socket *socket; /* NULL once closed, or handed over */
  neap_errand errand;  /* what was watched for is there */
  neap_runtime *rt;
} socket_box;

static socket_box *check_socket(lua_State *L, int index) {
  return luaL_checkudata(L, index, CLASS);
}

static int push_errno(lua_State *L, int error) {
  return neap_push_failure(L, neap_socket_status(error), strerror(error));
}

static void call(neap_runtime *rt, lua_State *L, void *arg) {
  (void)rt;
  if (neap_weak_get(L, NEAP_CONTAINER(arg, socket_box, errand)) !=
      LUA_TUSERDATA)
    return;
  lua_getiuservalue(L, -1, CALLBACK);
  lua_call(L, 0, 0);
}

static void on_ready(neap_socket *socket) {
  socket_box *box = socket->peer;
  neap_errand_run(box->rt, &box->errand);
}

static int connect_unix(lua_State *L, socket_box *box, const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  luaL_argcheck(L, strlen(path) < sizeof un.sun_path, 1, "path too long");
  strcpy(un.sun_path, path);
  return neap_socket_connect(&box->socket, box->rt->loop, (void *)&un,
                             sizeof un);
}

static int connect_ip(lua_State *L, socket_box *box) {
  struct sockaddr_storage address = {0};
  lua_getfield(L, 1, "address");
  lua_getfield(L, 1, "port");
  const char *host = luaL_checkstring(L, -2);
  int port = (int)luaL_checkinteger(L, -1);
  socklen_t len = sizeof(struct sockaddr_in);
  if (uv_ip4_addr(host, port, (struct sockaddr_in *)(void *)&address)) {
    len = sizeof(struct sockaddr_in6);
    if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)(void *)&address))
      return luaL_argerror(L, 1, "not an address");
  }
  return neap_socket_connect(&box->socket, box->rt->loop, (void *)&address,
                             len);
}

/* Through a description of its own where that can be had: libuv makes it
 * non-blocking, and the shell's must not be. */
static int open_inherited(lua_State *L, socket_box *box, int fd) {
  char path[32];
  lua_pushfstring(L, "/proc/self/fd/%d", fd);
  strncpy(path, lua_tostring(L, -1), sizeof path - 1);
  path[sizeof path - 1] = '\0';
  int own = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (own < 0)
    own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return own < 0 ? NEAP_EIO
                 : neap_socket_open(&box->socket, box->rt->loop, own);
}

static int open_target(lua_State *L, socket_box *box) {
  if (lua_getfield(L, 1, "path") != LUA_TNIL)
    return connect_unix(L, box, luaL_checkstring(L, -1));
  if (lua_getfield(L, 1, "fd") != LUA_TNIL)
    return open_inherited(L, box, (int)luaL_checkinteger(L, -1));
  return connect_ip(L, box);
}

/* core.socket({address=, port=} | {path=} | {fd=}, fn) -> socket
 * | nil, message, code; fn() is called on the loop when what was watched for is
 * there, and must not wait */
static int socket_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_settop(L, 2);
  neap_collect_if_grown(rt, L);
  socket_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (socket_box){.errand.body = call, .rt = rt};
  luaL_setmetatable(L, CLASS);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, CALLBACK);
  lua_pushvalue(L, -1);
  neap_weak_set(L, box);
  int err = open_target(L, box);
  if (err)
    return neap_push_failure(L, err, strerror(errno));
  box->socket->peer = box;
  box->socket->ready = on_ready;
  box->socket->born.site = neap_site_here(rt, L);
  lua_settop(L, 3);
  return 1;
}

static neap_socket *open_socket(lua_State *L) {
  socket_box *box = check_socket(L, 1);
  return box->rt->loop ? box->socket : NULL;
}

/* socket:watch("r" | "w"): fn is called once */
static int socket_watch(lua_State *L) {
  neap_socket *socket = open_socket(L);
  if (socket == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  bool writes = *luaL_checkstring(L, 2) == 'w';
  neap_socket_watch(socket, writes ? UV_WRITABLE : UV_READABLE);
  return neap_push_status(L, NEAP_OK);
}

/* socket:check() -> true | nil, message, code: how the connecting went */
static int socket_check(lua_State *L) {
  neap_socket *socket = open_socket(L);
  if (socket == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  int error = neap_socket_error(socket);
  return error ? push_errno(L, error) : neap_push_status(L, NEAP_OK);
}

/* socket:read([max]) -> data | nil, message, code: "busy" while there is
 * nothing, "closed" at the end */
static int socket_read(lua_State *L) {
  neap_socket *socket = open_socket(L);
  lua_Integer max = luaL_optinteger(L, 2, READ_MAX);
  luaL_argcheck(L, max > 0 && max <= READ_MAX, 2, "out of range");
  if (socket == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  char bytes[READ_MAX];
  ssize_t n;
  do
    n = read(socket->fd, bytes, (size_t)max);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN ? neap_push_status(L, NEAP_EBUSY)
                           : push_errno(L, errno);
  if (n == 0)
    return neap_push_failure(L, NEAP_ECLOSED, "the end was reached");
  lua_pushlstring(L, bytes, (size_t)n);
  return 1;
}

/* socket:write(data) -> bytes written | nil, message, code: "busy" while it is
 * full */
static int socket_write(lua_State *L) {
  neap_socket *socket = open_socket(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  if (socket == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  ssize_t n;
  do
    n = send(socket->fd, data, len, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN ? neap_push_status(L, NEAP_EBUSY)
                           : push_errno(L, errno);
  lua_pushinteger(L, n);
  return 1;
}

/* socket:close(); also __close and __gc */
static int socket_close(lua_State *L) {
  neap_socket *socket = open_socket(L);
  socket_box *box = check_socket(L, 1);
  neap_errand_forget(&box->errand);
  box->socket = NULL;
  if (socket)
    neap_socket_close(socket);
  return 0;
}

int neap_socket_hand_over(lua_State *L, int index) {
  socket_box *box = check_socket(L, index);
  if (box->socket == NULL || box->rt->loop == NULL)
    return -1;
  int fd = neap_socket_take(box->socket);
  box->socket = NULL;
  neap_errand_forget(&box->errand);
  return fd;
}

void neap_bind_socket(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"watch", socket_watch}, {"check", socket_check}, {"read", socket_read},
    {"write", socket_write}, {"close", socket_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", socket_close}, {"__close", socket_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"socket", socket_new}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
