/* net/topic_table.h - finds a topic by its name among a million.
 *
 * Linear hashing: each topic that comes may split one bucket, each that goes may
 * join two, so that no one of them pays for all (a table that doubles at once
 * would stop the loop for a tenth of a second). */

#ifndef NEAP_NET_TOPIC_TABLE_H
#define NEAP_NET_TOPIC_TABLE_H

#include "net/topic_internal.h"

typedef struct neap_topic_table {
  neap_topic **buckets;
  size_t room;  /* buckets that there is memory for */
  size_t mask;  /* of the buckets that are not split in this round */
  size_t split; /* the next one to be split */
  size_t count; /* topics */
} neap_topic_table;

/* NEAP_OK or NEAP_ENOMEM. */
int neap_topic_table_init(neap_topic_table *table);
void neap_topic_table_release(neap_topic_table *table);

neap_topic *neap_topic_table_find(const neap_topic_table *table, uint64_t hash,
                                  const char *name, size_t len);
void neap_topic_table_add(neap_topic_table *table, neap_topic *topic);
void neap_topic_table_remove(neap_topic_table *table, neap_topic *topic);

#endif
