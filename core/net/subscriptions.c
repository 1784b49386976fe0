#include "net/subscriptions.h"

#include <stdlib.h>

#include "net/conn.h"
#include "net/hash.h"
#include "net/topic_internal.h"
#include "proto/status.h"

enum { SLOTS_MIN = 4, PLACES_MIN = 4 };

/* ---- the set of a connection: open addressing, linear probing */

static uint32_t home_of(const neap_subscriptions *set,
                        const neap_topic *topic) {
  return (uint32_t)neap_hash_mix((uint64_t)(uintptr_t)topic) & set->mask;
}

static neap_subscription *find_slot(neap_subscriptions *set,
                                    const neap_topic *topic) {
  uint32_t at = home_of(set, topic);
  while (set->slots[at].topic && set->slots[at].topic != topic)
    at = (at + 1) & set->mask;
  return &set->slots[at];
}

neap_subscription *neap_subscription_find(const neap_conn *conn,
                                          const neap_topic *topic) {
  if (conn->subscriptions == NULL)
    return NULL;
  neap_subscription *slot = find_slot(conn->subscriptions, topic);
  return slot->topic ? slot : NULL;
}

/* Its twin learns where the entry stands now. */
static void tell_twin(neap_subscriptions *set, neap_subscription *slot) {
  neap_subscribers_at(&slot->topic->subscribers, slot->place)->slot =
    (uint32_t)(slot - set->slots);
}

static neap_subscriptions *make_set(uint32_t slots) {
  neap_subscriptions *set =
    calloc(1, sizeof *set + slots * sizeof(neap_subscription));
  if (set)
    set->mask = slots - 1;
  return set;
}

/* A set with room for one more: three quarters are used at most. */
static bool reserve_slot(neap_conn *conn) {
  neap_subscriptions *old = conn->subscriptions;
  if (old && (old->count + 1) * 4 <= (old->mask + 1) * 3)
    return true;
  neap_subscriptions *set = make_set(old ? (old->mask + 1) * 2 : SLOTS_MIN);
  if (set == NULL)
    return false;
  for (uint32_t i = 0; old && i <= old->mask; i++) {
    if (old->slots[i].topic == NULL)
      continue;
    neap_subscription *slot = find_slot(set, old->slots[i].topic);
    *slot = old->slots[i];
    tell_twin(set, slot);
  }
  set->count = old ? old->count : 0;
  conn->subscriptions = set;
  free(old);
  return true;
}

/* Frees a slot; those behind it that would not be found any more move up. */
static void free_slot(neap_subscriptions *set, uint32_t hole) {
  uint32_t at = hole;
  set->count--;
  for (;;) {
    at = (at + 1) & set->mask;
    if (set->slots[at].topic == NULL)
      break;
    uint32_t home = home_of(set, set->slots[at].topic);
    if (((at - home) & set->mask) < ((at - hole) & set->mask))
      continue;
    set->slots[hole] = set->slots[at];
    tell_twin(set, &set->slots[hole]);
    hole = at;
  }
  set->slots[hole] = (neap_subscription){0};
}

static void free_if_empty(neap_conn *conn) {
  if (conn->subscriptions && conn->subscriptions->count == 0) {
    free(conn->subscriptions);
    conn->subscriptions = NULL;
  }
}

/* ---- the array of a topic */

static bool set_room(neap_subscribers *list, uint32_t room) {
  neap_subscriber *many =
    realloc(list->room ? list->many : NULL, room * sizeof *many);
  if (many == NULL)
    return false;
  if (list->room == 0)
    many[0] = list->one;
  list->many = many;
  list->room = room;
  return true;
}

static bool reserve_place(neap_subscribers *list) {
  if (list->count < (list->room ? list->room : 1))
    return true;
  return set_room(list, list->room ? list->room * 2 : PLACES_MIN);
}

/* The last one takes the place, and its twin is told. */
static void free_place(neap_subscribers *list, uint32_t place) {
  neap_subscriber *last = neap_subscribers_at(list, --list->count);
  neap_subscriber *hole = neap_subscribers_at(list, place);
  if (hole != last) {
    *hole = *last;
    hole->conn->subscriptions->slots[hole->slot].place = place;
  }
  if (list->count == 0 && list->room) {
    free(list->many);
    list->room = 0;
  } else if (list->room > PLACES_MIN && list->count <= list->room / 4) {
    set_room(list, list->room / 2);
  }
}

/* ---- both together */

int neap_subscription_add(neap_conn *conn, neap_topic *topic,
                          uint8_t overflow) {
  neap_subscribers *list = &topic->subscribers;
  if (!reserve_place(list) || !reserve_slot(conn)) {
    free_if_empty(conn);
    return NEAP_ENOMEM;
  }
  neap_subscriptions *set = conn->subscriptions;
  neap_subscription *slot = find_slot(set, topic);
  uint32_t place = list->count++;
  *slot = (neap_subscription){topic, place};
  *neap_subscribers_at(list, place) =
    (neap_subscriber){conn, (uint32_t)(slot - set->slots), overflow};
  set->count++;
  return NEAP_OK;
}

void neap_subscription_remove(neap_conn *conn,
                              neap_subscription *subscription) {
  neap_subscriptions *set = conn->subscriptions;
  free_place(&subscription->topic->subscribers, subscription->place);
  free_slot(set, (uint32_t)(subscription - set->slots));
  free_if_empty(conn);
}

/* From the end, where no slot has to move up for long. */
neap_topic *neap_subscription_take(neap_conn *conn) {
  neap_subscriptions *set = conn->subscriptions;
  if (set == NULL)
    return NULL;
  while (set->mask > 0 && set->slots[set->mask].topic == NULL)
    set->mask--;
  neap_subscription *last = &set->slots[set->mask];
  neap_topic *topic = last->topic;
  free_place(&topic->subscribers, last->place);
  last->topic = NULL;
  set->count--;
  free_if_empty(conn);
  return topic;
}
