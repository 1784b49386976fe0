/* net/poller.h - the sockets of a loop's connections, in one epoll set that
 * libuv watches as a single descriptor.
 *
 * A uv_poll_t for each would cost 160 bytes and, with every change of interest,
 * its bookkeeping; a socket in the set costs what the kernel needs. */

#ifndef NEAP_NET_POLLER_H
#define NEAP_NET_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* What a transport can be asked to wait for, and what it then tells. FAILED is
 * told without being asked for. */
enum neap_ready {
  NEAP_READABLE = 1,
  NEAP_WRITABLE = 2,
  NEAP_HANGUP = 4, /* the peer has closed its end */
  NEAP_FAILED = 8,
};

/* Called from the loop for each socket that is ready, until the end of that
 * turn also for one that was just removed: its memory must last so long. */
typedef void neap_poller_fn(void *owner, int ready);

/* How many are served in one turn; the others' turn is the next. */
enum { NEAP_POLLER_BATCH = 256 };

typedef struct neap_poller {
  uv_poll_t uv;
  neap_poller_fn *fn;
  size_t count;
  int fd;
  bool has_more; /* the last batch was full */
} neap_poller;

/* NEAP_OK or NEAP_ENOMEM. */
int neap_poller_open(neap_poller *poller, uv_loop_t *loop, neap_poller_fn *fn);
void neap_poller_close(neap_poller *poller);

/* NEAP_OK or NEAP_ENOMEM. */
int neap_poller_add(neap_poller *poller, int fd, int wanted, void *owner);
int neap_poller_change(neap_poller *poller, int fd, int wanted, void *owner);
void neap_poller_remove(neap_poller *poller, int fd);

#endif
