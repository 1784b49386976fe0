/* bind/supervisor.h - what a supervisor such as systemd hands over and hears. */

#ifndef NEAP_BIND_SUPERVISOR_H
#define NEAP_BIND_SUPERVISOR_H

#include <lua.h>

/* Adds core.process, core.seal, core.unsetenv and core.notify to the table on top
 * of the stack. */
void neap_bind_supervisor(lua_State *L);

#endif
