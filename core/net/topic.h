/* net/topic.h - topics: one message, encoded once, to all who subscribed.
 *
 * A subscription stands in two lists, its topic's and its connection's, so
 * that leaving is O(1) each; a topic goes with its last subscription. */

#ifndef NEAP_NET_TOPIC_H
#define NEAP_NET_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "net/census.h"
#include "proto/frame.h"

struct neap_conn;
struct neap_frame_pool;
typedef struct neap_topics neap_topics;

neap_topics *neap_topics_new(neap_census *census,
                             struct neap_frame_pool *frames);
void neap_topics_free(neap_topics *topics);

/* 1 subscribed · 0 was already · NEAP_ECLOSED, NEAP_ENOMEM. */
int neap_topic_subscribe(struct neap_conn *conn, const char *name, size_t len);
/* False if it was not subscribed. */
bool neap_topic_unsubscribe(struct neap_conn *conn, const char *name,
                            size_t len);
void neap_topics_leave_all(struct neap_conn *conn);

/* Calls fn with the name of each topic of the connection. */
typedef void neap_topic_fn(const char *name, size_t len, void *arg);
void neap_topics_each(const struct neap_conn *conn, neap_topic_fn *fn,
                      void *arg);

/* The number of connections whose queue took the message, or NEAP_ENOMEM.
 * except may be NULL. What is queued leaves at the end of the turn. */
int neap_topic_publish(neap_topics *topics, const char *name, size_t len,
                       enum neap_opcode opcode, const void *data, size_t size,
                       const struct neap_conn *except);

#endif
