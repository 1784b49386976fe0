/* bind/options.h - the table of options that ends some calls of a script. */

#ifndef NEAP_BIND_OPTIONS_H
#define NEAP_BIND_OPTIONS_H

#include <lua.h>
#include <stdint.h>

#include "proto/frame.h"

/* Raises unless index is a table all of whose keys are among names. */
void neap_options_check(lua_State *L, int index, const char *const names[]);

/* "text" (the default) or "binary". */
enum neap_opcode neap_opt_kind(lua_State *L, int index);

/* The hash of the field key of the table at index; 0: there is none. */
uint64_t neap_key_field(lua_State *L, int index);

#endif
