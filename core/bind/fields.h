/* bind/fields.h - classes whose handles have fields beside their methods. */

#ifndef NEAP_BIND_FIELDS_H
#define NEAP_BIND_FIELDS_H

#include <lua.h>

#define NEAP_FIELD_MAP(X) \
  X(METHOD, "method")     \
  X(TARGET, "target")     \
  X(VERSION, "version")   \
  X(REMOTE, "remote")     \
  X(TLS, "tls")           \
  X(ID, "id")             \
  X(DATA, "data")         \
  X(STATE, "state")       \
  X(PROTOCOL, "protocol") \
  X(REQUEST, "request")   \
  X(DROPPED, "dropped")

enum neap_field {
  NEAP_FIELD_NONE,
#define X(symbol, name) NEAP_FIELD_##symbol,
  NEAP_FIELD_MAP(X)
#undef X
};

enum neap_field neap_field_of(const char *name);

/* With the core's table below the class's metatable on the stack: opens the
 * class's methods to the scripting layer as core.methods[name], and sets index
 * as its __index (upvalue 1: runtime, 2: the methods). */
void neap_open_class(lua_State *L, const char *name, lua_CFunction index);

#endif
