/* net/subscriptions.h - who is subscribed to what, known from both ends.
 *
 * A topic has an array of its subscribers, a connection a hash set of its
 * topics, and each entry knows the place of its twin in the other: finding,
 * adding and leaving are O(1), and a subscription costs 32 bytes and the slack
 * of two growing arrays. */

#ifndef NEAP_NET_SUBSCRIPTIONS_H
#define NEAP_NET_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct neap_conn;
struct neap_topic;

typedef struct neap_subscriber {
  struct neap_conn *conn;
  uint32_t slot; /* in its set */
  uint8_t overflow;
} neap_subscriber;

/* Of one topic. Most have one: that needs no memory of its own. */
typedef struct neap_subscribers {
  union {
    neap_subscriber one; /* while room is 0 */
    neap_subscriber *many;
  };
  uint32_t count;
  uint32_t room;
} neap_subscribers;

typedef struct neap_subscription {
  struct neap_topic *topic; /* NULL: a free slot */
  uint32_t place;           /* in the topic's array */
} neap_subscription;

/* Of one connection, which has NULL while it has none. */
typedef struct neap_subscriptions {
  uint32_t count;
  uint32_t mask;
  neap_subscription slots[];
} neap_subscriptions;

enum {
  NEAP_SUBSCRIPTION_COST = sizeof(neap_subscriber) + sizeof(neap_subscription)
};

static inline neap_subscriber *neap_subscribers_at(neap_subscribers *list,
                                                   uint32_t place) {
  return list->room ? &list->many[place] : &list->one;
}

/* The connection's entry for a topic, or NULL. */
neap_subscription *neap_subscription_find(const struct neap_conn *conn,
                                          const struct neap_topic *topic);

/* NEAP_OK or NEAP_ENOMEM, and then nothing has changed. Not found before. */
int neap_subscription_add(struct neap_conn *conn, struct neap_topic *topic,
                          uint8_t overflow);
void neap_subscription_remove(struct neap_conn *conn,
                              neap_subscription *subscription);

/* Takes any one of the connection's out, and returns its topic; NULL at the
 * end, when the set is freed. */
struct neap_topic *neap_subscription_take(struct neap_conn *conn);

#endif
