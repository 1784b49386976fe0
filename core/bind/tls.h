/* bind/tls.h - core.tls_context: certificates and settings, for a listener or a
 * client's connections. */

#ifndef NEAP_BIND_TLS_H
#define NEAP_BIND_TLS_H

#include "bind/runtime.h"
#include "net/tls.h"

void neap_bind_tls(lua_State *L);

/* Pushes {version=, cipher=, alpn=, servername=, subject=, fingerprint=}. */
void neap_push_tls(lua_State *L, const neap_tls *tls);

/* Of the handle at index; raises. A nil there is NULL. */
neap_tls_context *neap_tls_context_opt(lua_State *L, int index, bool is_client);

#endif
