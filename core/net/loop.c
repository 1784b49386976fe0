#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "net/acceptor.h"
#include "net/balance.h"
#include "net/conn.h"
#include "net/context.h"
#include "net/lookup.h"
#include "net/pipe.h"
#include "net/socket.h"
#include "net/topic.h"
#include "net/worker.h"
#include "net/transport.h"
#include "proto/status.h"

/* A publish makes use of as many outputs as it has receivers. */
enum { BLOCKS_KEPT = 1024, OUTPUTS_KEPT = 65536 };

/* Brings the one libuv timer forward to the nearest moment of all. */
static void set_clock(neap_loop *loop);

static void on_clock(uv_timer_t *uv) {
  neap_loop *loop = uv->data;
  loop->clock_at = UINT64_MAX;
  neap_timers_fire(&loop->timers, neap_loop_now(loop));
  if (neap_deadlines_suspect(&loop->deadlines, neap_loop_now(loop))) {
    loop->clock_is_suspecting = true;
    neap_loop_wake(loop);
  }
  set_clock(loop);
}

static void set_clock_to(neap_loop *loop, uint64_t at) {
  if (at >= loop->clock_at)
    return;
  uint64_t now = neap_loop_now(loop);
  loop->clock_at = at;
  uv_timer_start(&loop->clock, on_clock, at > now ? at - now : 0, 0);
}

static void set_clock(neap_loop *loop) {
  uint64_t at = neap_timers_next(&loop->timers);
  uint64_t deadline = neap_deadlines_next(&loop->deadlines);
  at = deadline < at ? deadline : at;
  if (at != UINT64_MAX)
    set_clock_to(loop, at);
}

void neap_loop_advance(neap_loop *loop, uint64_t ms) {
  loop->skew += ms;
  loop->clock_at = UINT64_MAX;
  set_clock(loop);
}

void neap_loop_hold_clock(neap_loop *loop, bool is_held) {
  if (is_held == loop->clock_is_held)
    return;
  loop->skew += is_held ? uv_now(&loop->uv) : 0 - uv_now(&loop->uv);
  loop->clock_is_held = is_held;
}

static void on_idle(uv_idle_t *uv) {
  (void)uv;
}

void neap_loop_wake(neap_loop *loop) {
  loop->is_woken = true;
  uv_idle_start(&loop->idle, on_idle);
}

/* The end of a turn: tasks run, then all that they wrote leaves. */
static void end_turn(neap_loop *loop) {
  loop->is_woken = loop->clock_is_suspecting;
  neap_pipes_run(loop);
  if (loop->on_turn && loop->on_turn(loop->peer))
    loop->is_woken = true;
  neap_topics_end_turn(loop->topics);
  neap_conn_flush_all(loop);
  neap_conn_bury_all(loop);
  if (!loop->is_woken)
    uv_idle_stop(&loop->idle);
  else
    neap_loop_wake(loop);
  if (loop->worker)
    neap_worker_hand_over(loop->worker);
#ifndef NDEBUG
  neap_balance_assert(loop);
#endif
}

static void on_prepare(uv_prepare_t *uv) {
  neap_loop *loop = uv->data;
  end_turn(loop);
  loop->stall = uv_now(&loop->uv) - loop->woken_at;
  if (loop->worker)
    neap_worker_count(loop->worker);
  atomic_store_explicit(&loop->is_polling, true, memory_order_relaxed);
}

/* Whether all that was ready when they became suspect has been served: in a crowd
 * that takes as many turns as it has batches. */
static bool is_poll_over(neap_loop *loop) {
  size_t turns = loop->poller.count / NEAP_POLLER_BATCH + 1;
  bool has_more = loop->poller.has_more;
  loop->poller.has_more = false;
  return !has_more || ++loop->suspecting_turns > turns;
}

static void on_check(uv_check_t *uv) {
  neap_loop *loop = uv->data;
  loop->woken_at = uv_now(&loop->uv);
  atomic_store_explicit(&loop->is_polling, false, memory_order_relaxed);
  atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
  if (loop->clock_is_suspecting && is_poll_over(loop)) {
    loop->clock_is_suspecting = false;
    loop->suspecting_turns = 0;
    neap_deadlines_expire(&loop->deadlines, neap_conn_on_deadline);
    set_clock(loop);
  }
  end_turn(loop);
}

static void init_handles(neap_loop *loop) {
  uv_prepare_init(&loop->uv, &loop->prepare);
  uv_check_init(&loop->uv, &loop->check);
  uv_idle_init(&loop->uv, &loop->idle);
  uv_timer_init(&loop->uv, &loop->clock);
  loop->prepare.data = loop->check.data = loop->clock.data = loop;
  loop->idle.data = loop;
  uv_prepare_start(&loop->prepare, on_prepare);
  uv_check_start(&loop->check, on_check);
  uv_unref((uv_handle_t *)&loop->prepare);
  uv_unref((uv_handle_t *)&loop->check);
}

