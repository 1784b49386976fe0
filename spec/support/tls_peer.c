/* tls_peer.c - a TLS client over a descriptor that somebody else owns: it never
 * blocks, and never closes.
 *
 *   local tls = tls_peer(fd)
 *   tls:dohandshake() -> true | nil    tls:send(bytes)
 *   tls:receive() -> nil, "timeout" | "closed", bytes */

#include <lauxlib.h>
#include <lua.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

int luaopen_tls_peer(lua_State *L);

static SSL *check(lua_State *L) {
  return *(SSL **)luaL_checkudata(L, 1, "spec.tls_peer");
}

static int dohandshake(lua_State *L) {
  ERR_clear_error();
  lua_pushboolean(L, SSL_do_handshake(check(L)) == 1);
  return 1;
}

static int send_bytes(lua_State *L) {
  size_t len, done = 0, n;
  SSL *ssl = check(L);
  const char *bytes = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  while (done < len && SSL_write_ex(ssl, bytes + done, len - done, &n))
    done += n;
  return 0;
}

static int receive(lua_State *L) {
  SSL *ssl = check(L);
  luaL_Buffer buffer;
  size_t n;
  luaL_buffinit(L, &buffer);
  ERR_clear_error();
  while (SSL_read_ex(ssl, luaL_prepbuffer(&buffer), LUAL_BUFFERSIZE, &n))
    luaL_addsize(&buffer, n);
  int error = SSL_get_error(ssl, 0);
  luaL_pushresult(&buffer);
  lua_pushnil(L);
  lua_pushstring(L, error == SSL_ERROR_WANT_READ ? "timeout" : "closed");
  lua_rotate(L, -3, 2);
  return 3;
}

static int destroy(lua_State *L) {
  SSL_free(check(L));
  ERR_clear_error();
  return 0;
}

static int wrap(lua_State *L) {
  static SSL_CTX *context;
  if (context == NULL)
    context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = SSL_new(context);
  luaL_setmetatable(L, "spec.tls_peer");
  SSL_set_fd(*box, (int)luaL_checkinteger(L, 1));
  SSL_set_connect_state(*box);
  return 1;
}

int luaopen_tls_peer(lua_State *L) {
  static const luaL_Reg methods[] = {{"dohandshake", dohandshake},
                                     {"send", send_bytes},
                                     {"receive", receive},
                                     {"__gc", destroy},
                                     {NULL, NULL}};
  luaL_newmetatable(L, "spec.tls_peer");
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, wrap);
  return 1;
}
