#include "net/context.h"

#include <stdlib.h>

#include "net/conn.h"

/* Tied to a sender's context, and freed with it. */
struct clock {
  neap_deadline deadline;
  neap_conn *conn;
};

void neap_context_count(void *arg, enum neap_context context, bool born,
                        size_t bytes, void *tied) {
  neap_loop *loop = arg;
  struct clock *clock = tied;
  enum neap_class class =
    context == NEAP_CONTEXT_DEFLATE ? NEAP_CLASS_DEFLATE : NEAP_CLASS_INFLATE;
  if (born)
    neap_census_add(&loop->census, class, bytes);
  else
    neap_census_remove(&loop->census, class, bytes);
  if (clock == NULL)
    return;
  neap_deadline_disarm(&clock->deadline);
  free(clock);
}

/* Without memory for a clock the context stays as long as its connection. */
static struct clock *clock_of(neap_conn *conn) {
  void **place = neap_deflate_tie(conn->session.deflate);
  if (place == NULL)
    return NULL;
  struct clock *clock = *place;
  if (clock == NULL)
    *place = clock = calloc(1, sizeof *clock);
  if (clock)
    clock->conn = conn;
  return clock;
}

void neap_context_used(neap_conn *conn) {
  uint64_t idle = conn->settings->deflate.idle;
  struct clock *clock = idle ? clock_of(conn) : NULL;
  if (clock)
    neap_loop_arm(conn->loop, &clock->deadline, NEAP_DEADLINE_CONTEXT, idle);
}

void neap_context_expire(neap_deadline *deadline) {
  struct clock *clock = NEAP_CONTAINER(deadline, struct clock, deadline);
  neap_deflate_drop_sender(clock->conn->session.deflate);
}
