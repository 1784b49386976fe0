#include "net/topic.h"

#include <stdlib.h>
#include <string.h>

#include "net/conn.h"
#include "net/frame_buffer.h"
#include "net/hash.h"
#include "net/frame_forms.h"
#include "net/topic_pattern.h"
#include "net/topic_table.h"
#include "net/worker.h"
#include "proto/status.h"

struct neap_topics {
  neap_census *census;
  neap_frame_pool *frames;
  neap_topic_table table;
  neap_patterns patterns;
  neap_frame_buffer *last; /* published in this turn, to the topic of */
  uint64_t last_hash;
  neap_worker *worker; /* NULL: the only one */
  bool is_walked;
};

neap_topics *neap_topics_new(neap_census *census, neap_frame_pool *frames) {
  neap_topics *topics = calloc(1, sizeof *topics);
  if (topics == NULL)
    return NULL;
  topics->census = census;
  topics->frames = frames;
  if (neap_topic_table_init(&topics->table)) {
    free(topics);
    return NULL;
  }
  return topics;
}

void neap_topics_end_turn(neap_topics *topics) {
  if (topics->last)
    neap_frame_buffer_release(topics->last, topics->frames);
  topics->last = NULL;
}

void neap_topics_free(neap_topics *topics) {
  neap_topics_end_turn(topics);
  neap_topic_table_release(&topics->table);
  neap_patterns_release(&topics->patterns);
  free(topics);
}

void neap_topics_trim(neap_topics *topics) {
  if (topics->patterns.root == NULL)
    neap_patterns_release(&topics->patterns);
}

/* ---- topics come and go */

void neap_topics_show(neap_topics *topics, neap_worker *worker) {
  topics->worker = worker;
}

/* Others send nothing that nobody here is subscribed to. */
static void show(neap_topics *topics, const neap_topic *topic, bool is_new) {
  if (topics->worker == NULL)
    return;
  neap_presence *presence = &topics->worker->presence;
  if (topic->is_pattern)
    neap_presence_pattern(presence, is_new);
  else
    neap_presence_topic(presence, topic->hash, is_new);
}

neap_topic *neap_topic_make(const char *name, size_t len) {
  if (len > UINT32_MAX)
    return NULL;
  neap_topic *topic = calloc(1, sizeof *topic + len);
  if (topic == NULL)
    return NULL;
  topic->len = (uint32_t)len;
  if (len)
    memcpy(topic->name, name, len);
  return topic;
}

static neap_topic *find(neap_topics *topics, const char *name, size_t len,
                        bool is_pattern) {
  if (is_pattern)
    return neap_pattern_find(&topics->patterns, name, len);
  return neap_topic_table_find(&topics->table, neap_hash(name, len), name, len);
}

static neap_topic *add(neap_topics *topics, const char *name, size_t len,
                       bool is_pattern) {
  neap_topic *topic = is_pattern
                        ? neap_pattern_add(&topics->patterns, name, len)
                        : neap_topic_make(name, len);
  if (topic == NULL)
    return NULL;
  if (!is_pattern) {
    topic->hash = neap_hash(name, len);
    neap_topic_table_add(&topics->table, topic);
  }
  show(topics, topic, true);
  neap_census_add(topics->census, NEAP_CLASS_TOPIC, sizeof *topic + len);
  return topic;
}

static void remove_if_empty(neap_topics *topics, neap_topic *topic) {
  if (topic->subscribers.count > 0)
    return;
  show(topics, topic, false);
  if (topic->is_pattern)
    neap_pattern_remove(&topics->patterns, topic);
  else
    neap_topic_table_remove(&topics->table, topic);
  neap_census_remove(topics->census, NEAP_CLASS_TOPIC,
                     sizeof *topic + topic->len);
  free(topic);
}

/* ---- subscriptions */

int neap_topic_subscribe(neap_conn *conn, const char *name, size_t len,
                         bool is_pattern, enum neap_overflow overflow) {
  neap_topics *topics = conn->loop->topics;
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  neap_topic *topic = find(topics, name, len, is_pattern);
  neap_subscription *known = topic ? neap_subscription_find(conn, topic) : NULL;
  if (known) {
    neap_subscribers_at(&topic->subscribers, known->place)->overflow =
      (uint8_t)overflow;
    return 0;
  }
  if (topic == NULL)
    topic = add(topics, name, len, is_pattern);
  if (topic == NULL)
    return NEAP_ENOMEM;
  if (neap_subscription_add(conn, topic, (uint8_t)overflow)) {
    remove_if_empty(topics, topic);
    return NEAP_ENOMEM;
  }
  neap_census_add(topics->census, NEAP_CLASS_SUBSCRIPTION,
                  NEAP_SUBSCRIPTION_COST);
  return 1;
}

