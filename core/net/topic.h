/* net/topic.h - topics: one message, encoded once, to all who subscribed.
 *
 * A topic is a literal name; only who subscribes to a pattern, and says so, gets
 * what is published to others. Joining and leaving is O(1), and a topic goes with
 * its last subscription. */

#ifndef NEAP_NET_TOPIC_H
#define NEAP_NET_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/census.h"
#include "net/settings.h"
#include "proto/frame.h"

struct neap_conn;
struct neap_frame_buffer;
struct neap_frame_pool;
struct neap_worker;
typedef struct neap_topics neap_topics;

neap_topics *neap_topics_new(neap_census *census,
                             struct neap_frame_pool *frames);
void neap_topics_free(neap_topics *topics);
void neap_topics_trim(neap_topics *topics);

/* What is published from here on stands by itself: the queues have left. */
void neap_topics_end_turn(neap_topics *topics);

/* 1 subscribed · 0 was already · NEAP_ECLOSED, NEAP_ENOMEM. A pattern has been
 * checked. */
int neap_topic_subscribe(struct neap_conn *conn, const char *name, size_t len,
                         bool is_pattern, enum neap_overflow overflow);
/* False if it was not subscribed. */
bool neap_topic_unsubscribe(struct neap_conn *conn, const char *name,
                            size_t len, bool is_pattern);
void neap_topics_leave_all(struct neap_conn *conn);

/* Calls fn with the name of each topic of the connection. */
typedef void neap_topic_fn(const char *name, size_t len, bool is_pattern,
                           void *arg);
void neap_topics_each(const struct neap_conn *conn, neap_topic_fn *fn,
                      void *arg);

/* What is published: to whom, and under which key it waits (a hash; 0: the
 * topic's). except may be NULL. */
typedef struct neap_publication {
  const char *topic;
  size_t topic_len;
  uint64_t key;
  const struct neap_conn *except;
} neap_publication;

/* The number of connections whose queue took the message, or NEAP_ENOMEM. What
 * is queued leaves at the end of the turn. */
int neap_topic_publish(neap_topics *topics, const neap_publication *to,
                       enum neap_opcode opcode, const void *data, size_t len);
/* Whether a publish is walking over subscribers: who is lost now must stay in
 * the lists until it is done. */
bool neap_topics_are_walked(const neap_topics *topics);

/* To the subscribers of this loop alone. */
int neap_topic_publish_here(neap_topics *topics, const neap_publication *to,
                            struct neap_frame_buffer *frame);

/* From here on the worker tells others what there are subscribers for, and
 * gets what is published; NULL: no longer. */
void neap_topics_show(neap_topics *topics, struct neap_worker *worker);

#endif
