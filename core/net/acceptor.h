/* net/acceptor.h - a listening socket that survives want of descriptors.
 *
 * neap accepts by itself: libuv 1.44 loses its listener, or spins, when
 * descriptors run out. A spare descriptor is given up to accept and drop the
 * waiting client, who then knows at once; then the listener pauses shortly. */

#ifndef NEAP_NET_ACCEPTOR_H
#define NEAP_NET_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/admission.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/settings.h"
#include "net/tls_context.h"

typedef struct neap_acceptor {
  uv_poll_t poll;
  neap_born born;
  neap_timer retry;
  neap_loop *loop;
  neap_settings *settings;
  neap_tls_context *tls; /* NULL: in the clear */
  void *peer;            /* the binding's; NULL when it has let go */
  neap_socket_mark mark; /* of a unix socket, to remove */
  neap_pace pace;
  uint32_t tag; /* the binding's name for it */
  int fd;
  int spare;
  bool is_proxied; /* a proxy says first whom it speaks for */
  bool is_closing;
  bool is_draining; /* what it accepts is served once */
} neap_acceptor;

/* Listens on a bound descriptor, which it takes over, also on failure. mark is
 * taken too, or NULL. */
int neap_acceptor_open(neap_acceptor **out, neap_loop *loop, int fd,
                       neap_socket_mark *mark, neap_settings *settings,
                       neap_fault *fault);

/* The real address: host of size bytes and port; port -1 of a unix socket,
 * whose path, or "@name", is then in host. */
int neap_acceptor_address(const neap_acceptor *acceptor, char *host,
                          size_t size, int *port);

/* Held, it leaves whoever comes in the kernel's queue, until it accepts. */
void neap_acceptor_hold(neap_acceptor *acceptor);
void neap_acceptor_accept(neap_acceptor *acceptor);

/* From the next connection on they have to speak TLS, with these certificates;
 * those that are open keep theirs. */
void neap_acceptor_secure(neap_acceptor *acceptor, neap_tls_context *context);

void neap_acceptor_close(neap_acceptor *acceptor);

#endif
