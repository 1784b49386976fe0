#include "bind/codec_http.h"

#include <lauxlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/handshake.h"
#include "proto/http.h"
#include "proto/sha1.h"
#include "proto/status.h"

enum { LIMIT_DEFAULT = 8192, NONCE_LEN = 16 };

static void set_span(lua_State *L, const char *name, const char *src,
                     neap_http_span span) {
  lua_pushlstring(L, src + span.at, span.len);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* The array of {name, value}, in order. */
static void set_fields(lua_State *L, const neap_http_head *head,
                       const char *src) {
  lua_createtable(L, head->field_count, 0);
  for (int i = 0; i < head->field_count; i++) {
    neap_http_field field = head->fields[i];
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, src + field.name.at, field.name.len);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, src + field.value.at, field.value.len);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "fields");
}

/* What requests and responses have in common. */
static void push_head(lua_State *L, const neap_http_head *head,
                      const char *src) {
  lua_createtable(L, 0, 6);
  set_integer(L, "minor", head->minor);
  if (head->content_length >= 0)
    set_integer(L, "content_length", head->content_length);
  lua_pushboolean(L, head->chunked);
  lua_setfield(L, -2, "chunked");
  set_fields(L, head, src);
}

/* nil, message, "protocol" */
static int push_refusal(lua_State *L, const char *text) {
  luaL_pushfail(L);
  lua_pushstring(L, text);
  lua_pushstring(L, neap_status_name(NEAP_EPROTO));
  return 3;
}

static size_t opt_limit(lua_State *L, int idx) {
  lua_Integer limit = luaL_optinteger(L, idx, LIMIT_DEFAULT);
  luaL_argcheck(L, limit > 0, idx, "limit is not positive");
  return (size_t)limit;
}

/* codec.request(bytes [, limit]) -> head, used | 0
 * | nil, message, "protocol", status */
static int codec_request(lua_State *L) {
  size_t len;
  neap_http_head head;
  const char *bytes = luaL_checklstring(L, 1, &len);
  int used = neap_http_read_request(&head, bytes, len, opt_limit(L, 2));

  if (used < 0) {
    push_refusal(L, head.error);
    lua_pushinteger(L, head.status);
    return 4;
  }
  if (used > 0) {
    push_head(L, &head, bytes);
    set_span(L, "method", bytes, head.method);
    set_span(L, "target", bytes, head.target);
  }
  lua_pushinteger(L, used);
  return used > 0 ? 2 : 1;
}

/* codec.response(bytes [, limit]) -> head, used | 0 | nil, message, "protocol" */
static int codec_response(lua_State *L) {
  size_t len;
  neap_http_head head;
  const char *bytes = luaL_checklstring(L, 1, &len);
  int used = neap_http_read_response(&head, bytes, len, opt_limit(L, 2));

  if (used < 0)
    return push_refusal(L, head.error);
  if (used > 0) {
    push_head(L, &head, bytes);
    set_integer(L, "status", head.status);
    set_span(L, "reason", bytes, head.reason);
  }
  lua_pushinteger(L, used);
  return used > 0 ? 2 : 1;
}

static const char *check_sized(lua_State *L, int idx, size_t wanted) {
  size_t len;
  const char *bytes = luaL_checklstring(L, idx, &len);
  if (len != wanted)
    luaL_argerror(L, idx, lua_pushfstring(L, "%d bytes expected", (int)wanted));
  return bytes;
}

/* codec.accept_key(key) -> accept */
static int codec_accept_key(lua_State *L) {
  char accept[NEAP_ACCEPT_LEN];
  neap_handshake_accept(check_sized(L, 1, NEAP_KEY_LEN), accept);
  lua_pushlstring(L, accept, sizeof accept);
  return 1;
}

/* codec.key(nonce) -> key; the nonce is 16 bytes */
static int codec_key(lua_State *L) {
  char key[NEAP_KEY_LEN];
  const char *nonce = check_sized(L, 1, NONCE_LEN);
  neap_handshake_key((const uint8_t *)nonce, key);
  lua_pushlstring(L, key, sizeof key);
  return 1;
}

/* codec.check_upgrade(bytes) -> accept | nil, message, "protocol", status */
static int codec_check_upgrade(lua_State *L) {
  size_t len;
  neap_http_head head;
  char accept[NEAP_ACCEPT_LEN];
  const char *bytes = luaL_checklstring(L, 1, &len);
  int got = neap_http_read_request(&head, bytes, len, LIMIT_DEFAULT);

  luaL_argcheck(L, got != 0, 1, "the head is not whole");
  if (got > 0)
    got = neap_handshake_check(&head, bytes, accept);
  if (got < 0) {
    push_refusal(L, head.error);
    lua_pushinteger(L, head.status);
    return 4;
  }
  lua_pushlstring(L, accept, sizeof accept);
  return 1;
}

