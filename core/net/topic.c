#include "net/topic.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/conn.h"
#include "net/frame_buffer.h"
#include "proto/status.h"

typedef struct neap_topic {
  struct neap_topic *next; /* in its bucket */
  neap_link subscribers;
  uint64_t hash;
  size_t len;
  char name[];
} neap_topic;

typedef struct neap_subscription {
  neap_link of_topic;
  neap_link of_conn;
  neap_topic *topic;
  neap_conn *conn;
} neap_subscription;

struct neap_topics {
  neap_census *census;
  neap_frame_pool *frames;
  neap_topic **buckets;
  size_t mask; /* their number less one */
  size_t count;
};

/* FNV-1a: names are short, and a script's own. */
static uint64_t hash_of(const char *name, size_t len) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
  return hash ^ hash >> 32;
}

neap_topics *neap_topics_new(neap_census *census, neap_frame_pool *frames) {
  neap_topics *topics = calloc(1, sizeof *topics);
  neap_topic **buckets = calloc(64, sizeof(neap_topic *));
  if (topics == NULL || buckets == NULL) {
    free(topics);
    free(buckets);
    return NULL;
  }
  *topics = (neap_topics){
    .census = census, .frames = frames, .buckets = buckets, .mask = 63};
  return topics;
}

void neap_topics_free(neap_topics *topics) {
  free(topics->buckets);
  free(topics);
}

static neap_topic **find(neap_topics *topics, uint64_t hash, const char *name,
                         size_t len) {
  neap_topic **place = &topics->buckets[hash & topics->mask];
  while (*place && ((*place)->hash != hash || (*place)->len != len ||
                    memcmp((*place)->name, name, len)))
    place = &(*place)->next;
  return place;
}

/* More places; staying as it is, only slower, is fine without memory. */
static void grow(neap_topics *topics) {
  size_t count = (topics->mask + 1) * 2;
  neap_topic **buckets = calloc(count, sizeof(neap_topic *));
  if (buckets == NULL)
    return;
  for (size_t i = 0; i <= topics->mask; i++) {
    for (neap_topic *t = topics->buckets[i], *next; t; t = next) {
      next = t->next;
      t->next = buckets[t->hash & (count - 1)];
      buckets[t->hash & (count - 1)] = t;
    }
  }
  free(topics->buckets);
  topics->buckets = buckets;
  topics->mask = count - 1;
}

static neap_topic *find_or_add(neap_topics *topics, const char *name,
                               size_t len) {
  uint64_t hash = hash_of(name, len);
  neap_topic *topic = *find(topics, hash, name, len);
  if (topic)
    return topic;
  if (topics->count > topics->mask)
    grow(topics);
  topic = malloc(sizeof *topic + len);
  if (topic == NULL)
    return NULL;
  neap_topic **bucket = &topics->buckets[hash & topics->mask];
  *topic = (neap_topic){.next = *bucket, .hash = hash, .len = len};
  memcpy(topic->name, name, len);
  neap_list_init(&topic->subscribers);
  *bucket = topic;
  topics->count++;
  neap_census_add(topics->census, NEAP_CLASS_TOPIC, sizeof *topic + len);
  return topic;
}

static void remove_if_empty(neap_topics *topics, neap_topic *topic) {
  if (!neap_list_is_empty(&topic->subscribers))
    return;
  neap_topic **place = find(topics, topic->hash, topic->name, topic->len);
  *place = topic->next;
  topics->count--;
  neap_census_remove(topics->census, NEAP_CLASS_TOPIC,
                     sizeof *topic + topic->len);
  free(topic);
}

/* Most connections hold few topics and most topics few connections: walk the
 * two lists side by side, so the shorter one bounds the search. */
