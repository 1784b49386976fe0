/* bind/why.h - why a connection closed, as a table, or packed into a number.
 *
 * Most closes are never asked about: the number is what a closed handle keeps
 * when it has no table of its own. */

#ifndef NEAP_BIND_WHY_H
#define NEAP_BIND_WHY_H

#include <lua.h>

#include "net/conn.h"

/* Pushes {code, reason, clean, by, cause, age, sent, received}. */
void neap_push_why(lua_State *L, const neap_why *why);

/* Cause, side, code, cleanness and the age; the rest is lost. */
lua_Integer neap_why_pack(const neap_why *why);
neap_why neap_why_unpack(lua_Integer packed);

#endif