/* codec.check_answer(bytes, key) -> true | nil, message, "protocol" */
static int codec_check_answer(lua_State *L) {
  size_t len;
  neap_http_head head;
  const char *bytes = luaL_checklstring(L, 1, &len);
  const char *key = check_sized(L, 2, NEAP_KEY_LEN);
  int got = neap_http_read_response(&head, bytes, len, LIMIT_DEFAULT);

  luaL_argcheck(L, got != 0, 1, "the head is not whole");
  if (got > 0)
    got = neap_handshake_check_answer(&head, bytes, key);
  if (got < 0)
    return push_refusal(L, head.error);
  lua_pushboolean(L, 1);
  return 1;
}

/* The string in a field of the table at index 1, "" or an error when there is
 * none; the table keeps it. */
static const char *get_string(lua_State *L, const char *name, bool required,
                              size_t *len) {
  int type = lua_getfield(L, 1, name);
  if (type != LUA_TSTRING && (required || type != LUA_TNIL))
    luaL_error(L, "%s is not a string", name);
  *len = 0;
  const char *text = lua_tolstring(L, -1, len);
  lua_pop(L, 1);
  return text ? text : "";
}

static const char *get_sized(lua_State *L, const char *name, size_t wanted) {
  size_t len;
  const char *text = get_string(L, name, true, &len);
  if (len != wanted)
    luaL_error(L, "%s has %d bytes, not %d", name, (int)len, (int)wanted);
  return text;
}

/* Room for all that a writer may append: it then never allocates, and memory
 * that Lua owns is freed whatever is raised. */
static neap_buffer lend_buffer(lua_State *L, luaL_Buffer *owner, size_t texts) {
  size_t cap = texts + 256;
  uint8_t *data = (uint8_t *)luaL_buffinitsize(L, owner, cap);
  return (neap_buffer){.data = data, .cap = cap};
}

/* codec.upgrade_request{host=, target=, key=, headers=} -> bytes
 * | nil, message, "protocol" */
static int codec_upgrade_request(lua_State *L) {
  size_t host_len, target_len, headers_len;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *host = get_string(L, "host", true, &host_len);
  const char *target = get_string(L, "target", true, &target_len);
  const char *key = get_sized(L, "key", NEAP_KEY_LEN);
  const char *headers = get_string(L, "headers", false, &headers_len);

  luaL_Buffer owner;
  neap_buffer out = lend_buffer(L, &owner, host_len + target_len + headers_len);
  if (strlen(host) != host_len || strlen(target) != target_len ||
      neap_handshake_write_request(&out, host, target, key, headers,
                                   headers_len) != NEAP_OK)
    return push_refusal(L, "The host or the target cannot stand in a request.");
  luaL_pushresultsize(&owner, out.len);
  return 1;
}

/* codec.upgrade_answer{accept=, protocol=, headers=} -> bytes
 * | nil, message, "protocol" */
static int codec_upgrade_answer(lua_State *L) {
  size_t protocol_len, headers_len;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *accept = get_sized(L, "accept", NEAP_ACCEPT_LEN);
  bool named = lua_getfield(L, 1, "protocol") != LUA_TNIL;
  const char *protocol = get_string(L, "protocol", false, &protocol_len);
  const char *headers = get_string(L, "headers", false, &headers_len);

  luaL_Buffer owner;
  neap_buffer out = lend_buffer(L, &owner, protocol_len + headers_len);
  if (neap_handshake_write_answer(&out, accept, named ? protocol : NULL,
                                  protocol_len, "", headers,
                                  headers_len) != NEAP_OK)
    return push_refusal(L, "The protocol is not a token.");
  luaL_pushresultsize(&owner, out.len);
  return 1;
}

/* codec.sha1(bytes) -> digest, 20 bytes */
static int codec_sha1(lua_State *L) {
  size_t len;
  uint8_t digest[NEAP_SHA1_LEN];
  const char *bytes = luaL_checklstring(L, 1, &len);
  neap_sha1(digest, bytes, len);
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

/* codec.base64(bytes) -> text */
static int codec_base64(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  luaL_Buffer buffer;
  char *text = luaL_buffinitsize(L, &buffer, NEAP_BASE64_LEN(len));
  neap_base64_encode(text, (const uint8_t *)bytes, len);
  luaL_pushresultsize(&buffer, NEAP_BASE64_LEN(len));
  return 1;
}

/* codec.unbase64(text) -> bytes | nil, message, "protocol" */
static int codec_unbase64(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, len <= INT32_MAX, 1, "too long");
  luaL_Buffer buffer;
  char *bytes = luaL_buffinitsize(L, &buffer, len / 4 * 3);
  int got = neap_base64_decode((uint8_t *)bytes, text, len);
  if (got < 0)
    return push_refusal(L, "The text is not base64.");
  luaL_pushresultsize(&buffer, (size_t)got);
  return 1;
}

static const luaL_Reg functions[] = {
  {"accept_key", codec_accept_key},
  {"base64", codec_base64},
  {"check_answer", codec_check_answer},
  {"check_upgrade", codec_check_upgrade},
  {"key", codec_key},
  {"request", codec_request},
  {"response", codec_response},
  {"sha1", codec_sha1},
  {"unbase64", codec_unbase64},
  {"upgrade_answer", codec_upgrade_answer},
  {"upgrade_request", codec_upgrade_request},
  {NULL, NULL},
};

void neap_bind_codec_http(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
