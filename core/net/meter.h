/* net/meter.h - how much one peer sends: messages and bytes in a second.
 *
 * Two buckets that fill with time, and hold some seconds' worth. Time in which we
 * did not read counts as if they were larger: what a peer sends at its rate comes
 * in one lump then, and is no fault of it. */

#ifndef NEAP_NET_METER_H
#define NEAP_NET_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/settings.h"

typedef struct neap_meter {
  double messages; /* that may come now */
  double bytes;
  uint64_t at;        /* loop milliseconds of the last filling */
  uint64_t paused_at; /* 0: reading */
  uint64_t slack;     /* milliseconds that were not read in */
} neap_meter;

/* Fills a new one. */
void neap_meter_fill(neap_meter *meter, const neap_settings *settings,
                     uint64_t now);

static inline bool neap_settings_meters(const neap_settings *settings) {
  return settings->messages_per_second || settings->bytes_per_second;
}

/* Takes what has come, after as much as stall milliseconds without reading;
 * false: that was too much. */
bool neap_meter_take(neap_meter *meter, const neap_settings *settings,
                     uint64_t now, uint64_t stall, size_t messages,
                     size_t bytes);

void neap_meter_pause(neap_meter *meter, uint64_t now);
void neap_meter_resume(neap_meter *meter, uint64_t now);

#endif
