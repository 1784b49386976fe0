/* net/topic_internal.h - a topic, for the files that keep and find them. */

#ifndef NEAP_NET_TOPIC_INTERNAL_H
#define NEAP_NET_TOPIC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/subscriptions.h"

struct neap_pattern;

typedef struct neap_topic {
  union {
    struct neap_topic *next;      /* in its bucket */
    struct neap_pattern *pattern; /* where it stands among the patterns */
  };
  uint64_t hash;
  neap_subscribers subscribers;
  uint32_t len;
  bool is_pattern;
  char name[];
} neap_topic;

/* With its name, and nothing else; NULL: no memory. */
neap_topic *neap_topic_make(const char *name, size_t len);

#endif
