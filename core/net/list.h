/* net/list.h - a doubly linked list whose links live inside its members.
 *
 * A zeroed link is not in a list; a list head is a link that names itself. */

#ifndef NEAP_NET_LIST_H
#define NEAP_NET_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct neap_link {
  struct neap_link *prev;
  struct neap_link *next;
} neap_link;

#define NEAP_CONTAINER(link, type, member) \
  ((type *)(void *)(((char *)(link)) - offsetof(type, member)))

static inline void neap_list_init(neap_link *list) {
  list->prev = list->next = list;
}

static inline bool neap_list_is_empty(const neap_link *list) {
  return list->next == list;
}

static inline bool neap_link_is_linked(const neap_link *link) {
  return link->next != NULL;
}

static inline void neap_list_append(neap_link *list, neap_link *link) {
  link->prev = list->prev;
  link->next = list;
  list->prev->next = link;
  list->prev = link;
}

/* Harmless for a link that is in no list. */
static inline void neap_link_remove(neap_link *link) {
  if (link->next == NULL)
    return;
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->prev = link->next = NULL;
}

/* The first link, taken out; NULL of an empty list. */
static inline neap_link *neap_list_take(neap_link *list) {
  if (neap_list_is_empty(list))
    return NULL;
  neap_link *first = list->next;
  neap_link_remove(first);
  return first;
}

/* Moves all members of from to the end of to. */
static inline void neap_list_splice(neap_link *to, neap_link *from) {
  if (neap_list_is_empty(from))
    return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  neap_list_init(from);
}

#endif
