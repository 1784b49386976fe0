#include "net/topic_table.h"

#include <stdlib.h>
#include <string.h>

#include "proto/status.h"

enum { BUCKETS_MIN = 64 };

int neap_topic_table_init(neap_topic_table *table) {
  *table = (neap_topic_table){.room = BUCKETS_MIN, .mask = BUCKETS_MIN - 1};
  table->buckets = calloc(BUCKETS_MIN, sizeof(neap_topic *));
  return table->buckets ? NEAP_OK : NEAP_ENOMEM;
}

void neap_topic_table_release(neap_topic_table *table) {
  free(table->buckets);
}

static size_t bucket_of(const neap_topic_table *table, uint64_t hash) {
  size_t bucket = hash & table->mask;
  return bucket < table->split ? hash & (table->mask * 2 + 1) : bucket;
}

neap_topic *neap_topic_table_find(const neap_topic_table *table, uint64_t hash,
                                  const char *name, size_t len) {
  neap_topic *topic = table->buckets[bucket_of(table, hash)];
  while (topic && (topic->hash != hash || topic->len != len ||
                   memcmp(topic->name, name, len)))
    topic = topic->next;
  return topic;
}

/* Memory for that many buckets; without it the chains grow longer. */
static bool set_room(neap_topic_table *table, size_t room) {
  neap_topic **buckets = realloc(table->buckets, room * sizeof(neap_topic *));
  if (buckets == NULL)
    return false;
  table->buckets = buckets;
  table->room = room;
  return true;
}

static void split_one(neap_topic_table *table) {
  size_t count = table->mask + 1 + table->split;
  if (count == table->room && !set_room(table, table->room * 2))
    return;
  neap_topic **from = &table->buckets[table->split];
  neap_topic **to = &table->buckets[count];
  *to = NULL;
  while (*from) {
    neap_topic *topic = *from;
    if ((topic->hash & (table->mask + 1)) == 0) {
      from = &topic->next;
      continue;
    }
    *from = topic->next;
    topic->next = *to;
    *to = topic;
  }
  if (++table->split > table->mask) {
    table->mask = table->mask * 2 + 1;
    table->split = 0;
  }
}

/* The last bucket goes back into the one that it was split from. */
static void join_one(neap_topic_table *table) {
  if (table->split == 0) {
    table->mask /= 2;
    table->split = table->mask + 1;
  }
  table->split--;
  size_t count = table->mask + 1 + table->split;
  neap_topic **end = &table->buckets[table->split];
  while (*end)
    end = &(*end)->next;
  *end = table->buckets[count];
  if (table->room > BUCKETS_MIN && count <= table->room / 4)
    set_room(table, table->room / 2);
}

void neap_topic_table_add(neap_topic_table *table, neap_topic *topic) {
  neap_topic **bucket = &table->buckets[bucket_of(table, topic->hash)];
  topic->next = *bucket;
  *bucket = topic;
  if (++table->count > table->mask + 1 + table->split)
    split_one(table);
}

void neap_topic_table_remove(neap_topic_table *table, neap_topic *topic) {
  neap_topic **link = &table->buckets[bucket_of(table, topic->hash)];
  while (*link != topic)
    link = &(*link)->next;
  *link = topic->next;
  table->count--;
  size_t buckets = table->mask + 1 + table->split;
  if (buckets > BUCKETS_MIN && table->count < buckets / 2)
    join_one(table);
}
