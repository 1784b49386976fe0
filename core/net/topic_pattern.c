#include "net/topic_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "net/hash.h"

enum { BUCKETS_MIN = 64, FOUND_MIN = 16 };

/* One level of some patterns, below its parent. */
struct neap_pattern {
  neap_pattern *next; /* in its bucket */
  neap_pattern *parent;
  neap_pattern *plus; /* the level below that is + */
  neap_topic *exact;  /* of the pattern that ends here */
  neap_topic *rest;   /* of the one that ends here with # */
  uint64_t hash;
  uint32_t children; /* plus included */
  uint32_t len;
  char name[];
};

typedef struct span {
  const char *at; /* NULL: there is none */
  size_t len;
} span;

/* Takes the first level off a name; what is left has none once it is over. */
static span take_level(span *name) {
  const char *slash = memchr(name->at, '/', name->len);
  span level = {name->at, slash ? (size_t)(slash - name->at) : name->len};
  *name = slash ? (span){slash + 1, name->len - level.len - 1} : (span){0};
  return level;
}

static bool is_sign(span level, char sign) {
  return level.len == 1 && level.at[0] == sign;
}

static bool has_sign(span level) {
  return memchr(level.at, '+', level.len) || memchr(level.at, '#', level.len);
}

const char *neap_pattern_check(const char *name, size_t len) {
  span left = {name, len};
  int levels = 0;
  while (left.at) {
    span level = take_level(&left);
    if (++levels > NEAP_PATTERN_LEVELS)
      return "a pattern has at most 64 levels";
    if (is_sign(level, '#') && left.at)
      return "in a pattern # is the last level: write a/#";
    if (level.len > 1 && has_sign(level))
      return "in a pattern + and # are levels by themselves: write a/+/c or a/#";
  }
  return NULL;
}

/* ---- nodes */

static uint64_t hash_below(const neap_pattern *parent, span level) {
  return neap_hash(level.at, level.len) ^
         neap_hash_mix((uint64_t)(uintptr_t)parent);
}

static neap_pattern *child_of(const neap_patterns *patterns,
                              const neap_pattern *parent, span level) {
  if (patterns->buckets == NULL)
    return NULL;
  uint64_t hash = hash_below(parent, level);
  neap_pattern *node = patterns->buckets[hash & patterns->mask];
  while (node &&
         (node->hash != hash || node->parent != parent ||
          node->len != level.len || memcmp(node->name, level.at, level.len)))
    node = node->next;
  return node;
}

static void grow(neap_patterns *patterns) {
  size_t count = patterns->buckets ? (patterns->mask + 1) * 2 : BUCKETS_MIN;
  neap_pattern **buckets = calloc(count, sizeof(neap_pattern *));
  if (buckets == NULL)
    return;
  for (size_t i = 0; patterns->buckets && i <= patterns->mask; i++) {
    for (neap_pattern *n = patterns->buckets[i], *next; n; n = next) {
      next = n->next;
      n->next = buckets[n->hash & (count - 1)];
      buckets[n->hash & (count - 1)] = n;
    }
  }
  free(patterns->buckets);
  patterns->buckets = buckets;
  patterns->mask = count - 1;
}

static neap_pattern *make_node(neap_pattern *parent, span level) {
  neap_pattern *node = calloc(1, sizeof *node + level.len);
  if (node == NULL)
    return NULL;
  node->parent = parent;
  node->len = (uint32_t)level.len;
  if (level.len)
    memcpy(node->name, level.at, level.len);
  if (parent)
    parent->children++;
  return node;
}

static neap_pattern *add_child(neap_patterns *patterns, neap_pattern *parent,
                               span level) {
  if (patterns->buckets == NULL || patterns->nodes > patterns->mask)
    grow(patterns);
  neap_pattern *node = patterns->buckets ? make_node(parent, level) : NULL;
  if (node == NULL)
    return NULL;
  node->hash = hash_below(parent, level);
  node->next = patterns->buckets[node->hash & patterns->mask];
  patterns->buckets[node->hash & patterns->mask] = node;
  patterns->nodes++;
  return node;
}

