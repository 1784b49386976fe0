/* net/context.h - compression contexts of connections: counted, and given up
 * when they lie unused.
 *
 * Only what a sender remembers can be given up: the peer goes on to refer to
 * what we have to remember of it. */

#ifndef NEAP_NET_CONTEXT_H
#define NEAP_NET_CONTEXT_H

#include <stdbool.h>

#include "net/deadline.h"
#include "proto/deflate.h"

struct neap_conn;

/* The note of a loop's pool; arg is the loop. */
void neap_context_count(void *arg, enum neap_context context, bool born,
                        size_t bytes, void *tied);

/* The connection has compressed a message. */
void neap_context_used(struct neap_conn *conn);

/* Nothing was compressed for as long as the settings say. */
void neap_context_expire(neap_deadline *deadline);

#endif