static void left(neap_topics *topics, neap_topic *topic) {
  neap_census_remove(topics->census, NEAP_CLASS_SUBSCRIPTION,
                     NEAP_SUBSCRIPTION_COST);
  remove_if_empty(topics, topic);
}

bool neap_topic_unsubscribe(neap_conn *conn, const char *name, size_t len,
                            bool is_pattern) {
  neap_topics *topics = conn->loop->topics;
  neap_topic *topic = find(topics, name, len, is_pattern);
  neap_subscription *known = topic ? neap_subscription_find(conn, topic) : NULL;
  if (known == NULL)
    return false;
  neap_subscription_remove(conn, known);
  left(topics, topic);
  return true;
}

void neap_topics_leave_all(neap_conn *conn) {
  neap_topic *topic;
  while ((topic = neap_subscription_take(conn)) != NULL)
    left(conn->loop->topics, topic);
}

void neap_topics_each(const neap_conn *conn, neap_topic_fn *fn, void *arg) {
  const neap_subscriptions *set = conn->subscriptions;
  for (uint32_t i = 0; set && i <= set->mask; i++) {
    const neap_topic *topic = set->slots[i].topic;
    if (topic)
      fn(topic->name, topic->len, topic->is_pattern, arg);
  }
}

/* ---- publishing */

bool neap_topics_are_walked(const neap_topics *topics) {
  return topics->is_walked;
}

/* Has conn been reached through one of the first count patterns, or the topic
 * by its name? Each gets a message once. */
static bool is_reached(const neap_topics *topics, const neap_conn *conn,
                       const neap_topic *named, size_t count) {
  if (named && neap_subscription_find(conn, named))
    return true;
  for (size_t i = 0; i < count; i++)
    if (neap_subscription_find(conn, topics->patterns.found[i]))
      return true;
  return false;
}

/* A send calls nobody, and a connection that is lost ends with the turn: so
 * nothing moves on the way. */
static int walk(neap_topics *topics, neap_topic *topic,
                const neap_publication *to, neap_frame_forms *forms,
                const neap_topic *named, size_t before) {
  neap_subscribers *list = &topic->subscribers;
  const neap_subscriber *at = neap_subscribers_at(list, 0);
  const neap_subscriber *end = at + list->count;
  int reached = 0;
  for (; at < end; at++) {
    if (at->conn == to->except ||
        (topic->is_pattern && is_reached(topics, at->conn, named, before)))
      continue;
    if (neap_frame_forms_send(forms, at->conn, (enum neap_overflow)at->overflow,
                              to->key) >= 0)
      reached++;
  }
  return reached;
}

static int walk_patterns(neap_topics *topics, const neap_publication *to,
                         neap_frame_forms *forms, neap_topic *named) {
  neap_patterns *patterns = &topics->patterns;
  int reached = 0;
  if (!neap_pattern_match(patterns, to->topic, to->topic_len))
    return NEAP_ENOMEM;
  for (size_t i = 0; i < patterns->found_count; i++)
    reached += walk(topics, patterns->found[i], to, forms, named, i);
  return reached;
}

static int publish_here(neap_topics *topics, const neap_publication *to,
                        uint64_t hash, neap_frame_buffer *frame) {
  neap_topic *named =
    neap_topic_table_find(&topics->table, hash, to->topic, to->topic_len);
  neap_frame_forms forms = {.pool = topics->frames, .plain = frame};
  topics->is_walked = true;
  int reached = named ? walk(topics, named, to, &forms, NULL, 0) : 0;
  if (topics->patterns.count) {
    int more = walk_patterns(topics, to, &forms, named);
    reached = more < 0 ? more : reached + more;
  }
  topics->is_walked = false;
  neap_frame_forms_release(&forms);
  return reached;
}

int neap_topic_publish_here(neap_topics *topics, const neap_publication *to,
                            neap_frame_buffer *frame) {
  uint64_t hash = neap_hash(to->topic, to->topic_len);
  return publish_here(topics, to, hash, frame);
}

int neap_topic_publish(neap_topics *topics, const neap_publication *to,
                       enum neap_opcode opcode, const void *data, size_t len) {
  uint64_t hash = neap_hash(to->topic, to->topic_len);
  neap_publication keyed = *to;
  neap_frame_buffer *earlier = topics->last_hash == hash ? topics->last : NULL;
  neap_frame_buffer *frame =
    neap_frame_buffer_follow(topics->frames, earlier, opcode, data, len);
  if (frame == NULL)
    return NEAP_ENOMEM;
  if (keyed.key == 0)
    keyed.key = hash;
  if (topics->worker)
    neap_worker_publish(topics->worker, &keyed, hash, frame);
  int reached = publish_here(topics, &keyed, hash, frame);
  neap_topics_end_turn(topics);
  topics->last = frame;
  topics->last_hash = hash;
  return reached;
}