static void remove_node(neap_patterns *patterns, neap_pattern *node) {
  neap_pattern *parent = node->parent;
  if (parent == NULL) {
    patterns->root = NULL;
  } else if (parent->plus == node) {
    parent->plus = NULL;
  } else {
    neap_pattern **link = &patterns->buckets[node->hash & patterns->mask];
    while (*link != node)
      link = &(*link)->next;
    *link = node->next;
    patterns->nodes--;
  }
  if (parent)
    parent->children--;
  free(node);
}

/* Frees a node that leads nowhere, and those above it for which that was all. */
static void prune(neap_patterns *patterns, neap_pattern *node) {
  while (node && node->children == 0 && !node->exact && !node->rest) {
    neap_pattern *parent = node->parent;
    remove_node(patterns, node);
    node = parent;
  }
}

/* ---- patterns */

static neap_pattern *step(const neap_patterns *patterns, neap_pattern *node,
                          span level) {
  return is_sign(level, '+') ? node->plus : child_of(patterns, node, level);
}

static neap_pattern *step_or_add(neap_patterns *patterns, neap_pattern *node,
                                 span level) {
  neap_pattern *next = step(patterns, node, level);
  if (next)
    return next;
  if (!is_sign(level, '+'))
    return add_child(patterns, node, level);
  return node->plus = make_node(node, level);
}

neap_topic *neap_pattern_find(const neap_patterns *patterns, const char *name,
                              size_t len) {
  span left = {name, len};
  neap_pattern *node = patterns->root;
  while (node && left.at) {
    span level = take_level(&left);
    if (is_sign(level, '#'))
      return node->rest;
    node = step(patterns, node, level);
  }
  return node ? node->exact : NULL;
}

static neap_topic *put(neap_patterns *patterns, neap_pattern *node,
                       neap_topic **place, const char *name, size_t len) {
  neap_topic *topic = neap_topic_make(name, len);
  if (topic == NULL) {
    prune(patterns, node);
    return NULL;
  }
  topic->is_pattern = true;
  topic->pattern = node;
  patterns->count++;
  return *place = topic;
}

neap_topic *neap_pattern_add(neap_patterns *patterns, const char *name,
                             size_t len) {
  span left = {name, len};
  if (patterns->root == NULL)
    patterns->root = make_node(NULL, (span){0});
  neap_pattern *node = patterns->root;
  while (node && left.at) {
    span level = take_level(&left);
    if (is_sign(level, '#'))
      return put(patterns, node, &node->rest, name, len);
    neap_pattern *next = step_or_add(patterns, node, level);
    if (next == NULL)
      prune(patterns, node);
    node = next;
  }
  return node ? put(patterns, node, &node->exact, name, len) : NULL;
}

void neap_pattern_remove(neap_patterns *patterns, neap_topic *topic) {
  neap_pattern *node = topic->pattern;
  if (node->exact == topic)
    node->exact = NULL;
  else
    node->rest = NULL;
  patterns->count--;
  prune(patterns, node);
}

/* ---- matching */

static bool reserve(neap_patterns *patterns) {
  if (patterns->found_count < patterns->found_room)
    return true;
  size_t room = patterns->found_room ? patterns->found_room * 2 : FOUND_MIN;
  neap_topic **found = realloc(patterns->found, room * sizeof *found);
  if (found == NULL)
    return false;
  patterns->found = found;
  patterns->found_room = room;
  return true;
}

static bool add_found(neap_patterns *patterns, neap_topic *topic) {
  if (topic == NULL)
    return true;
  if (!reserve(patterns))
    return false;
  patterns->found[patterns->found_count++] = topic;
  return true;
}

/* As deep as the trie is, and no deeper. */
static bool match(neap_patterns *patterns, const neap_pattern *node,
                  span left) {
  if (!add_found(patterns, node->rest))
    return false;
  if (left.at == NULL)
    return add_found(patterns, node->exact);
  if (node->children == 0)
    return true;
  span level = take_level(&left);
  const neap_pattern *next = child_of(patterns, node, level);
  return (next == NULL || match(patterns, next, left)) &&
         (node->plus == NULL || match(patterns, node->plus, left));
}

bool neap_pattern_match(neap_patterns *patterns, const char *name, size_t len) {
  patterns->found_count = 0;
  return patterns->root == NULL ||
         match(patterns, patterns->root, (span){name, len});
}

void neap_patterns_release(neap_patterns *patterns) {
  free(patterns->buckets);
  free(patterns->found);
  *patterns = (neap_patterns){0};
}
