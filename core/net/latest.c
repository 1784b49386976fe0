#include "net/latest.h"

#include <stdlib.h>

#include "net/queue.h"

enum { BUCKETS_MIN = 64 };

void neap_latest_release(neap_latest *latest) {
  free(latest->buckets);
  *latest = (neap_latest){0};
}

static neap_segment **place_of(const neap_latest *latest, uint64_t key) {
  neap_segment **place = &latest->buckets[key & latest->mask];
  while (*place && (*place)->key != key)
    place = &(*place)->same;
  return place;
}

neap_segment *neap_latest_find(const neap_latest *latest, uint64_t key) {
  return latest->count ? *place_of(latest, key) : NULL;
}

static void move_all(neap_latest *latest, neap_segment **buckets, size_t mask) {
  for (size_t i = 0; latest->buckets && i <= latest->mask; i++) {
    for (neap_segment *s = latest->buckets[i], *next; s; s = next) {
      next = s->same;
      s->same = buckets[s->key & mask];
      buckets[s->key & mask] = s;
    }
  }
  free(latest->buckets);
  latest->buckets = buckets;
  latest->mask = mask;
}

static void grow(neap_latest *latest) {
  size_t count = latest->buckets ? (latest->mask + 1) * 2 : BUCKETS_MIN;
  neap_segment **buckets = calloc(count, sizeof(neap_segment *));
  if (buckets)
    move_all(latest, buckets, count - 1);
}

void neap_latest_set(neap_latest *latest, neap_segment *segment) {
  if (latest->buckets == NULL || latest->count > latest->mask)
    grow(latest);
  if (latest->buckets == NULL)
    return;
  neap_segment **place = place_of(latest, segment->key);
  if (*place) {
    (*place)->is_newest = false;
    segment->same = (*place)->same;
  } else {
    segment->same = NULL;
    latest->count++;
  }
  *place = segment;
  segment->is_newest = true;
}

void neap_latest_remove(neap_latest *latest, neap_segment *segment) {
  if (!segment->is_newest)
    return;
  *place_of(latest, segment->key) = segment->same;
  segment->is_newest = false;
  latest->count--;
}
