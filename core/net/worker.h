/* net/worker.h - the loops of one process, a thread each, and what they share.
 *
 * Workers share nothing that changes, but for one mailbox each, counters, and a
 * copy of their census made at the end of each turn. What a turn posts to
 * another worker is handed over at its end, with one wake-up. */

#ifndef NEAP_NET_WORKER_H
#define NEAP_NET_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/census.h"
#include "net/mailbox.h"

struct neap_loop;
struct neap_publication;

enum { NEAP_WORKERS_MAX = 256, NEAP_PRESENCE_SIZE = 4096 };

/* Whether a worker may have subscribers of a topic: read by others before they
 * send it anything. Topics count under a part of their hash. */
typedef struct neap_presence {
  atomic_uint topics[NEAP_PRESENCE_SIZE];
  atomic_uint patterns;
} neap_presence;

/* Figures of one loop, or the sum of several. at: of the oldest, 0: none. */
typedef struct neap_count {
  uint64_t opened, closed, peak, bytes, at;
} neap_count;

typedef struct neap_counts {
  neap_count classes[NEAP_CLASS_COUNT];
  uint64_t dropped, abandoned, shed, refused;
} neap_counts;

typedef struct neap_worker {
  uint32_t index; /* from 1 */
  struct neap_group *group;
  struct neap_loop *loop; /* its thread's own; NULL: not there, or gone */
  uv_async_t async;
  neap_mailbox box;
  neap_mails *out; /* this turn's, by worker less one */
  neap_presence presence;
  neap_counts counts; /* under box.lock: of its last turn that changed any */
  uint64_t counted;   /* how much had changed by then */
} neap_worker;

typedef struct neap_group {
  uint32_t count;
  atomic_bool is_over; /* who is not ready yet need not be */
  neap_worker workers[];
} neap_group;

/* NULL: no memory. Freed when no thread but the caller's knows it any more. */
neap_group *neap_group_new(uint32_t count);
void neap_group_free(neap_group *group);

/* Begins and ends its life on a loop, on the loop's thread. */
int neap_worker_attach(neap_worker *worker, struct neap_loop *loop);
void neap_worker_detach(neap_worker *worker);

/* Takes the mail, also on failure: NEAP_EOVERFLOW when too much waits there
 * already, NEAP_ECLOSED when the worker has ended. It leaves with the turn. */
int neap_worker_post(neap_worker *from, uint32_t to, neap_mail *mail);
/* The same at once, and whatever waits there; from any thread. */
int neap_worker_tell(neap_group *group, uint32_t to, neap_mail *mail);

/* To all others that may have subscribers; hash is the topic's. */
void neap_worker_publish(neap_worker *from, const struct neap_publication *to,
                         uint64_t hash, neap_frame_buffer *frame);

/* For loop.c, as a turn ends: hands over what it has posted; and, before the
 * loop sleeps, copies the census. */
void neap_worker_hand_over(neap_worker *worker);
void neap_worker_count(neap_worker *worker);

/* The figures of a loop as it is now; those of all other workers with them. */
void neap_worker_sum(neap_counts *out, const struct neap_loop *loop,
                     bool of_process);

static inline void neap_presence_pattern(neap_presence *presence, bool is_new) {
  atomic_fetch_add(&presence->patterns, is_new ? 1u : UINT32_MAX);
}

static inline void neap_presence_topic(neap_presence *presence, uint64_t hash,
                                       bool is_new) {
  atomic_fetch_add(&presence->topics[hash % NEAP_PRESENCE_SIZE],
                   is_new ? 1u : UINT32_MAX);
}

#endif
