/* bind/orphan.h - connections that the collector had to close.
 *
 * A finaliser must not call Lua: it leaves a note, and the next turn of the
 * loop gives it to the scripting layer. */

#ifndef NEAP_BIND_ORPHAN_H
#define NEAP_BIND_ORPHAN_H

#include "bind/runtime.h"
#include "net/conn.h"

/* Counts conn as abandoned and notes who it was. */
void neap_orphan_note(neap_runtime *rt, const neap_conn *conn);

/* Calls the hook for each note; from the loop alone. */
void neap_orphans_report(neap_runtime *rt);
void neap_orphans_free(neap_runtime *rt);

#endif
