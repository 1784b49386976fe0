/* bind/tls.h - core.tls_context: certificates and settings, for a listener or a
 * client's connections. */

#ifndef NEAP_BIND_TLS_H
#define NEAP_BIND_TLS_H

#include "bind/runtime.h"
#include "net/tls_context.h"

void neap_bind_tls(lua_State *L);

/* Of the handle at index; raises. A nil there is NULL. */
neap_tls_context *neap_tls_context_opt(lua_State *L, int index, bool is_client);

#endif
