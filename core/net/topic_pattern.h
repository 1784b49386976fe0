/* net/topic_pattern.h - subscriptions to topics by their form: a/+/c and a/#.
 *
 * + stands for one level, # for all that follow, none included. A trie by
 * levels: finding the patterns of a topic costs what its levels and the patterns
 * along them cost, however many topics there are. */

#ifndef NEAP_NET_TOPIC_PATTERN_H
#define NEAP_NET_TOPIC_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "net/topic_internal.h"

enum { NEAP_PATTERN_LEVELS = 64 };

typedef struct neap_pattern neap_pattern;

typedef struct neap_patterns {
  neap_pattern *root;
  neap_pattern **buckets; /* of the nodes, by their level and parent */
  size_t mask;
  size_t nodes;
  size_t count;       /* topics */
  neap_topic **found; /* of the last match */
  size_t found_count;
  size_t found_room;
} neap_patterns;

/* NULL, or what is wrong with it, in words. */
const char *neap_pattern_check(const char *name, size_t len);

/* The topic of a pattern that is right, or NULL. */
neap_topic *neap_pattern_find(const neap_patterns *patterns, const char *name,
                              size_t len);
/* Not found before: makes it. NULL: no memory. */
neap_topic *neap_pattern_add(neap_patterns *patterns, const char *name,
                             size_t len);
/* Takes it out; the topic itself is the caller's. */
void neap_pattern_remove(neap_patterns *patterns, neap_topic *topic);

/* Sets found to the topics of all patterns that a name fits; false: no memory
 * for one of them. */
bool neap_pattern_match(neap_patterns *patterns, const char *name, size_t len);

/* Only where no topic is left. */
void neap_patterns_release(neap_patterns *patterns);

#endif
