#include "net/timer.h"

#include <stdlib.h>

#include "proto/status.h"

enum { CAP_MIN = 16 };

static void put(neap_timers *timers, uint32_t place, neap_timer *timer) {
  timers->heap[place] = timer;
  timer->place = place;
}

/* The count of turns may have begun anew between the two. */
static bool is_before(const neap_timer *one, const neap_timer *other) {
  if (one->at != other->at)
    return one->at < other->at;
  return (int32_t)(one->turn - other->turn) < 0;
}

static void sift_up(neap_timers *timers, uint32_t place, neap_timer *timer) {
  while (place > 1 && is_before(timer, timers->heap[place / 2])) {
    put(timers, place, timers->heap[place / 2]);
    place /= 2;
  }
  put(timers, place, timer);
}

static void sift_down(neap_timers *timers, uint32_t place, neap_timer *timer) {
  for (;;) {
    uint32_t child = place * 2;
    if (child > timers->count)
      break;
    if (child < timers->count &&
        is_before(timers->heap[child + 1], timers->heap[child]))
      child++;
    if (is_before(timer, timers->heap[child]))
      break;
    put(timers, place, timers->heap[child]);
    place = child;
  }
  put(timers, place, timer);
}

static int resize(neap_timers *timers, uint32_t cap) {
  neap_timer **heap = realloc(timers->heap, (cap + 1) * sizeof *heap);
  if (heap == NULL)
    return NEAP_ENOMEM;
  timers->heap = heap;
  timers->cap = cap;
  return NEAP_OK;
}

int neap_timers_init(neap_timers *timers) {
  return resize(timers, CAP_MIN);
}

void neap_timers_shrink(neap_timers *timers) {
  uint32_t cap = CAP_MIN;
  while (cap < timers->count + NEAP_TIMERS_RESERVED)
    cap *= 2;
  if (cap != timers->cap)
    resize(timers, cap); /* it stays as it is without memory */
}

void neap_timers_release(neap_timers *timers) {
  free(timers->heap);
  *timers = (neap_timers){0};
}

int neap_timer_start(neap_timers *timers, neap_timer *timer, uint64_t at) {
  neap_timer_stop(timers, timer);
  uint32_t spare = timer->has_room ? 0 : NEAP_TIMERS_RESERVED;
  if (timers->count + spare >= timers->cap) {
    int err = resize(timers, timers->cap * 2);
    if (err)
      return err;
  }
  timer->at = at;
  timer->turn = ++timers->turns;
  sift_up(timers, ++timers->count, timer);
  return NEAP_OK;
}

void neap_timer_stop(neap_timers *timers, neap_timer *timer) {
  uint32_t place = timer->place;
  if (place == 0)
    return;
  timer->place = 0;
  neap_timer *last = timers->heap[timers->count--];
  if (last == timer)
    return;
  if (place > 1 && is_before(last, timers->heap[place / 2]))
    sift_up(timers, place, last);
  else
    sift_down(timers, place, last);
}

uint64_t neap_timers_next(const neap_timers *timers) {
  return timers->count ? timers->heap[1]->at : UINT64_MAX;
}

void neap_timers_fire(neap_timers *timers, uint64_t now) {
  while (timers->count && timers->heap[1]->at <= now) {
    neap_timer *timer = timers->heap[1];
    neap_timer_stop(timers, timer);
    timer->fn(timer);
  }
}
