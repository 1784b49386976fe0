/* tls_records.c - records of TLS 1.3, with the other end's keys at hand.
 *
 *   local pair = tls_records("client" | "server")   whom the records are of
 *   pair:forge(type, content, padding) -> a record of the other end
 *   pair:feed(bytes) -> plaintext, alert | nil, is_theirs, is_notified
 *   pair:read() -> type, content of what it has written | nothing
 *   pair:write(bytes) pair:finish()
 *   pair:update("in" | "out")  the other end goes on to its next keys */

#include <lauxlib.h>
#include <lua.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_records.h"

int luaopen_tls_records(lua_State *L);

enum { LEAD = 20000, SIZE = 1 << 20 };

struct pair {
  neap_tls_records *records;
  neap_tls_way to, from; /* the other end's */
  neap_buffer out;
  uint8_t *room;
};

static struct pair *check(lua_State *L) {
  return luaL_checkudata(L, 1, "spec.tls_records");
}

static void start(neap_tls_way *way, int letter, bool is_sealing) {
  memset(way->secret, letter, way->secret_len = 32);
  neap_tls_way_start(way, EVP_aes_128_gcm(), EVP_sha256(), is_sealing);
}

static int new_pair(lua_State *L) {
  struct pair *pair = lua_newuserdatauv(L, sizeof *pair, 0);
  memset(pair, 0, sizeof *pair);
  pair->room = malloc(SIZE);
  pair->records = calloc(1, sizeof *pair->records);
  pair->records->is_client = strcmp(luaL_checkstring(L, 1), "client") == 0;
  start(&pair->records->in, 'i', false);
  start(&pair->records->out, 'o', true);
  start(&pair->to, 'i', true);
  start(&pair->from, 'o', false);
  luaL_setmetatable(L, "spec.tls_records");
  return 1;
}

static int release(lua_State *L) {
  struct pair *pair = check(L);
  neap_tls_records_free(pair->records);
  neap_tls_way_release(&pair->to);
  neap_tls_way_release(&pair->from);
  neap_buffer_release(&pair->out);
  free(pair->room);
  return 0;
}

/* Zeros stand behind the type: sealing takes the last of them for its own. */
static int forge(lua_State *L) {
  struct pair *pair = check(L);
  size_t len, padding = (size_t)luaL_optinteger(L, 4, 0);
  uint8_t type = (uint8_t)luaL_checkinteger(L, 2);
  const char *content = luaL_checklstring(L, 3, &len);
  uint8_t *record = calloc(1, len + padding + NEAP_TLS_OVERHEAD);
  memcpy(record + NEAP_TLS_HEADER, content, len);
  record[NEAP_TLS_HEADER + len] = type;
  neap_tls_way_seal(&pair->to, record, len + padding, padding ? 0 : type);
  lua_pushlstring(L, (char *)record, len + padding + NEAP_TLS_OVERHEAD);
  free(record);
  return 1;
}

static int feed(lua_State *L) {
  struct pair *pair = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  memcpy(pair->room + LEAD, bytes, len);
  size_t n = neap_tls_records_read(pair->records, pair->room, pair->room + LEAD,
                                   len, &pair->out);
  lua_pushlstring(L, (char *)pair->room, n);
  if (pair->records->alert)
    lua_pushinteger(L, pair->records->alert);
  else
    lua_pushnil(L);
  lua_pushboolean(L, pair->records->is_theirs);
  lua_pushboolean(L, pair->records->is_notified);
  return 4;
}

static int read_out(lua_State *L) {
  struct pair *pair = check(L);
  const uint8_t *out = pair->out.data;
  uint8_t type;
  if (pair->out.len == 0)
    return 0;
  size_t size = NEAP_TLS_HEADER + (size_t)(out[3] << 8 | out[4]);
  memcpy(pair->room, out, size);
  int n = neap_tls_way_open(&pair->from, pair->room, size,
                            pair->room + NEAP_TLS_HEADER, &type);
  if (n < 0)
    return luaL_error(L, "a record that cannot be opened");
  neap_buffer_consume(&pair->out, size);
  lua_pushinteger(L, type);
  lua_pushlstring(L, (char *)pair->room + NEAP_TLS_HEADER, (size_t)n);
  return 2;
}

static int write_out(lua_State *L) {
  struct pair *pair = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  memcpy(neap_tls_records_room(pair->records, len, &pair->out), bytes, len);
  lua_pushboolean(L, neap_tls_records_write(pair->records, len, &pair->out));
  return 1;
}

static int finish(lua_State *L) {
  struct pair *pair = check(L);
  neap_tls_records_end(pair->records, &pair->out);
  return 0;
}

static int update(lua_State *L) {
  struct pair *pair = check(L);
  bool is_in = strcmp(luaL_checkstring(L, 2), "in") == 0;
  neap_tls_way_update(is_in ? &pair->to : &pair->from);
  return 0;
}

int luaopen_tls_records(lua_State *L) {
  static const luaL_Reg methods[] = {{"forge", forge},   {"feed", feed},
                                     {"read", read_out}, {"write", write_out},
                                     {"finish", finish}, {"update", update},
                                     {"__gc", release},  {NULL, NULL}};
  luaL_newmetatable(L, "spec.tls_records");
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, new_pair);
  return 1;
}
