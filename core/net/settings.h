/* net/settings.h - limits and time-outs that many connections share.
 *
 * Immutable once in use; counted by reference, on one loop only. */

#ifndef NEAP_NET_SETTINGS_H
#define NEAP_NET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/deflate_offer.h"

enum neap_overflow {
  NEAP_OVERFLOW_CLOSE,
  NEAP_OVERFLOW_DROP_NEW,
  NEAP_OVERFLOW_DROP_OLD,
  NEAP_OVERFLOW_LATEST,
  NEAP_OVERFLOW_WAIT,
  NEAP_OVERFLOW_ROUTE, /* of a subscription: whatever its connection has */
};

typedef struct neap_deflate_settings {
  neap_deflate_wish wish;
  uint8_t level;
  size_t min; /* bytes from which on a message is compressed */
  uint64_t
    idle; /* milliseconds that a sender's context may lie unused; 0 = any */
} neap_deflate_settings;

typedef struct neap_settings {
  size_t references;
  size_t connections;  /* of the process; 0 = any, and not counted */
  uint32_t per_ip;     /* of one address; 0 = any */
  uint32_t handshakes; /* in one second, of this listener; 0 = any */
  size_t header;       /* bytes */
  size_t message;
  size_t queue;
  uint64_t handshake; /* milliseconds; 0 = off */
  uint64_t ping;
  uint64_t pong;
  uint64_t idle;
  uint64_t write;
  uint64_t close;
  uint64_t keepalive;           /* between two requests; 0: each is the last */
  uint64_t body;                /* no progress in the body of a request */
  uint64_t messages_per_second; /* 0 = any number */
  uint64_t bytes_per_second;
  uint64_t burst; /* milliseconds' worth of these that may come at once */
  enum neap_overflow overflow;
  bool deflates;
  neap_deflate_settings deflate;
} neap_settings;

/* Milliseconds without a sign of life after which a peer is given up. */
static inline uint64_t neap_settings_silence(const neap_settings *settings) {
  return settings->ping + settings->pong;
}

/* A copy on the heap, with one reference; NULL: no memory. */
neap_settings *neap_settings_new(const neap_settings *values);
neap_settings *neap_settings_retain(neap_settings *settings);
void neap_settings_release(neap_settings *settings);

#endif
