/* net/latest.h - finds the newest waiting message of a key, in O(1).
 *
 * One table for all queues of a loop: the key of a message is a hash of its
 * name and its queue. Links live in the segments; nothing is owned here. */

#ifndef NEAP_NET_LATEST_H
#define NEAP_NET_LATEST_H

#include <stddef.h>
#include <stdint.h>

struct neap_segment;

typedef struct neap_latest {
  struct neap_segment **buckets;
  size_t mask; /* their number less one; none yet: buckets is NULL */
  size_t count;
} neap_latest;

void neap_latest_release(neap_latest *latest);

struct neap_segment *neap_latest_find(const neap_latest *latest, uint64_t key);

/* Makes segment the newest of its key. Without memory it is not found later,
 * and so never replaced. */
void neap_latest_set(neap_latest *latest, struct neap_segment *segment);

/* Harmless for one that is not the newest. */
void neap_latest_remove(neap_latest *latest, struct neap_segment *segment);

#endif
