#include "bind/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "proto/status.h"

static size_t weight_of(const neap_letter *letter) {
  return sizeof *letter + letter->len;
}

int neap_inbox_put(neap_inbox *inbox, neap_census *census,
                   const neap_event *event) {
  neap_letter *letter = malloc(sizeof *letter + event->len);
  if (letter == NULL)
    return NEAP_ENOMEM;
  neap_letter *before = inbox->newest;
  *letter = (neap_letter){.len = event->len, .opcode = event->opcode};
  if (event->len)
    memcpy(letter->data, event->data, event->len);
  letter->waiting = neap_inbox_bytes(inbox) + weight_of(letter);
  letter->next = before ? before->next : letter;
  if (before)
    before->next = letter;
  inbox->newest = letter;
  neap_census_add(census, NEAP_CLASS_FRAME_BUFFER, weight_of(letter));
  return NEAP_OK;
}

neap_letter *neap_inbox_take(neap_inbox *inbox) {
  neap_letter *newest = inbox->newest;
  if (newest == NULL)
    return NULL;
  neap_letter *oldest = newest->next;
  newest->waiting -= weight_of(oldest);
  newest->next = oldest->next;
  if (oldest == newest)
    inbox->newest = NULL;
  return oldest;
}

void neap_letter_free(neap_letter *letter, neap_census *census) {
  neap_census_remove(census, NEAP_CLASS_FRAME_BUFFER, weight_of(letter));
  free(letter);
}

void neap_inbox_clear(neap_inbox *inbox, neap_census *census) {
  neap_letter *letter;
  while ((letter = neap_inbox_take(inbox)) != NULL)
    neap_letter_free(letter, census);
}
