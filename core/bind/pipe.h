/* bind/pipe.h - core.pipe: a connection in memory, for neap.test. */

#ifndef NEAP_BIND_PIPE_H
#define NEAP_BIND_PIPE_H

#include "bind/runtime.h"
#include "net/conn.h"

void neap_bind_pipe(lua_State *L);

/* Dials through the pipe at stack index, with the client's settings. */
int neap_pipe_dial(lua_State *L, int index, neap_conn **out,
                   neap_settings *settings, const neap_buffer *request);

#endif
