/* net/deadline.h - how long a peer may take, in O(1) per connection.
 *
 * One list per kind and length, so each is sorted by the order of arming. An
 * expiry is a suspicion first: the loop polls once more, and only what is
 * still suspect then is acted upon. So a process that stood still does not
 * kill peers whose bytes are waiting in the socket. */

#ifndef NEAP_NET_DEADLINE_H
#define NEAP_NET_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/list.h"

enum neap_deadline_kind {
  NEAP_DEADLINE_HANDSHAKE,
  NEAP_DEADLINE_PING, /* nothing heard for so long: ask */
  NEAP_DEADLINE_PONG, /* asked, and still nothing */
  NEAP_DEADLINE_IDLE,
  NEAP_DEADLINE_WRITE, /* no byte of the queue left */
  NEAP_DEADLINE_CLOSE,
  NEAP_DEADLINE_SHUTDOWN,
  NEAP_DEADLINE_CONTEXT,   /* nothing was compressed for so long */
  NEAP_DEADLINE_KEEPALIVE, /* no further request */
  NEAP_DEADLINE_BODY,      /* no further byte of a request's body */
  NEAP_DEADLINE_KINDS,
};

typedef struct neap_deadline {
  neap_link link;
  uint64_t at; /* loop milliseconds; meaningful while linked */
} neap_deadline;

enum { NEAP_DEADLINE_LENGTHS = 10 };

typedef struct neap_deadline_list {
  neap_link waiting;
  neap_link suspects;
  uint64_t length;
  enum neap_deadline_kind kind;
} neap_deadline_list;

typedef void neap_deadline_fn(neap_deadline *deadline,
                              enum neap_deadline_kind kind);

typedef struct neap_deadlines {
  neap_deadline_list lists[NEAP_DEADLINE_KINDS * NEAP_DEADLINE_LENGTHS];
  int count;
} neap_deadlines;

/* Arms (again) for length milliseconds from now. length 0 disarms. Lengths
 * beyond the tenth of a kind share the list of the nearest shorter one, so what
 * is left of another deadline is no length. */
void neap_deadline_arm(neap_deadlines *deadlines, neap_deadline *deadline,
                       enum neap_deadline_kind kind, uint64_t length,
                       uint64_t now);

static inline void neap_deadline_disarm(neap_deadline *deadline) {
  neap_link_remove(&deadline->link);
}

static inline bool neap_deadline_is_armed(const neap_deadline *deadline) {
  return neap_link_is_linked(&deadline->link);
}

/* The nearest moment, or UINT64_MAX. */
uint64_t neap_deadlines_next(const neap_deadlines *deadlines);

/* Before a poll: what is due becomes suspect; true if anything did. */
bool neap_deadlines_suspect(neap_deadlines *deadlines, uint64_t now);

/* After that poll: calls fn for each that is still suspect, disarmed, in the order
 * in which they were due. */
void neap_deadlines_expire(neap_deadlines *deadlines, neap_deadline_fn *fn);

#endif
