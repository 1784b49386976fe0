/* The part of neap.codec that reads the header of a proxy. */

#include <lauxlib.h>
#include <sys/socket.h>

#include "bind/codec_http.h"
#include "bind/runtime.h"
#include "net/address.h"
#include "proto/proxy_header.h"

static void push_address(lua_State *L, const neap_proxy_header *header) {
  static const char *const names[] = {"none", "", "", "unix"};
  char text[64];
  neap_address address;
  bool is_ip = names[header->family][0] == '\0';
  if (!is_ip) {
    lua_pushstring(L, names[header->family]);
    return;
  }
  neap_address_set(&address,
                   header->family == NEAP_PROXY_IP4 ? AF_INET : AF_INET6,
                   header->bytes, header->port);
  lua_pushlstring(L, text, neap_address_write(&address, text, sizeof text));
}

/* codec.proxy(bytes) -> length, "127.0.0.1:80" | "unix" | "none" · 0: not whole
 * | nil, message, code */
static int codec_proxy(lua_State *L) {
  size_t len;
  const char *src = luaL_checklstring(L, 1, &len);
  neap_proxy_header header;
  int used = neap_proxy_read(&header, (const uint8_t *)src, len);
  if (used < 0)
    return neap_push_status(L, used);
  lua_pushinteger(L, used);
  if (used == 0)
    return 1;
  push_address(L, &header);
  return 2;
}

void neap_bind_codec_proxy(lua_State *L) {
  lua_pushcfunction(L, codec_proxy);
  lua_setfield(L, -2, "proxy");
}
