/* net/census.h - every resource, counted by class at its birth and its death.
 *
 * opened = live + closed at every moment, by construction: both counts move in
 * the two functions below and nowhere else. The live ones stand in a list in
 * the order of their births, which is also how a loop finds what it owns. */

#ifndef NEAP_NET_CENSUS_H
#define NEAP_NET_CENSUS_H

#include <assert.h>
#include <stdint.h>

#include "net/list.h"

#define NEAP_CLASS_MAP(X)         \
  X(LISTENER, "listener")         \
  X(CONN, "conn")                 \
  X(STREAM, "stream")             \
  X(SOCKET, "socket")             \
  X(LOOKUP, "lookup")             \
  X(TLS, "tls")                   \
  X(TLS_CONTEXT, "tls_context")   \
  X(FILE, "file")                 \
  X(TIMER, "timer")               \
  X(TASK, "task")                 \
  X(SCOPE, "scope")               \
  X(REQUEST, "request")           \
  X(SUBSCRIPTION, "subscription") \
  X(TOPIC, "topic")               \
  X(FRAME_BUFFER, "frame_buffer") \
  X(DEFLATE, "deflate")           \
  X(INFLATE, "inflate")           \
  X(CLIENT, "client")             \
  X(SERVICE, "service")           \
  X(LUA_REF, "lua_ref")

enum neap_class {
#define X(symbol, name) NEAP_CLASS_##symbol,
  NEAP_CLASS_MAP(X)
#undef X
    NEAP_CLASS_COUNT,
};

/* Stands inside each counted object. A zeroed one has not been born. */
typedef struct neap_born {
  neap_link link;
  uint64_t at;   /* loop milliseconds */
  uint32_t site; /* where the script made it; 0 = not known */
  uint16_t size; /* bytes, set before the birth; 0 = not known */
  uint8_t class;
} neap_born;

typedef struct neap_tally {
  neap_link living; /* oldest first; objects too small to be listed are not */
  uint64_t opened;
  uint64_t closed;
  uint64_t listed; /* all that live, or none */
  uint64_t peak;
  uint64_t bytes;
} neap_tally;

typedef struct neap_census {
  neap_tally tally[NEAP_CLASS_COUNT];
  uint64_t changes; /* births and deaths */
} neap_census;

void neap_census_init(neap_census *census);
const char *neap_class_name(enum neap_class class);

/* A birth with a place in the list, and its death (harmless before birth). */
void neap_census_open(neap_census *census, neap_born *born,
                      enum neap_class class, uint64_t now);
void neap_census_close(neap_census *census, neap_born *born);

/* The same for what is only counted, with its bytes. */
static inline void neap_census_add(neap_census *census, enum neap_class class,
                                   size_t bytes) {
  neap_tally *tally = &census->tally[class];
  uint64_t live = ++tally->opened - tally->closed;
  census->changes++;
  tally->bytes += bytes;
  if (live > tally->peak)
    tally->peak = live;
}

static inline void neap_census_remove(neap_census *census,
                                      enum neap_class class, size_t bytes) {
  neap_tally *tally = &census->tally[class];
  assert(tally->opened > tally->closed && tally->bytes >= bytes);
  tally->closed++;
  census->changes++;
  tally->bytes -= bytes;
}

static inline uint64_t neap_census_live(const neap_census *census,
                                        enum neap_class class) {
  return census->tally[class].opened - census->tally[class].closed;
}

#endif
