/* net/lookup.h - a host name's addresses, asked for in a thread of their own.
 *
 * libuv's pool is not used: a process waits for its jobs at exit, and a name
 * server that does not answer would hold that up for minutes. A look-up that is
 * given up leaves the loop at once; its thread ends whenever the system lets
 * it, and with the process at the latest. */

#ifndef NEAP_NET_LOOKUP_H
#define NEAP_NET_LOOKUP_H

#include <netdb.h>
#include <uv.h>

#include "net/census.h"

struct neap_loop;
typedef struct neap_lookup neap_lookup;

/* It is over: see status and found. */
typedef void neap_lookup_fn(neap_lookup *lookup);

struct neap_lookup {
  uv_async_t async;
  neap_born born;
  struct neap_loop *loop;
  struct neap_lookup_job *job; /* shared with the thread */
  neap_lookup_fn *done;
  void *peer;                   /* the binding's */
  const struct addrinfo *found; /* borrowed until the close */
  int status;                   /* 0, or a code for gai_strerror */
};

/* Asks for the stream addresses of name (copied). NEAP_OK, NEAP_ENOMEM, or
 * NEAP_ELIMIT where no thread can be had. */
int neap_lookup_start(neap_lookup **out, struct neap_loop *loop,
                      const char *name);
void neap_lookup_close(neap_lookup *lookup);

#endif
