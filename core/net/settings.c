#include "net/settings.h"

#include <stdlib.h>

neap_settings *neap_settings_new(const neap_settings *values) {
  neap_settings *settings = malloc(sizeof *settings);
  if (settings == NULL)
    return NULL;
  *settings = *values;
  settings->references = 1;
  return settings;
}

neap_settings *neap_settings_retain(neap_settings *settings) {
  settings->references++;
  return settings;
}

void neap_settings_release(neap_settings *settings) {
  if (--settings->references == 0)
    free(settings);
}
