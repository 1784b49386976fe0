/* net/conduct.h - what a route asks of its peers beside being there: to say
 * something now and then, and not too much. Most routes ask for neither, and
 * their connections have none of this. */

#ifndef NEAP_NET_CONDUCT_H
#define NEAP_NET_CONDUCT_H

#include "net/deadline.h"
#include "net/meter.h"

struct neap_conn;

typedef struct neap_conduct {
  neap_deadline idle; /* no message for so long */
  neap_meter meter;
  struct neap_conn *conn;
} neap_conduct;

static inline bool neap_settings_watch_conduct(const neap_settings *settings) {
  return settings->idle || neap_settings_meters(settings);
}

#endif
