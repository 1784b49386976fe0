#include "net/deadline.h"

#include <stddef.h>

static neap_deadline *first_of(const neap_link *list) {
  return NEAP_CONTAINER(list->next, neap_deadline, link);
}

static neap_deadline_list *add_list(neap_deadlines *deadlines,
                                    enum neap_deadline_kind kind,
                                    uint64_t length) {
  neap_deadline_list *list = &deadlines->lists[deadlines->count++];
  list->kind = kind;
  list->length = length;
  neap_list_init(&list->waiting);
  neap_list_init(&list->suspects);
  return list;
}

/* The longest of the shorter ones is; where all are longer, the shortest. */
static bool is_nearer(const neap_deadline_list *list,
                      const neap_deadline_list *nearest, uint64_t length) {
  if (nearest == NULL)
    return true;
  if (list->length > length)
    return list->length < nearest->length;
  return nearest->length > length || list->length > nearest->length;
}

/* A list is kept for ever: the lengths come from a script's few settings. */
static neap_deadline_list *find_list(neap_deadlines *deadlines,
                                     enum neap_deadline_kind kind,
                                     uint64_t length) {
  neap_deadline_list *nearest = NULL;
  int lengths = 0;
  for (int i = 0; i < deadlines->count; i++) {
    neap_deadline_list *list = &deadlines->lists[i];
    if (list->kind != kind)
      continue;
    if (list->length == length)
      return list;
    lengths++;
    if (is_nearer(list, nearest, length))
      nearest = list;
  }
  if (lengths < NEAP_DEADLINE_LENGTHS)
    return add_list(deadlines, kind, length);
  return nearest;
}

void neap_deadline_arm(neap_deadlines *deadlines, neap_deadline *deadline,
                       enum neap_deadline_kind kind, uint64_t length,
                       uint64_t now) {
  neap_deadline_disarm(deadline);
  if (length == 0)
    return;
  neap_deadline_list *list = find_list(deadlines, kind, length);
  deadline->at = now + list->length;
  neap_list_append(&list->waiting, &deadline->link);
}

uint64_t neap_deadlines_next(const neap_deadlines *deadlines) {
  uint64_t next = UINT64_MAX;
  for (int i = 0; i < deadlines->count; i++) {
    const neap_link *waiting = &deadlines->lists[i].waiting;
    if (!neap_list_is_empty(waiting) && first_of(waiting)->at < next)
      next = first_of(waiting)->at;
  }
  return next;
}

bool neap_deadlines_suspect(neap_deadlines *deadlines, uint64_t now) {
  bool any = false;
  for (int i = 0; i < deadlines->count; i++) {
    neap_deadline_list *list = &deadlines->lists[i];
    while (!neap_list_is_empty(&list->waiting) &&
           first_of(&list->waiting)->at <= now) {
      neap_link *link = neap_list_take(&list->waiting);
      neap_list_append(&list->suspects, link);
      any = true;
    }
  }
  return any;
}

static bool is_due_before(const neap_deadline_list *one,
                          const neap_deadline_list *other) {
  uint64_t at = first_of(&one->suspects)->at;
  uint64_t other_at = first_of(&other->suspects)->at;
  if (at != other_at)
    return at < other_at;
  if (one->kind != other->kind)
    return one->kind < other->kind;
  return one->length < other->length;
}

/* The one whose first is due first: which list is older says nothing. */
static neap_deadline_list *next_due(neap_deadlines *deadlines) {
  neap_deadline_list *next = NULL;
  for (int i = 0; i < deadlines->count; i++) {
    neap_deadline_list *list = &deadlines->lists[i];
    if (!neap_list_is_empty(&list->suspects) &&
        (next == NULL || is_due_before(list, next)))
      next = list;
  }
  return next;
}

void neap_deadlines_expire(neap_deadlines *deadlines, neap_deadline_fn *fn) {
  neap_deadline_list *list;
  while ((list = next_due(deadlines)) != NULL) {
    neap_link *link = neap_list_take(&list->suspects);
    fn(NEAP_CONTAINER(link, neap_deadline, link), list->kind);
  }
}
