/* bind/secret.h - secrets for scripts: to compare them, and to make them. */

#ifndef NEAP_BIND_SECRET_H
#define NEAP_BIND_SECRET_H

#include <lua.h>

/* Adds core.is_secret and core.random to the table on top of the stack. */
void neap_bind_secret(lua_State *L);

#endif
