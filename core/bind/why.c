#include "bind/why.h"

#include <string.h>

static void set_string(lua_State *L, const char *name, const char *value,
                       size_t len) {
  lua_pushlstring(L, value ? value : "", value ? len : 0);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

void neap_push_why(lua_State *L, const neap_why *why) {
  const char *cause = neap_cause_name(why->cause);
  const char *by = neap_by_name(why->by);
  lua_createtable(L, 0, 9);
  set_string(L, "cause", cause, strlen(cause));
  set_string(L, "by", by, strlen(by));
  set_string(L, "reason", why->reason, why->reason_len);
  set_integer(L, "code", why->code);
  set_integer(L, "sent", why->sent);
  set_integer(L, "received", why->received);
  set_integer(L, "dropped", why->dropped);
  lua_pushboolean(L, why->clean);
  lua_setfield(L, -2, "clean");
  lua_pushnumber(L, (lua_Number)why->age / 1e3);
  lua_setfield(L, -2, "age");
}

lua_Integer neap_why_pack(const neap_why *why) {
  uint64_t packed = why->cause | (uint64_t)why->by << 8 |
                    (uint64_t)why->code << 16 | (uint64_t)why->clean << 12;
  return (lua_Integer)(packed | (why->age & 0x7FFFFFFF) << 32);
}

neap_why neap_why_unpack(lua_Integer packed) {
  uint64_t bits = (uint64_t)packed;
  return (neap_why){
    .cause = (enum neap_cause)(bits & 0xFF),
    .by = (enum neap_by)(bits >> 8 & 0xF),
    .clean = bits >> 12 & 1,
    .code = (uint16_t)(bits >> 16 & 0xFFFF),
    .age = bits >> 32,
  };
}