static neap_subscription *find_subscription(neap_conn *conn,
                                            neap_topic *topic) {
  neap_link *a = conn->subscriptions.next;
  neap_link *b = topic->subscribers.next;
  while (a != &conn->subscriptions && b != &topic->subscribers) {
    neap_subscription *mine = NEAP_CONTAINER(a, neap_subscription, of_conn);
    neap_subscription *its = NEAP_CONTAINER(b, neap_subscription, of_topic);
    if (mine->topic == topic)
      return mine;
    if (its->conn == conn)
      return its;
    a = a->next;
    b = b->next;
  }
  return NULL;
}

int neap_topic_subscribe(neap_conn *conn, const char *name, size_t len) {
  neap_topics *topics = conn->loop->topics;
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  neap_topic *topic = find_or_add(topics, name, len);
  if (topic == NULL)
    return NEAP_ENOMEM;
  if (find_subscription(conn, topic))
    return 0;
  neap_subscription *subscription = calloc(1, sizeof *subscription);
  if (subscription == NULL) {
    remove_if_empty(topics, topic);
    return NEAP_ENOMEM;
  }
  subscription->topic = topic;
  subscription->conn = conn;
  neap_list_append(&topic->subscribers, &subscription->of_topic);
  neap_list_append(&conn->subscriptions, &subscription->of_conn);
  neap_census_add(topics->census, NEAP_CLASS_SUBSCRIPTION,
                  sizeof *subscription);
  return 1;
}

static void leave(neap_topics *topics, neap_subscription *subscription) {
  neap_topic *topic = subscription->topic;
  neap_link_remove(&subscription->of_topic);
  neap_link_remove(&subscription->of_conn);
  neap_census_remove(topics->census, NEAP_CLASS_SUBSCRIPTION,
                     sizeof *subscription);
  free(subscription);
  remove_if_empty(topics, topic);
}

bool neap_topic_unsubscribe(neap_conn *conn, const char *name, size_t len) {
  neap_topics *topics = conn->loop->topics;
  neap_topic *topic = *find(topics, hash_of(name, len), name, len);
  neap_subscription *subscription =
    topic ? find_subscription(conn, topic) : NULL;
  if (subscription)
    leave(topics, subscription);
  return subscription != NULL;
}

void neap_topics_leave_all(neap_conn *conn) {
  while (!neap_list_is_empty(&conn->subscriptions))
    leave(conn->loop->topics,
          NEAP_CONTAINER(conn->subscriptions.next, neap_subscription, of_conn));
}

void neap_topics_each(const neap_conn *conn, neap_topic_fn *fn, void *arg) {
  const neap_link *list = &conn->subscriptions;
  for (const neap_link *l = list->next; l != list; l = l->next) {
    const neap_topic *topic =
      NEAP_CONTAINER(l, neap_subscription, of_conn)->topic;
    fn(topic->name, topic->len, arg);
  }
}

/* A slow subscriber may be closed here, and then leaves the list that is
 * walked; a send runs no script, so none but the current one can. */
static int publish_frame(neap_topic *topic, neap_frame_buffer *frame,
                         const neap_conn *except) {
  int reached = 0;
  neap_link *list = &topic->subscribers;
  for (neap_link *l = list->next, *next; l != list; l = next) {
    next = l->next;
    neap_conn *conn = NEAP_CONTAINER(l, neap_subscription, of_topic)->conn;
    if (conn != except && neap_conn_send_frame(conn, frame) >= 0)
      reached++;
  }
  return reached;
}

int neap_topic_publish(neap_topics *topics, const char *name, size_t len,
                       enum neap_opcode opcode, const void *data, size_t size,
                       const neap_conn *except) {
  neap_topic *topic = *find(topics, hash_of(name, len), name, len);
  if (topic == NULL)
    return 0;
  neap_frame_buffer *frame =
    neap_frame_buffer_new(topics->frames, opcode, data, size);
  if (frame == NULL)
    return NEAP_ENOMEM;
  int reached = publish_frame(topic, frame, except);
  neap_frame_buffer_release(frame);
  return reached;
}
