/* bind/site.h - the script's line that made something, as a small number.
 *
 * The nearest frame that is not neap's own; numbers are never reused. 0 where
 * there is none, or where sites are off. */

#ifndef NEAP_BIND_SITE_H
#define NEAP_BIND_SITE_H

#include "bind/runtime.h"

uint32_t neap_site_here(neap_runtime *rt, lua_State *L);

/* Whether a function that runs is the script's, neither C's nor neap's own. */
bool neap_site_is_script(lua_State *L, lua_Debug *frame);

/* The number of a name that is no line: a route's label. */
uint32_t neap_site_named(lua_State *L, const char *name);

/* Pushes "feed.lua:42", or nil for 0. */
void neap_site_push(lua_State *L, uint32_t site);

void neap_bind_site(lua_State *L);

#endif
