/* bind/watchdog.h - what keeps an eye on a loop that does not come back.
 *
 * A thread that looks once a second, and oftener while the process is asked to
 * stop. It touches no Lua: it sends the loop's thread a signal, whose handler
 * sets a hook on the running coroutine, as lua.c does for Ctrl-C. */

#ifndef NEAP_BIND_WATCHDOG_H
#define NEAP_BIND_WATCHDOG_H

#include <stdint.h>

#include "bind/runtime.h"

typedef struct neap_watchdog neap_watchdog;

/* From the thread of the loop. cancel: how long a turn may last once a stop was
 * asked for; turn: after how long it is reported (0: never); milliseconds.
 * TERM and INT are caught in front of libuv. NULL: no memory or thread. */
neap_watchdog *neap_watchdog_start(neap_runtime *rt, uint64_t cancel,
                                   uint64_t turn, bool has_signals);
void neap_watchdog_stop(neap_watchdog *watchdog);

/* A coroutine was left: it is not interrupted any more. */
void neap_watchdog_calm(neap_runtime *rt, lua_State *co);

#endif
