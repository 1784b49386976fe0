/* net/trim.h - memory goes back to the system after many have left.
 *
 * What is freed stays with the C library, and pools keep some for the next
 * time: after a mass disconnect both are given back, once it is over. */

#ifndef NEAP_NET_TRIM_H
#define NEAP_NET_TRIM_H

#include <stdint.h>

#include "net/timer.h"

struct neap_loop;

typedef struct neap_trim {
  neap_timer timer;
  uint64_t most;  /* streams at once since the last time */
  uint64_t times; /* so far */
} neap_trim;

void neap_trim_init(struct neap_loop *loop);

/* A stream is about to be counted as closed. */
void neap_trim_note(struct neap_loop *loop);

/* The loop has nothing to do: gives back what it keeps if that is much. */
void neap_trim_at_rest(struct neap_loop *loop);

/* Gives back now what the loop keeps for later, and what was freed. */
void neap_trim_now(struct neap_loop *loop);

#endif
