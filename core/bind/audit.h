/* bind/audit.h - registers core.audit and core.trim in the table on the stack. */

#ifndef NEAP_BIND_AUDIT_H
#define NEAP_BIND_AUDIT_H

#include <lua.h>

void neap_bind_audit(lua_State *L);

#endif
