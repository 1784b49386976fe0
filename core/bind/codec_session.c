#include "bind/codec.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/session.h"
#include "proto/status.h"

#define CLASS "neap.codec.session"

/* The session lives in its userdata: nothing else knows of it. */
typedef struct codec {
  neap_session session;
  neap_intake intake;
  neap_deflate_pool pool;
  neap_buffer input; /* what feed() copied; the session reads it in place */
  neap_buffer out;
  bool open;
  bool hungry; /* next() has answered nil since the last feed() */
  bool has_key;
  uint8_t key[4]; /* of every frame of a client, when has_key */
} codec;

/* A mask source takes no argument, so the fixed key is handed over here. */
static _Thread_local uint8_t fixed_key[4];

static bool copy_fixed_key(uint8_t key[4]) {
  memcpy(key, fixed_key, 4);
  return true;
}

static bool make_random_key(uint8_t key[4]) {
  return getrandom(key, 4, 0) == 4;
}

static int push_failure(lua_State *L, const char *text, int status) {
  luaL_pushfail(L);
  lua_pushstring(L, text);
  lua_pushstring(L, neap_status_name(status));
  return 3;
}

static int push_status(lua_State *L, int status) {
  if (status < 0)
    return push_failure(L, neap_status_text(status), status);
  lua_pushboolean(L, 1);
  return 1;
}

/* The session at index 1, or NULL when it is closed. */
static codec *check_codec(lua_State *L) {
  codec *c = luaL_checkudata(L, 1, CLASS);
  if (!c->open)
    return NULL;
  memcpy(fixed_key, c->key, sizeof fixed_key);
  return c;
}

static const uint8_t *check_bytes(lua_State *L, int idx, size_t *len) {
  return (const uint8_t *)luaL_checklstring(L, idx, len);
}

static const char *const option_names[] = {"role", "limit", "mask", "deflate",
                                           NULL};

static void check_options(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    int i = 0;
    const char *name =
      lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    while (option_names[i] && strcmp(option_names[i], name) != 0)
      i++;
    if (option_names[i] == NULL)
      luaL_error(
        L, "unknown option '%s' (role, limit, mask and deflate are known)",
        name);
  }
}

static enum neap_role check_role(lua_State *L) {
  static const char *const roles[] = {"server", "client", NULL};
  lua_getfield(L, 1, "role");
  int role = luaL_checkoption(L, -1, NULL, roles);
  lua_pop(L, 1);
  return role == 0 ? NEAP_SERVER : NEAP_CLIENT;
}

static size_t check_limit(lua_State *L) {
  lua_getfield(L, 1, "limit");
  lua_Integer limit = luaL_optinteger(L, -1, 0);
  luaL_argcheck(L, limit >= 0, 1, "limit is negative");
  lua_pop(L, 1);
  return (size_t)limit;
}

static bool check_fixed_key(lua_State *L, uint8_t key[4]) {
  size_t len = 0;
  lua_getfield(L, 1, "mask");
  const char *mask = luaL_optlstring(L, -1, NULL, &len);
  luaL_argcheck(L, mask == NULL || len == 4, 1, "mask is not four bytes");
  if (mask)
    memcpy(key, mask, 4);
  lua_pop(L, 1);
  return mask != NULL;
}

static lua_Integer get_integer(lua_State *L, const char *name,
                               lua_Integer otherwise) {
  lua_getfield(L, -1, name);
  lua_Integer value = luaL_optinteger(L, -1, otherwise);
  luaL_argcheck(L, value >= 0, 1, name);
  lua_pop(L, 1);
  return value;
}