/* None of these fails. */
static void init_parts(neap_loop *loop) {
  neap_census_init(&loop->census);
  neap_list_init(&loop->dirty);
  neap_list_init(&loop->dead);
  neap_descriptor_note(&loop->descriptors, loop->poller.fd);
  neap_list_init(&loop->pipes);
  loop->https = neap_blocks_of(sizeof(neap_http), BLOCKS_KEPT);
  loop->intakes = neap_blocks_of(sizeof(neap_intake), BLOCKS_KEPT);
  loop->outputs = neap_blocks_of(sizeof(neap_output), OUTPUTS_KEPT);
  loop->segments.census = &loop->census;
  loop->segments.frames = &loop->frames;
  loop->deflate = (neap_deflate_pool){.note = neap_context_count, .arg = loop};
  loop->clock_at = UINT64_MAX;
  loop->conn_id_step = 1;
}

int neap_loop_new(neap_loop **out) {
  neap_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL)
    return NEAP_ENOMEM;
  loop->receive = malloc(NEAP_RECEIVE_SIZE);
  if (loop->receive == NULL || neap_timers_init(&loop->timers))
    goto free_receive;
  loop->topics = neap_topics_new(&loop->census, &loop->frames);
  if (loop->topics == NULL)
    goto free_receive;
  int err = uv_loop_init(&loop->uv);
  if (err) {
    errno = -err;
    goto free_topics;
  }
  if (neap_poller_open(&loop->poller, &loop->uv, neap_transport_on_ready))
    goto close_loop;

  init_parts(loop);
  neap_trim_init(loop);
  init_handles(loop);
  signal(SIGPIPE, SIG_IGN); /* libuv does not, and a write may raise it */
  *out = loop;
  return NEAP_OK;

close_loop:
  err = errno;
  uv_loop_close(&loop->uv);
  errno = err;
free_topics:
  neap_topics_free(loop->topics);
free_receive:
  neap_timers_release(&loop->timers);
  free(loop->receive);
  free(loop);
  return NEAP_ENOMEM;
}

void neap_loop_run(neap_loop *loop) {
  loop->is_stopping = false;
  while (!loop->is_stopping && uv_run(&loop->uv, UV_RUN_ONCE))
    ;
}

void neap_loop_stop(neap_loop *loop) {
  loop->is_stopping = true;
  neap_loop_wake(loop);
}

int neap_loop_start_timer(neap_loop *loop, neap_timer *timer,
                          uint64_t delay_ms) {
  uint64_t at = neap_loop_now(loop) + delay_ms;
  int err = neap_timer_start(&loop->timers, timer, at);
  if (!err)
    set_clock_to(loop, at);
  return err;
}

void neap_loop_stop_timer(neap_loop *loop, neap_timer *timer) {
  neap_timer_stop(&loop->timers, timer);
}

void neap_loop_arm(neap_loop *loop, neap_deadline *deadline,
                   enum neap_deadline_kind kind, uint64_t length_ms) {
  neap_deadline_arm(&loop->deadlines, deadline, kind, length_ms,
                    neap_loop_now(loop));
  if (neap_deadline_is_armed(deadline))
    set_clock_to(loop, deadline->at);
}

static void close_dialing(neap_loop *loop) {
  neap_link *sockets = &loop->census.tally[NEAP_CLASS_SOCKET].living;
  while (!neap_list_is_empty(sockets))
    neap_socket_close(NEAP_CONTAINER(sockets->next, neap_socket, born.link));
  neap_link *lookups = &loop->census.tally[NEAP_CLASS_LOOKUP].living;
  while (!neap_list_is_empty(lookups))
    neap_lookup_close(NEAP_CONTAINER(lookups->next, neap_lookup, born.link));
}

static void close_all(neap_loop *loop) {
  close_dialing(loop);
  neap_link *conns = &loop->census.tally[NEAP_CLASS_STREAM].living;
  for (neap_link *l = conns->next, *next; l != conns; l = next) {
    next = l->next;
    neap_conn_terminate(NEAP_CONTAINER(l, neap_conn, born.link));
  }
  neap_link *listeners = &loop->census.tally[NEAP_CLASS_LISTENER].living;
  for (neap_link *l = listeners->next, *next; l != listeners; l = next) {
    next = l->next;
    neap_acceptor_close(NEAP_CONTAINER(l, neap_acceptor, born.link));
  }
}

void neap_loop_close(neap_loop *loop) {
  loop->on_turn = NULL;
  loop->on_crowd_left = NULL;
  close_all(loop);
  neap_conn_bury_all(loop);
  if (loop->worker)
    neap_worker_detach(loop->worker);
  neap_poller_close(&loop->poller);
  uv_close((uv_handle_t *)&loop->prepare, NULL);
  uv_close((uv_handle_t *)&loop->check, NULL);
  uv_close((uv_handle_t *)&loop->idle, NULL);
  uv_close((uv_handle_t *)&loop->clock, NULL);
  while (uv_loop_close(&loop->uv) == UV_EBUSY)
    uv_run(&loop->uv, UV_RUN_ONCE);
  neap_topics_free(loop->topics);
  neap_conn_ids_release(&loop->conn_ids);
  neap_timers_release(&loop->timers);
  neap_segment_pool_release(&loop->segments);
  neap_frame_pool_release(&loop->frames);
  neap_deflate_pool_release(&loop->deflate);
  neap_blocks_release(&loop->https);
  neap_blocks_release(&loop->intakes);
  neap_blocks_release(&loop->outputs);
  neap_buffer_release(&loop->cork);
  neap_descriptors_release(&loop->descriptors);
  neap_tls_wire_release(&loop->wire);
  free(loop->receive);
  free(loop);
}
