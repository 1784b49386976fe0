#include "net/admission.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/hash.h"

enum { ROOM_MIN = 64 };

/* ---- all together */

static atomic_size_t admitted;

bool neap_admission_enter(size_t limit) {
  if (atomic_fetch_add_explicit(&admitted, 1, memory_order_relaxed) < limit)
    return true;
  neap_admission_leave();
  return false;
}

void neap_admission_leave(void) {
  atomic_fetch_sub_explicit(&admitted, 1, memory_order_relaxed);
}

uint64_t neap_raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit))
    return 0;
  rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) ? soft : limit.rlim_max;
}

/* A bucket with room for one second. */
bool neap_pace_take(neap_pace *pace, uint32_t per_second, uint64_t now) {
  double room = per_second;
  if (per_second == 0)
    return true;
  pace->left += room * (double)(now - pace->at) / 1e3;
  if (pace->at == 0 || pace->left > room)
    pace->left = room;
  pace->at = now;
  if (pace->left < 1)
    return false;
  pace->left -= 1;
  return true;
}

/* ---- by address: open addressing, no more than three quarters full */

struct entry {
  uint64_t key;
  uint32_t count; /* 0: free */
  uint8_t family;
};

static struct {
  pthread_mutex_t lock;
  struct entry *entries; /* NULL while nobody is in */
  size_t room;
  size_t used;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_numbered(const neap_address *address) {
  return address->family == AF_INET || address->family == AF_INET6;
}

static struct entry to_entry(const neap_address *address) {
  struct entry entry = {.family = address->family};
  memcpy(&entry.key, address->bytes, address->family == AF_INET ? 4 : 8);
  return entry;
}

static size_t home_of(const struct entry *entry) {
  return neap_hash(&entry->key, sizeof entry->key) & (table.room - 1);
}

static size_t next_of(size_t at) {
  return (at + 1) & (table.room - 1);
}

/* Where it stands, or would. */
static size_t find(const struct entry *wanted) {
  size_t at = home_of(wanted);
  while (table.entries[at].count &&
         (table.entries[at].key != wanted->key ||
          table.entries[at].family != wanted->family))
    at = next_of(at);
  return at;
}

static bool grow(void) {
  size_t room = table.room, more = room ? 2 * room : ROOM_MIN;
  struct entry *old = table.entries;
  if (4 * (table.used + 1) <= 3 * room)
    return true;
  struct entry *entries = calloc(more, sizeof *entries);
  if (entries == NULL)
    return false;
  table.entries = entries;
  table.room = more;
  for (size_t i = 0; i < room; i++)
    if (old[i].count)
      entries[find(&old[i])] = old[i];
  free(old);
  return true;
}

/* Those behind a gap move up, so that finding may stop at one. */
static void close_gap(size_t gap) {
  for (size_t at = next_of(gap); table.entries[at].count; at = next_of(at)) {
    size_t home = home_of(&table.entries[at]);
    if (((at - home) & (table.room - 1)) < ((at - gap) & (table.room - 1)))
      continue;
    table.entries[gap] = table.entries[at];
    table.entries[at].count = 0;
    gap = at;
  }
}

static void forget(size_t at) {
  table.entries[at].count = 0;
  close_gap(at);
  if (--table.used > 0)
    return;
  free(table.entries);
  table.entries = NULL;
  table.room = 0;
}

static bool add_one(const struct entry *entry, uint32_t most) {
  if (!grow())
    return false;
  size_t at = find(entry);
  if (table.entries[at].count == 0) {
    table.entries[at] = *entry;
    table.used++;
  }
  if (table.entries[at].count >= most)
    return false;
  table.entries[at].count++;
  return true;
}

bool neap_admission_enter_from(const neap_address *address, uint32_t most) {
  if (!is_numbered(address))
    return true;
  struct entry entry = to_entry(address);
  pthread_mutex_lock(&table.lock);
  bool is_in = add_one(&entry, most);
  pthread_mutex_unlock(&table.lock);
  return is_in;
}

void neap_admission_leave_from(const neap_address *address) {
  if (!is_numbered(address))
    return;
  struct entry entry = to_entry(address);
  pthread_mutex_lock(&table.lock);
  size_t at = find(&entry);
  if (--table.entries[at].count == 0)
    forget(at);
  pthread_mutex_unlock(&table.lock);
}
