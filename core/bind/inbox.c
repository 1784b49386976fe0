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
  *letter = (neap_letter){.len = event->len, .opcode = event->opcode};
  if (event->len)
    memcpy(letter->data, event->data, event->len);
  if (inbox->last)
    inbox->last->next = letter;
  else
    inbox->first = letter;
  inbox->last = letter;
  inbox->bytes += weight_of(letter);
  neap_census_add(census, NEAP_CLASS_FRAME_BUFFER, weight_of(letter));
  return NEAP_OK;
}

neap_letter *neap_inbox_take(neap_inbox *inbox) {
  neap_letter *letter = inbox->first;
  if (letter == NULL)
    return NULL;
  inbox->first = letter->next;
  if (inbox->first == NULL)
    inbox->last = NULL;
  inbox->bytes -= weight_of(letter);
  return letter;
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
