#include "bind/codec.h"

#include <lauxlib.h>
#include <string.h>

#include "proto/close_code.h"
#include "proto/frame.h"
#include "proto/mask.h"
#include "proto/status.h"
#include "proto/utf8.h"

/* codec.utf8(bytes) -> boolean */
static int codec_utf8(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, neap_utf8_is_valid((const uint8_t *)bytes, len));
  return 1;
}

/* codec.is_close_code(number) -> boolean */
static int codec_is_close_code(lua_State *L) {
  lua_Integer code = luaL_checkinteger(L, 1);

  lua_pushboolean(L, code >= 0 && code <= UINT16_MAX &&
                       neap_close_code_is_valid((unsigned)code));
  return 1;
}

static const uint8_t *check_key(lua_State *L, int idx) {
  size_t len;
  const char *key = luaL_checklstring(L, idx, &len);
  luaL_argcheck(L, len == 4, idx, "a key has four bytes");
  return (const uint8_t *)key;
}

/* codec.mask(bytes, key [, offset]) -> bytes */
static int codec_mask(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  const uint8_t *key = check_key(L, 2);
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, offset >= 0, 3, "offset is negative");

  luaL_Buffer buffer;
  char *masked = luaL_buffinitsize(L, &buffer, len);
  neap_mask_copy(key, (size_t)offset, (uint8_t *)masked, (const uint8_t *)bytes,
                 len);
  luaL_pushresultsize(&buffer, len);
  return 1;
}

/* What codec.frame() was asked for. It may be no frame that is right. */
struct draft {
  neap_frame frame;
  int length_bytes; /* 0, 2 or 8 behind the first two; -1 for the shortest */
  const char *data;
  size_t len;
};

static lua_Integer get_integer(lua_State *L, const char *name,
                               lua_Integer otherwise) {
  lua_getfield(L, 1, name);
  if (!lua_isnil(L, -1) && !lua_isinteger(L, -1))
    luaL_error(L, "%s is not an integer", name);
  lua_Integer value = luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

/* Borrowed from the table at index 1, or NULL. */
static const char *get_bytes(lua_State *L, const char *name, size_t *len) {
  *len = 0;
  if (lua_getfield(L, 1, name) != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s is not a string", name);
  const char *bytes = lua_tolstring(L, -1, len);
  lua_pop(L, 1);
  return bytes;
}

static bool get_fin(lua_State *L) {
  bool fin = lua_getfield(L, 1, "fin") == LUA_TNIL || lua_toboolean(L, -1);
  lua_pop(L, 1);
  return fin;
}

static void read_draft(lua_State *L, struct draft *draft) {
  size_t key_len;
  lua_Integer opcode = get_integer(L, "opcode", NEAP_OP_TEXT);
  lua_Integer rsv = get_integer(L, "rsv", 0);
  lua_Integer length_bytes = get_integer(L, "length_bytes", -1);
  const char *key = get_bytes(L, "key", &key_len);

  luaL_argcheck(L, opcode >= 0 && opcode <= 15, 1, "opcode is not in 0..15");
  luaL_argcheck(L, rsv >= 0 && rsv <= 7, 1, "rsv is not in 0..7");
  luaL_argcheck(L, key == NULL || key_len == 4, 1, "a key has four bytes");
  draft->data = get_bytes(L, "data", &draft->len);
  draft->length_bytes = (int)length_bytes;
  draft->frame = (neap_frame){
    .opcode = (uint8_t)opcode,
    .rsv = (uint8_t)rsv,
    .fin = get_fin(L),
    .masked = key != NULL,
    .length = (uint64_t)get_integer(L, "declared", (lua_Integer)draft->len),
  };
  if (key)
    memcpy(draft->frame.key, key, 4);
}

/* Writes the length in the form that was asked for, then the key. */
static size_t write_odd_head(const struct draft *draft, uint8_t *dst) {
  neap_frame shape = draft->frame;
  uint64_t length = shape.length;
  int bytes = draft->length_bytes;

  /* A head of that form, to be overwritten with the length that is wanted. */
  shape.length = bytes == 0 ? 0 : bytes == 2 ? UINT16_MAX : UINT64_MAX;
  size_t size = neap_frame_write(&shape, dst);
  if (bytes == 0)
    dst[1] = (uint8_t)((dst[1] & 0x80) | (length & 0x7F));
  for (int i = 0; i < bytes; i++)
    dst[2 + i] = (uint8_t)(length >> 8 * (bytes - 1 - i));
  return size;
}

/* codec.frame{opcode=, fin=, rsv=, key=, data=, length_bytes=, declared=}
 * -> bytes */
static int codec_frame(lua_State *L) {
  struct draft draft;
  uint8_t head[NEAP_FRAME_HEAD_MAX];

  luaL_checktype(L, 1, LUA_TTABLE);
  read_draft(L, &draft);
  int form = draft.length_bytes;
  luaL_argcheck(L, form == -1 || form == 0 || form == 2 || form == 8, 1,
                "length_bytes is not 0, 2 or 8");
  size_t size = form == -1 ? neap_frame_write(&draft.frame, head)
                           : write_odd_head(&draft, head);

  luaL_Buffer buffer;
  uint8_t *dst = (uint8_t *)luaL_buffinitsize(L, &buffer, size + draft.len);
  memcpy(dst, head, size);
  if (draft.len > 0)
    memcpy(dst + size, draft.data, draft.len);
  if (draft.frame.masked)
    neap_mask(draft.frame.key, 0, dst + size, draft.len);
  luaL_pushresultsize(&buffer, size + draft.len);
  return 1;
}

static void push_head(lua_State *L, const neap_frame *frame) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, frame->opcode);
  lua_setfield(L, -2, "opcode");
  lua_pushinteger(L, frame->rsv);
  lua_setfield(L, -2, "rsv");
  lua_pushboolean(L, frame->fin);
  lua_setfield(L, -2, "fin");
  lua_pushboolean(L, frame->masked);
  lua_setfield(L, -2, "masked");
  lua_pushinteger(L, (lua_Integer)frame->length);
  lua_setfield(L, -2, "length");
  if (frame->masked) {
    lua_pushlstring(L, (const char *)frame->key, 4);
    lua_setfield(L, -2, "key");
  }
}

/* codec.read_frame(bytes) -> head, head_size | nil | nil, message, code */
static int codec_read_frame(lua_State *L) {
  neap_frame frame;
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  int size = neap_frame_read(&frame, (const uint8_t *)bytes, len);

  if (size > 0) {
    push_head(L, &frame);
    lua_pushinteger(L, size);
    return 2;
  }
  luaL_pushfail(L);
  if (size == 0)
    return 1;
  lua_pushstring(L, neap_status_text(size));
  lua_pushstring(L, neap_status_name(size));
  return 3;
}

static const luaL_Reg functions[] = {
  {"frame", codec_frame}, {"is_close_code", codec_is_close_code},
  {"mask", codec_mask},   {"read_frame", codec_read_frame},
  {"utf8", codec_utf8},   {NULL, NULL},
};

void neap_bind_codec(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  neap_bind_codec_session(L);
  neap_bind_codec_deflate(L);
}
