/* net/timer.h - moments of free length, in one binary heap per loop.
 *
 * The owner embeds a neap_timer and keeps it until it is stopped or has
 * fired. Starting and stopping cost O(log n). Those of one moment fire in the
 * order in which they were started. */

#ifndef NEAP_NET_TIMER_H
#define NEAP_NET_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct neap_timer neap_timer;
typedef void neap_timer_fn(neap_timer *timer);

struct neap_timer {
  neap_timer_fn *fn; /* may start the timer again, or free it */
  uint64_t at;       /* loop milliseconds */
  uint32_t place;    /* in the heap, from 1; 0 = not waiting */
  uint32_t turn;     /* among those of its moment */
  bool has_room;     /* of its own: its start takes no memory */
};

typedef struct neap_timers {
  neap_timer **heap; /* heap[1] is the nearest */
  uint32_t count;
  uint32_t cap;
  uint32_t turns; /* of the last one that was started */
} neap_timers;

/* How many timers of a loop may have room of their own: what makes good what
 * memory was too short for must not need any. */
enum { NEAP_TIMERS_RESERVED = 4 };

/* NEAP_OK or NEAP_ENOMEM. */
int neap_timers_init(neap_timers *timers);
void neap_timers_release(neap_timers *timers);

/* Room for what waits now, and for the first few. */
void neap_timers_shrink(neap_timers *timers);

/* Starts, or moves, a timer. NEAP_OK or NEAP_ENOMEM, which one that has room
 * never gets. */
int neap_timer_start(neap_timers *timers, neap_timer *timer, uint64_t at);
void neap_timer_stop(neap_timers *timers, neap_timer *timer);

static inline bool neap_timer_is_waiting(const neap_timer *timer) {
  return timer->place != 0;
}

/* The nearest moment, or UINT64_MAX. */
uint64_t neap_timers_next(const neap_timers *timers);

/* Fires what is due at now; what a callback starts waits for the next call. */
void neap_timers_fire(neap_timers *timers, uint64_t now);

#endif
