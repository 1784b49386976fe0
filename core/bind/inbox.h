/* bind/inbox.h - whole messages that came while the handler was busy.
 *
 * Bounded by its reader: the connection stops reading when it is full. Each
 * message is charged for its place too, so empty ones are not free. */

#ifndef NEAP_BIND_INBOX_H
#define NEAP_BIND_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include "net/census.h"
#include "proto/session.h"

typedef struct neap_letter {
  struct neap_letter *next; /* of the newest: the oldest */
  size_t waiting;           /* of the newest: what all of them weigh */
  size_t len;
  enum neap_opcode opcode;
  uint8_t data[];
} neap_letter;

/* One pointer, since most connections never have a letter waiting. */
typedef struct neap_inbox {
  neap_letter *newest; /* NULL: it is empty */
} neap_inbox;

static inline size_t neap_inbox_bytes(const neap_inbox *inbox) {
  return inbox->newest ? inbox->newest->waiting : 0;
}

/* NEAP_OK or NEAP_ENOMEM; the event is copied. */
int neap_inbox_put(neap_inbox *inbox, neap_census *census,
                   const neap_event *event);

/* The oldest, or NULL; to be freed with neap_letter_free. */
neap_letter *neap_inbox_take(neap_inbox *inbox);
void neap_letter_free(neap_letter *letter, neap_census *census);
void neap_inbox_clear(neap_inbox *inbox, neap_census *census);

#endif
