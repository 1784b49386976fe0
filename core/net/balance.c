#include "net/balance.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/conduct.h"
#include "net/conn.h"

/* A crowd is not walked over at each turn, but at each SELDOM-th. */
enum { CROWD = 256, SELDOM = 64 };

struct check {
  const neap_loop *loop;
  neap_complain_fn *say;
  void *arg;
};

__attribute__((format(printf, 2, 3))) static void
complain(const struct check *check, const char *format, ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  check->say(check->arg, text);
}

static uint64_t length_of(const neap_link *list) {
  uint64_t length = 0;
  for (const neap_link *l = list->next; l != list; l = l->next)
    length++;
  return length;
}

/* Objects too small to be listed are only counted: their list is empty. */
static void check_class(const struct check *check, enum neap_class class) {
  const neap_tally *tally = &check->loop->census.tally[class];
  uint64_t length = length_of(&tally->living);
  if (tally->closed > tally->opened)
    complain(check, "%s: %" PRIu64 " were closed, but only %" PRIu64 " opened",
             neap_class_name(class), tally->closed, tally->opened);
  if (length != tally->listed)
    complain(check, "%s: %" PRIu64 " stand in the list of %" PRIu64,
             neap_class_name(class), length, tally->listed);
  if (tally->listed && tally->listed != tally->opened - tally->closed)
    complain(check, "%s: %" PRIu64 " are listed, but %" PRIu64 " are alive",
             neap_class_name(class), tally->listed,
             tally->opened - tally->closed);
}

static bool is_waiting_open(const neap_conn *conn) {
  const neap_settings *settings = conn->settings;
  uint64_t length = conn->is_pinged ? settings->pong : settings->ping;
  return !conn->is_paused && length > 0;
}

/* Whether the state waits for the peer, and its time is not unlimited. */
static bool needs_deadline(const neap_conn *conn) {
  switch ((enum neap_conn_state)conn->state) {
    case NEAP_CONN_CONNECT:
    case NEAP_CONN_PROXY:
    case NEAP_CONN_TLS:
    case NEAP_CONN_HEAD: return conn->settings->handshake > 0;
    case NEAP_CONN_ANSWER:
      return (conn->wants_upgrade && conn->settings->handshake > 0) ||
             (conn->http->wants_body && conn->settings->body > 0);
    case NEAP_CONN_DISCARD: return true;
    case NEAP_CONN_OPEN: return is_waiting_open(conn);
    case NEAP_CONN_CLOSING:
    case NEAP_CONN_SHUTDOWN: return true;
    case NEAP_CONN_CLOSED: return false;
  }
  return false;
}

static bool is_watched_for_idleness(const neap_conn *conn) {
  return conn->conduct && neap_deadline_is_armed(&conn->conduct->idle);
}

static void check_conn(const struct check *check, const neap_conn *conn) {
  bool is_armed = neap_deadline_is_armed(&conn->deadline) ||
                  neap_deadline_is_armed(&conn->output->write) ||
                  is_watched_for_idleness(conn);
  if (conn->state == NEAP_CONN_CLOSED)
    complain(check, "conn #%" PRIu64 ": is closed, and still listed", conn->id);
  else if (needs_deadline(conn) && !is_armed)
    complain(check, "conn #%" PRIu64 ": waits in state %d without a deadline",
             conn->id, conn->state);
  if (conn->is_backlogged && conn->state <= NEAP_CONN_OPEN &&
      conn->settings->write && !neap_deadline_is_armed(&conn->output->write))
    complain(check, "conn #%" PRIu64 ": waits for room without a deadline",
             conn->id);
}

static void check_conns(const struct check *check) {
  const neap_census *census = &check->loop->census;
  const neap_link *list = &census->tally[NEAP_CLASS_STREAM].living;
  uint64_t websockets = 0;
  for (const neap_link *l = list->next; l != list; l = l->next) {
    const neap_conn *conn = NEAP_CONTAINER(l, const neap_conn, born.link);
    websockets += conn->is_websocket;
    check_conn(check, conn);
  }
  uint64_t live = neap_census_live(census, NEAP_CLASS_CONN);
  if (websockets != live)
    complain(check, "conn: %" PRIu64 " are alive, but %" PRIu64 " are streams",
             live, websockets);
}

void neap_balance_check(const neap_loop *loop, neap_complain_fn *say,
                        void *arg) {
  struct check check = {loop, say, arg};
  for (int i = 0; i < NEAP_CLASS_COUNT; i++)
    check_class(&check, (enum neap_class)i);
  check_conns(&check);
}

static void shout(void *arg, const char *text) {
  int *count = arg;
  fprintf(stderr, "neap: the census does not balance: %s\n", text);
  ++*count;
}

static uint64_t count_listed(const neap_loop *loop) {
  uint64_t listed = 0;
  for (int i = 0; i < NEAP_CLASS_COUNT; i++)
    listed += loop->census.tally[i].listed;
  return listed;
}

void neap_balance_assert(const neap_loop *loop) {
  int count = 0;
  uint64_t turn = atomic_load_explicit(&loop->turns, memory_order_relaxed);
  if (count_listed(loop) > CROWD && turn % SELDOM)
    return;
  neap_balance_check(loop, shout, &count);
  if (count)
    abort();
}
