/* net/loop.h - one event loop, and what every connection on it shares.
 *
 * The loop owns each object that is made on it, and frees it in one place, never
 * deeper: a connection at the end of a turn, what libuv holds in the callback
 * that it runs after uv_close(). x_close() only asks for that, may be called at any time, twice, and from the object's own
 * callback. The fields are for net/ alone. */

#ifndef NEAP_NET_LOOP_H
#define NEAP_NET_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/blocks.h"
#include "net/census.h"
#include "net/conn_ids.h"
#include "net/deadline.h"
#include "net/descriptors.h"
#include "net/list.h"
#include "net/poller.h"
#include "net/queue.h"
#include "net/timer.h"
#include "net/tls_wire.h"
#include "net/trim.h"
#include "proto/buffer.h"
#include "proto/deflate.h"

enum { NEAP_RECEIVE_SIZE = 512 * 1024 };

struct neap_conn;
struct neap_conn_events;
struct neap_topics;
struct neap_worker;

typedef struct neap_loop {
  uv_loop_t uv;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle; /* runs while a turn has left work: do not sleep */
  bool is_woken;
  uv_timer_t clock; /* for timers and deadlines together */
  uint64_t clock_at;
  uint64_t skew;      /* milliseconds that a test has put the clock forward */
  bool clock_is_held; /* by a test: only skew moves it */
  uint64_t woken_at;  /* uv_now, when the last poll returned */
  uint64_t stall;     /* milliseconds of the last turn, without a poll */
  bool clock_is_suspecting; /* the poll between suspicion and expiry */
  size_t suspecting_turns;  /* that it has taken so far */

  neap_poller poller;
  neap_census census;
  neap_descriptors descriptors;
  neap_trim trim;
  neap_timers timers;
  neap_deadlines deadlines;
  neap_segment_pool segments;
  neap_frame_pool frames;
  neap_deflate_pool deflate;
  neap_blocks https;   /* neap_http, of connections before they upgrade */
  neap_blocks intakes; /* neap_intake, of those in the midst of a message */
  neap_blocks outputs; /* neap_output, of those whose socket is full */
  struct neap_topics *topics;

  uint8_t *receive;         /* the receive buffer of all connections */
  neap_buffer cork;         /* what one callback has written so far */
  struct neap_conn *corked; /* whose bytes those are */
  neap_tls_wire wire;       /* ciphertext, in and out */
  neap_link pipes;          /* ends in memory that have something to do */
  neap_link dirty;          /* connections with a queue to flush this turn */
  neap_link dead;           /* connections to be told of and freed */

  const struct neap_conn_events *events;
  void *peer;                        /* the binding's */
  bool (*on_turn)(void *peer);       /* true: there is more to do at once */
  void (*on_starved)(void *peer);    /* descriptors ran out */
  void (*on_crowd_left)(void *peer); /* memory is about to be given back */
  atomic_uint_fast64_t turns; /* for whoever watches from another thread */
  atomic_bool is_polling;     /* until a callback calls into the binding */
  /* What another worker tells the scripting layer; text is borrowed. */
  void (*on_mail)(void *peer, uint32_t from, const char *text, size_t len);
  struct neap_worker *worker; /* NULL: the only loop of its process */
  neap_conn_ids conn_ids;
  uint64_t last_conn_id;
  uint64_t conn_id_step;
  uint64_t shed;      /* connections refused for want of descriptors */
  uint64_t refused;   /* over a limit, or without a valid PROXY header */
  uint32_t lingering; /* refused, and not gone yet */
  uint64_t abandoned; /* what the collector had to close */
  uint64_t dropped;   /* messages that full queues did not take, or gave up */
  bool is_stopping;
} neap_loop;

/* NEAP_OK or a negative status, and errno; the loop sleeps until it is run. */
int neap_loop_new(neap_loop **out);

/* Turns until neap_loop_stop(), or until nothing is left to wait for. */
void neap_loop_run(neap_loop *loop);
void neap_loop_stop(neap_loop *loop);

/* Asks for another turn without sleeping. */
void neap_loop_wake(neap_loop *loop);

/* Closes every object still on the loop, waits for their callbacks, and frees
 * the loop. The binding has let go of them all. */
void neap_loop_close(neap_loop *loop);

/* Milliseconds; skew is what a test has added. */
static inline uint64_t neap_loop_now(const neap_loop *loop) {
  return (loop->clock_is_held ? 0 : uv_now(&loop->uv)) + loop->skew;
}

/* A test moves the clock: what is due then happens in the next turn. */
void neap_loop_advance(neap_loop *loop, uint64_t ms);

/* A test holds the clock where it is, until it is advanced; or lets it go. */
void neap_loop_hold_clock(neap_loop *loop, bool is_held);

/* A timer of free length. NEAP_OK or NEAP_ENOMEM. */
int neap_loop_start_timer(neap_loop *loop, neap_timer *timer,
                          uint64_t delay_ms);
void neap_loop_stop_timer(neap_loop *loop, neap_timer *timer);

void neap_loop_arm(neap_loop *loop, neap_deadline *deadline,
                   enum neap_deadline_kind kind, uint64_t length_ms);

#endif