static bool get_flag(lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

/* deflate = the terms that were agreed on, with min= and level= beside them. */
static void use_deflate(lua_State *L, codec *c) {
  if (lua_getfield(L, 1, "deflate") == LUA_TNIL)
    return;
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_Integer send_bits = get_integer(L, "send_bits", 15);
  lua_Integer receive_bits = get_integer(L, "receive_bits", 15);
  lua_Integer level = get_integer(L, "level", 1);
  luaL_argcheck(L, send_bits >= 8 && send_bits <= 15, 1, "send_bits");
  luaL_argcheck(L, receive_bits >= 8 && receive_bits <= 15, 1, "receive_bits");
  luaL_argcheck(L, level >= 1 && level <= 9, 1, "level");
  neap_deflate_terms terms = {.send_bits = (uint8_t)send_bits,
                              .receive_bits = (uint8_t)receive_bits,
                              .send_takeover = get_flag(L, "send_takeover"),
                              .receive_takeover =
                                get_flag(L, "receive_takeover")};
  size_t min = (size_t)get_integer(L, "min", 0);
  neap_deflate *deflate =
    neap_deflate_new(&c->pool, &terms, min, (uint8_t)level);
  if (deflate == NULL)
    luaL_error(L, "neap: %s", neap_status_text(NEAP_ENOMEM));
  neap_session_use_deflate(&c->session, deflate);
}

/* codec.session{role=, limit=, mask=, deflate=} -> session */
static int codec_session(lua_State *L) {
  check_options(L);
  codec made = {.open = true, .hungry = true};
  enum neap_role role = check_role(L);
  size_t limit = check_limit(L);
  made.has_key = check_fixed_key(L, made.key);
  neap_session_init(&made.session, role,
                    made.has_key ? copy_fixed_key : make_random_key);

  codec *c = lua_newuserdatauv(L, sizeof *c, 0);
  int handle = lua_gettop(L);
  *c = made;
  neap_session_lend(&c->session, &c->intake, limit);
  luaL_setmetatable(L, CLASS);
  use_deflate(L, c);
  lua_settop(L, handle);
  return 1;
}

/* session:feed(bytes) -> true | nil, message, code */
static int session_feed(lua_State *L) {
  codec *c = check_codec(L);
  size_t len;
  const uint8_t *bytes = check_bytes(L, 2, &len);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  if (!c->hungry)
    return push_failure(L, "next() has not answered nil yet", NEAP_EBUSY);
  c->input.len = 0;
  int err = neap_buffer_append(&c->input, bytes, len);
  if (err)
    return push_status(L, err);
  c->hungry = false;
  neap_session_feed(&c->session, c->input.data, len);
  return push_status(L, NEAP_OK);
}

static const char *kind_of(enum neap_opcode op) {
  switch (op) {
    case NEAP_OP_TEXT: return "text";
    case NEAP_OP_BINARY: return "binary";
    case NEAP_OP_PING: return "ping";
    case NEAP_OP_PONG: return "pong";
    default: return "close";
  }
}

static int push_event(lua_State *L, const neap_event *event) {
  bool closing = event->opcode == NEAP_OP_CLOSE;

  lua_createtable(L, 0, 3);
  lua_pushstring(L, kind_of(event->opcode));
  lua_setfield(L, -2, "kind");
  lua_pushlstring(L, (const char *)event->data, event->len);
  lua_setfield(L, -2, closing ? "reason" : "data");
  if (closing) {
    lua_pushinteger(L, event->code);
    lua_setfield(L, -2, "code");
  }
  return 1;
}

/* session:next() -> event | nil | nil, message, code */
static int session_next(lua_State *L) {
  codec *c = check_codec(L);
  neap_event event;

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  int got = neap_session_next(&c->session, &event, &c->out);
  if (got > 0)
    return push_event(L, &event);
  c->hungry = true;
  neap_buffer_release(&c->input);
  if (got < 0)
    return push_failure(L, neap_session_fail_text(&c->session), got);
  lua_pushnil(L);
  return 1;
}

/* session:pause() -> true | nil, message, code */
static int session_pause(lua_State *L) {
  codec *c = check_codec(L);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  int err = neap_session_pause(&c->session);
  if (!err)
    neap_buffer_release(&c->input);
  return push_status(L, err);
}

static int send_control(lua_State *L, enum neap_opcode op) {
  codec *c = check_codec(L);
  size_t len = 0;
  const void *data = luaL_optlstring(L, 2, "", &len);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  return push_status(L, neap_session_send(&c->session, &c->out, op, data, len));
}

/* session:send(data [, kind [, plain]]) -> true | nil, message, code */
static int session_send(lua_State *L) {
  static const char *const kinds[] = {"text", "binary", NULL};
  codec *c = check_codec(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  bool text = luaL_checkoption(L, 3, "text", kinds) == 0;
  enum neap_opcode op = text ? NEAP_OP_TEXT : NEAP_OP_BINARY;

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  int (*send)(neap_session *, neap_buffer *, enum neap_opcode, const void *,
              size_t) =
    lua_toboolean(L, 4) ? neap_session_send_plain : neap_session_send;
  return push_status(L, send(&c->session, &c->out, op, data, len));
}

/* session:ping([data]) -> true | nil, message, code */
static int session_ping(lua_State *L) {
  return send_control(L, NEAP_OP_PING);
}

/* session:pong([data]) -> true | nil, message, code */
static int session_pong(lua_State *L) {
  return send_control(L, NEAP_OP_PONG);
}

/* session:close([code [, reason]]) -> true | nil, message, code */
static int session_close(lua_State *L) {
  codec *c = check_codec(L);
  lua_Integer code = luaL_optinteger(L, 2, 0);
  size_t len = 0;
  const char *reason = luaL_optlstring(L, 3, "", &len);

  luaL_argcheck(L, code >= 0 && code <= UINT16_MAX, 2, "not a close code");
  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  return push_status(
    L, neap_session_close(&c->session, &c->out, (uint16_t)code, reason, len));
}

/* session:output() -> bytes | nil, message, code */
static int session_output(lua_State *L) {
  codec *c = check_codec(L);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  lua_pushlstring(L, (const char *)c->out.data, c->out.len);
  neap_buffer_release(&c->out);
  return 1;
}

/* session:done() -> boolean | nil, message, code */
static int session_done(lua_State *L) {
  codec *c = check_codec(L);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  lua_pushboolean(L, neap_session_is_done(&c->session));
  return 1;
}

/* session:fail_code() -> integer | nil | nil, message, code */
static int session_fail_code(lua_State *L) {
  codec *c = check_codec(L);

  if (c == NULL)
    return push_status(L, NEAP_ECLOSED);
  uint16_t code = neap_session_fail_code(&c->session);
  if (code == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, code);
  return 1;
}

/* session:terminate(); also __close and __gc. Twice is not an error. */
static int session_terminate(lua_State *L) {
  codec *c = luaL_checkudata(L, 1, CLASS);

  c->open = false;
  neap_session_release(&c->session);
  neap_deflate_pool_release(&c->pool);
  neap_buffer_release(&c->input);
  neap_buffer_release(&c->out);
  return 0;
}

static int session_tostring(lua_State *L) {
  const codec *c = luaL_checkudata(L, 1, CLASS);
  if (c->open)
    lua_pushfstring(L, CLASS ": %p", (const void *)c);
  else
    lua_pushliteral(L, CLASS " (closed)");
  return 1;
}

static const luaL_Reg methods[] = {
  {"feed", session_feed},           {"next", session_next},
  {"pause", session_pause},         {"send", session_send},
  {"ping", session_ping},           {"pong", session_pong},
  {"close", session_close},         {"output", session_output},
  {"done", session_done},           {"fail_code", session_fail_code},
  {"terminate", session_terminate}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
  {"__close", session_terminate},
  {"__gc", session_terminate},
  {"__tostring", session_tostring},
  {NULL, NULL},
};

void neap_bind_codec_session(lua_State *L) {
  luaL_newmetatable(L, CLASS);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, codec_session);
  lua_setfield(L, -2, "session");
}
