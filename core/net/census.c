#include "net/census.h"

static const char *const names[] = {
#define X(symbol, name) name,
  NEAP_CLASS_MAP(X)
#undef X
};

void neap_census_init(neap_census *census) {
  *census = (neap_census){0};
  for (int i = 0; i < NEAP_CLASS_COUNT; i++)
    neap_list_init(&census->tally[i].living);
}

const char *neap_class_name(enum neap_class class) {
  return names[class];
}

void neap_census_open(neap_census *census, neap_born *born,
                      enum neap_class class, uint64_t now) {
  born->at = now;
  born->class = (uint8_t) class;
  neap_list_append(&census->tally[class].living, &born->link);
  census->tally[class].listed++;
  neap_census_add(census, class, born->size);
}

void neap_census_close(neap_census *census, neap_born *born) {
  if (!neap_link_is_linked(&born->link))
    return;
  neap_link_remove(&born->link);
  census->tally[born->class].listed--;
  neap_census_remove(census, (enum neap_class)born->class, born->size);
}
