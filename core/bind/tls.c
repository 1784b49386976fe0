#include "bind/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/tls_peer.h"
#include "net/tls_self_signed.h"
#include "net/tls_ticket.h"
#include "proto/status.h"

#define CLASS "neap.tls_context"

enum { SOURCES_MAX = 64, DETAIL_MAX = 400 };

typedef struct context_box {
  neap_tls_context *context; /* NULL once closed */
} context_box;

static context_box *check_context(lua_State *L, int index) {
  return luaL_checkudata(L, index, CLASS);
}

neap_tls_context *neap_tls_context_opt(lua_State *L, int index,
                                       bool is_client) {
  if (lua_isnil(L, index))
    return NULL;
  neap_tls_context *context = check_context(L, index)->context;
  luaL_argcheck(L, context, index, "the TLS context is closed");
  luaL_argcheck(L, context->is_client == is_client, index,
                is_client ? "this TLS context is for a server"
                          : "this TLS context is for a client");
  return context;
}

/* Borrowed from the table at index, which keeps it. */
static const char *text_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  const char *text = luaL_optstring(L, -1, NULL);
  lua_pop(L, 1);
  return text;
}

static size_t read_sources(lua_State *L, neap_tls_source *sources) {
  if (lua_getfield(L, 1, "certs") == LUA_TNIL)
    return 0;
  luaL_checktype(L, -1, LUA_TTABLE);
  size_t count = lua_rawlen(L, -1);
  luaL_argcheck(L, count <= SOURCES_MAX, 1, "too many certificates");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    int source = lua_gettop(L);
    sources[i] = (neap_tls_source){
      .cert = text_field(L, source, "cert"),
      .key = text_field(L, source, "key"),
      .passphrase = text_field(L, source, "passphrase"),
      .name = text_field(L, source, "name"),
    };
    lua_pop(L, 1);
    luaL_argcheck(L, sources[i].cert, 1, "a certificate has no cert");
  }
  return count;
}

/* core.tls_context{role = "server" | "client", certs = {{cert=, key=,
 * passphrase=, name=}, ...}, ca=, insecure=} -> context | nil, message, code */
static int context_new(lua_State *L) {
  static const char *const roles[] = {"server", "client", NULL};
  neap_runtime *rt = neap_runtime_of(L);
  neap_tls_source sources[SOURCES_MAX];
  char detail[DETAIL_MAX] = "";
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "role");
  lua_getfield(L, 1, "insecure");
  neap_tls_settings settings = {
    .sources = sources,
    .is_client = luaL_checkoption(L, 2, NULL, roles) == 1,
    .verifies = !lua_toboolean(L, 3),
    .ca = text_field(L, 1, "ca"),
    .count = read_sources(L, sources),
  };
  luaL_argcheck(L, settings.is_client || settings.count, 1,
                "a server needs a certificate");
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  context_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (context_box){0};
  luaL_setmetatable(L, CLASS);
  int err = neap_tls_context_new(&box->context, rt->loop, &settings, detail,
                                 sizeof detail);
  if (err)
    return neap_push_failure(L, err,
                             detail[0] ? detail : neap_status_text(err));
  return 1;
}

/* context:close(): for no new connection; also __close and __gc */
static int context_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  context_box *box = check_context(L, 1);
  neap_tls_context *context = box->context;
  box->context = NULL;
  if (context == NULL)
    return 0;
  if (rt->loop == NULL)
    context->loop = NULL;
  neap_tls_context_release(context);
  return 0;
}

/* context:expires(n) -> seconds since 1970, when the n-th certificate does
 * | nil */
static int context_expires(lua_State *L) {
  neap_tls_context *context = check_context(L, 1)->context;
  lua_Integer which = luaL_optinteger(L, 2, 1);
  if (context == NULL || which < 1 || (size_t)which > context->count)
    return 0;
  lua_pushinteger(L, neap_tls_context_expires(context, (size_t)which - 1));
  return 1;
}

static void set_text(lua_State *L, const char *name, const char *text) {
  if (text == NULL || text[0] == '\0')
    return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

void neap_push_tls(lua_State *L, const neap_tls *tls) {
  neap_tls_peer peer;
  neap_tls_describe(tls, &peer);
  lua_createtable(L, 0, 6);
  set_text(L, "version", peer.version);
  set_text(L, "cipher", peer.cipher);
  set_text(L, "servername", peer.server_name);
  set_text(L, "subject", peer.subject);
  set_text(L, "fingerprint", peer.fingerprint);
  if (peer.alpn_len) {
    lua_pushlstring(L, peer.alpn, peer.alpn_len);
    lua_setfield(L, -2, "alpn");
  }
}

/* core.rotate_tickets(): sessions are sealed with a new key from here on */
static int rotate_tickets(lua_State *L) {
  (void)L;
  neap_tls_rotate_tickets();
  return 0;
}

/* core.self_signed(common_name, names, days) -> cert, key, in PEM form | nil,
 * message, code; names as in "DNS:localhost,IP:127.0.0.1" */
static int self_signed(lua_State *L) {
  neap_buffer cert = {0}, key = {0};
  const char *name = luaL_checkstring(L, 1);
  const char *names = luaL_checkstring(L, 2);
  int days = (int)luaL_checkinteger(L, 3);
  int err = neap_tls_self_sign(&cert, &key, name, names, days);
  if (err == NEAP_OK) {
    lua_pushlstring(L, (const char *)cert.data, cert.len);
    lua_pushlstring(L, (const char *)key.data, key.len);
  }
  neap_buffer_release(&cert);
  neap_buffer_release(&key);
  return err ? neap_push_status(L, err) : 2;
}

static int write_all(int fd, const char *text, size_t len) {
  ssize_t n = 0;
  for (size_t at = 0; at < len && n >= 0; at += (size_t)n)
    n = write(fd, text + at, len - at);
  int error = n < 0 ? errno : 0;
  return close(fd) && !error ? errno : error;
}

/* core.write_private(path, text) -> true | nil, message, code: a file that its
 * owner alone can read */
static int write_private(lua_State *L) {
  size_t len;
  const char *path = luaL_checkstring(L, 1);
  const char *text = luaL_checklstring(L, 2, &len);
  unlink(path);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int error = fd < 0 ? errno : write_all(fd, text, len);
  if (error == 0)
    return neap_push_status(L, NEAP_OK);
  lua_pushfstring(L, "%s: %s", path, strerror(error));
  return neap_push_failure(L, NEAP_EIO, lua_tostring(L, -1));
}

void neap_bind_tls(lua_State *L) {
  static const luaL_Reg methods[] = {
    {"close", context_close}, {"expires", context_expires}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", context_close}, {"__close", context_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"tls_context", context_new},
                                       {"rotate_tickets", rotate_tickets},
                                       {"self_signed", self_signed},
                                       {"write_private", write_private},
                                       {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
