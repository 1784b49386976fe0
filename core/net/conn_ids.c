#include "net/conn_ids.h"

#include <stdbool.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/hash.h"
#include "net/loop.h"

enum { SLOTS_MIN = 64 };

static size_t home_of(const neap_conn_ids *ids, uint64_t id) {
  return (size_t)neap_hash_mix(id) & ids->mask;
}

static size_t slot_of(const neap_conn_ids *ids, uint64_t id) {
  size_t at = home_of(ids, id);
  while (ids->slots[at] && ids->slots[at]->id != id)
    at = (at + 1) & ids->mask;
  return at;
}

static bool set_size(neap_conn_ids *ids, size_t size) {
  neap_conn_ids old = *ids;
  neap_conn **slots = calloc(size, sizeof(neap_conn *));
  if (slots == NULL)
    return false;
  ids->slots = slots;
  ids->mask = size - 1;
  for (size_t i = 0; old.slots && i <= old.mask; i++)
    if (old.slots[i])
      ids->slots[slot_of(ids, old.slots[i]->id)] = old.slots[i];
  free(old.slots);
  return true;
}

void neap_conn_ids_release(neap_conn_ids *ids) {
  free(ids->slots);
  *ids = (neap_conn_ids){0};
}

/* Without memory the table is given up: the next one who asks makes it anew. */
void neap_conn_ids_add(neap_conn_ids *ids, neap_conn *conn) {
  if (ids->slots == NULL)
    return;
  if ((ids->count + 1) * 4 > (ids->mask + 1) * 3 &&
      !set_size(ids, (ids->mask + 1) * 2)) {
    neap_conn_ids_release(ids);
    return;
  }
  ids->slots[slot_of(ids, conn->id)] = conn;
  ids->count++;
}

/* Those behind the hole that would not be found any more move up. */
void neap_conn_ids_remove(neap_conn_ids *ids, neap_conn *conn) {
  if (ids->slots == NULL)
    return;
  size_t hole = slot_of(ids, conn->id);
  if (ids->slots[hole] == NULL)
    return;
  for (size_t at = (hole + 1) & ids->mask; ids->slots[at];
       at = (at + 1) & ids->mask) {
    size_t home = home_of(ids, ids->slots[at]->id);
    if (((at - home) & ids->mask) < ((at - hole) & ids->mask))
      continue;
    ids->slots[hole] = ids->slots[at];
    hole = at;
  }
  ids->slots[hole] = NULL;
  ids->count--;
}

static bool make(neap_loop *loop) {
  neap_conn_ids *ids = &loop->conn_ids;
  neap_link *list = &loop->census.tally[NEAP_CLASS_STREAM].living;
  if (!set_size(ids, SLOTS_MIN))
    return false;
  for (neap_link *l = list->next; l != list && ids->slots; l = l->next)
    neap_conn_ids_add(ids, NEAP_CONTAINER(l, neap_conn, born.link));
  return ids->slots != NULL;
}

neap_conn *neap_conn_find(neap_loop *loop, uint64_t id) {
  if (loop->conn_ids.slots == NULL && !make(loop))
    return NULL;
  return loop->conn_ids.slots[slot_of(&loop->conn_ids, id)];
}
