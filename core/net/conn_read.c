#include <errno.h>
#include <string.h>

#include "net/http_internal.h"
#include "net/conduct.h"
#include "proto/close_code.h"
#include "proto/status.h"

/* Re-arming at each byte would cost more than the byte: a deadline may act
 * this much later than its length says. */
enum { SLACK_MAX = 128 };

/* What is read of HTTP at once: it may have to be kept. */
enum { HTTP_SIZE = 64 * 1024 };

static bool is_stale(const neap_deadline *deadline, uint64_t length,
                     uint64_t now) {
  uint64_t slack = length / 8 < SLACK_MAX ? length / 8 : SLACK_MAX;
  return now + length > deadline->at + slack;
}

/* The peer lives: the ping clock starts again. */
static void touch(neap_conn *conn) {
  neap_deadline *deadline = &conn->deadline;
  uint64_t length = conn->settings->ping;
  if (conn->is_pinged ||
      (neap_deadline_is_armed(deadline) &&
       is_stale(deadline, length, neap_loop_now(conn->loop)))) {
    conn->is_pinged = false;
    neap_loop_arm(conn->loop, deadline, NEAP_DEADLINE_PING, length);
  }
}

static void touch_idle(neap_conn *conn) {
  neap_conduct *conduct = conn->conduct;
  uint64_t length = conn->settings->idle;
  if (conduct && length &&
      is_stale(&conduct->idle, length, neap_loop_now(conn->loop)))
    neap_loop_arm(conn->loop, &conduct->idle, NEAP_DEADLINE_IDLE, length);
}

static bool reads(const neap_conn *conn) {
  switch (conn->state) {
    case NEAP_CONN_HEAD: return !conn->is_backlogged && !conn->is_resumed;
    case NEAP_CONN_ANSWER: return conn->http->wants_body;
    case NEAP_CONN_PROXY:
    case NEAP_CONN_TLS:
    case NEAP_CONN_DISCARD:
    case NEAP_CONN_SHUTDOWN: return true;
    default: return conn->is_websocket && !conn->is_paused;
  }
}

static bool watches_peer(const neap_conn *conn) {
  return conn->state == NEAP_CONN_ANSWER &&
         (conn->wants_upgrade || conn->http->is_watched);
}

static int wanted_interest(const neap_conn *conn) {
  int wanted = 0;
  if (reads(conn) && !conn->is_eof)
    wanted |= NEAP_READABLE;
  if (conn->is_backlogged || conn->state == NEAP_CONN_CONNECT ||
      neap_transport_held(&conn->transport))
    wanted |= NEAP_WRITABLE;
  if (watches_peer(conn))
    wanted |= NEAP_HANGUP;
  return wanted;
}

/* An end that came with the last bytes. */
static void read_what_is_left(neap_conn *conn) {
  if (neap_conn_is_live(conn) && reads(conn) && !conn->is_eof &&
      neap_transport_has_more(&conn->transport))
    neap_conn_readable(conn);
}

void neap_conn_on_ready(neap_conn *conn, int ready) {
  if (conn->state == NEAP_CONN_CONNECT) {
    neap_conn_connected(conn);
    return;
  }
  if (ready & NEAP_FAILED) {
    neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
    return;
  }
  if (ready & NEAP_HANGUP) {
    neap_conn_abort(conn, NEAP_CAUSE_EOF, NEAP_BY_NET);
    return;
  }
  if (conn->state == NEAP_CONN_PROXY) {
    neap_conn_read_proxy(conn);
    return;
  }
  if (conn->state == NEAP_CONN_TLS) {
    neap_conn_handshake(conn);
    return;
  }
  if (neap_conn_is_live(conn) && (ready & NEAP_WRITABLE))
    neap_conn_writable(conn);
  if (neap_conn_is_live(conn) && (ready & NEAP_READABLE))
    neap_conn_readable(conn);
  read_what_is_left(conn);
}

void neap_conn_lose(neap_conn *conn) {
  conn->is_lost = true;
  neap_conn_mark_dirty(conn);
}

void neap_conn_update_interest(neap_conn *conn) {
  int wanted = wanted_interest(conn);
  if (!neap_conn_is_live(conn) ||
      (wanted == conn->interest && conn->transport.is_watched))
    return;
  conn->interest = (unsigned)wanted & 7;
  bool was_watched = conn->transport.is_watched;
  if (neap_transport_watch(&conn->transport, wanted) && was_watched)
    neap_conn_lose(conn); /* the kernel's events would be wrong, or none */
}

static void on_close_frame(neap_conn *conn, const neap_event *event) {
  if (conn->state == NEAP_CONN_OPEN)
    neap_conn_begin_closing(conn, NEAP_CAUSE_CLOSED, NEAP_BY_PEER, event->code,
                            (const char *)event->data, event->len);
  else if (conn->cause == NEAP_CAUSE_CLOSED)
    conn->code = event->code;
}

static void on_ping(neap_conn *conn) {
  size_t limit = conn->settings->queue;
  if (limit && neap_conn_buffered(conn) > limit)
    neap_conn_close(conn, NEAP_CAUSE_OVERFLOW, NEAP_BY_LOCAL, 1013,
                    "pings without reading", 21);
}

static bool charge(neap_conn *conn, size_t messages, size_t bytes) {
  static const char reason[] = "too much in a short time";
  if (conn->state != NEAP_CONN_OPEN ||
      neap_meter_take(&conn->conduct->meter, conn->settings,
                      neap_loop_now(conn->loop), conn->loop->stall, messages,
                      bytes))
    return true;
  neap_conn_close(conn, NEAP_CAUSE_RATE, NEAP_BY_LOCAL, NEAP_CLOSE_POLICY,
                  reason, sizeof reason - 1);
  return false;
}

/* Charges the peer for what it has sent; false: it was too much, and that is the
 * end. */
static inline bool is_within_rate(neap_conn *conn, size_t messages,
                                  size_t bytes) {
  return conn->conduct == NULL || charge(conn, messages, bytes);
}

/* Serves a control frame; true for a message that the binding takes. */
static bool is_for_binding(neap_conn *conn, const neap_event *event) {
  switch (event->opcode) {
    case NEAP_OP_CLOSE: on_close_frame(conn, event); return false;
    case NEAP_OP_PING:
      if (is_within_rate(conn, 1, 0))
        on_ping(conn);
      return false;
    case NEAP_OP_PONG:
      if (is_within_rate(conn, 1, 0) && conn->peer)
        conn->loop->events->pong(conn, event);
      return false;
    default:
      if (conn->state != NEAP_CONN_OPEN || !is_within_rate(conn, 1, 0))
        return false;
      conn->received++;
      touch_idle(conn);
      return true;
  }
}

/* Between two messages there is nothing to remember. */
static bool has_input(neap_conn *conn) {
  neap_intake *intake = conn->session.intake;
  if (intake == NULL)
    return false;
  if (!neap_intake_is_settled(intake))
    return true;
  if (neap_session_take_back(&conn->session))
    neap_blocks_give(&conn->loop->intakes, intake);
  return false;
}

int neap_conn_next(neap_conn *conn, neap_event *event) {
  while (neap_conn_is_live(conn) && !conn->is_paused && has_input(conn)) {
    int got = neap_session_next(&conn->session, event, neap_conn_cork(conn));
    if (got <= 0)
      return 0;
    if (is_for_binding(conn, event))
      return 1;
  }
  return 0;
}

void neap_conn_end_reading(neap_conn *conn) {
  neap_intake *intake = conn->session.intake;
  neap_session_release(&conn->session);
  if (intake)
    neap_blocks_give(&conn->loop->intakes, intake);
}

/* The connection's writes while the binding takes its messages leave together;
 * what it did not take, having failed, is dropped. */
static void take_messages(neap_conn *conn) {
  neap_event dropped;
  conn->is_reading = true;
  if (conn->peer)
    conn->loop->events->readable(conn);
  while (neap_conn_next(conn, &dropped))
    ;
  conn->is_reading = false;
  if (!neap_conn_is_live(conn))
    return;
  if (neap_session_fail_code(&conn->session)) {
    neap_conn_fail(conn);
  } else if (conn->is_paused && neap_session_pause(&conn->session)) {
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL); /* no memory */
    return;
  }
  neap_conn_uncork(conn);
  neap_conn_finish(conn);
}

void neap_conn_read_on(neap_conn *conn) {
  conn->is_resumed = false;
  if (!neap_conn_is_live(conn) || conn->is_paused)
    return;
  if (!conn->is_websocket) {
    neap_http_received(conn, NULL, 0);
    return;
  }
  take_messages(conn);
  neap_conn_update_interest(conn);
  read_what_is_left(conn);
}

void neap_conn_pause(neap_conn *conn) {
  if (conn->is_paused || conn->state != NEAP_CONN_OPEN)
    return;
  conn->is_paused = true;
  if (conn->conduct) {
    neap_meter_pause(&conn->conduct->meter, neap_loop_now(conn->loop));
    neap_deadline_disarm(&conn->conduct->idle);
  }
  neap_deadline_disarm(&conn->deadline);
  neap_conn_update_interest(conn);
}

void neap_conn_resume(neap_conn *conn) {
  if (!conn->is_paused)
    return;
  conn->is_paused = false;
  if (conn->conduct)
    neap_meter_resume(&conn->conduct->meter, neap_loop_now(conn->loop));
  if (conn->state == NEAP_CONN_OPEN)
    neap_conn_arm_open(conn);
  if (conn->is_reading)
    return;
  conn->is_resumed = true;
  neap_conn_mark_dirty(conn);
}

static void on_eof(neap_conn *conn) {
  static const char cut[] = "the stream ended without close_notify";
  size_t len = neap_transport_is_cut(&conn->transport) ? sizeof cut - 1 : 0;
  conn->is_eof = true;
  if (conn->state == NEAP_CONN_OPEN)
    neap_conn_begin_closing(conn, NEAP_CAUSE_EOF, NEAP_BY_NET, 1006, cut, len);
  if (conn->state == NEAP_CONN_CLOSING && conn->is_lingering)
    neap_conn_update_interest(conn);
  else if (conn->state == NEAP_CONN_ANSWER || /* in the midst of a body, */
           (conn->state == NEAP_CONN_HEAD && conn->is_client)) /* an answer */
    neap_conn_abort(conn, NEAP_CAUSE_EOF, NEAP_BY_NET);
  else
    neap_conn_release(conn);
}

static void on_failure(neap_conn *conn) {
  const neap_tls *tls = conn->transport.tls;
  if (tls && tls->fault && conn->output->reason == NULL) {
    conn->failure = NEAP_ETLS;
    neap_conn_set_reason(conn, tls->fault, strlen(tls->fault));
  }
  neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
}

/* False: no memory for what the session needs to read. */
static inline bool feed(neap_conn *conn, uint8_t *bytes, size_t len) {
  neap_session *session = &conn->session;
  if (session->intake == NULL) {
    neap_intake *intake = neap_blocks_take(&conn->loop->intakes);
    if (intake == NULL)
      return false;
    neap_session_lend(session, intake, conn->settings->message);
  }
  neap_session_feed(session, bytes, len);
  return true;
}

int neap_conn_keep(neap_conn *conn, uint8_t *bytes, size_t len) {
  if (len == 0)
    return NEAP_OK;
  if (!feed(conn, bytes, len))
    return NEAP_ENOMEM;
  conn->is_resumed = true;
  neap_conn_mark_dirty(conn);
  return neap_session_pause(&conn->session);
}

static void take_bytes(neap_conn *conn, uint8_t *bytes, size_t len) {
  if (conn->state < NEAP_CONN_OPEN) {
    neap_http_received(conn, bytes, len);
  } else if (conn->is_websocket && conn->state <= NEAP_CONN_CLOSING) {
    if (conn->state == NEAP_CONN_OPEN)
      touch(conn);
    is_within_rate(conn, 0, len);
    if (feed(conn, bytes, len))
      take_messages(conn);
    else
      neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  }
}

/* Where to is the loop's buffer, or the message's own place. */
static ssize_t read_some(neap_conn *conn, uint8_t **bytes) {
  neap_transport *transport = &conn->transport;
  size_t size = NEAP_RECEIVE_SIZE, room = 0;
  if (conn->state != NEAP_CONN_SHUTDOWN && transport->tls)
    return neap_transport_read(transport, *bytes);
  if (conn->state < NEAP_CONN_OPEN)
    size = HTTP_SIZE;
  else if (conn->state == NEAP_CONN_OPEN)
    room = neap_session_room(&conn->session, bytes);
  return neap_transport_receive(transport, *bytes, room ? room : size);
}

void neap_conn_readable(neap_conn *conn) {
  uint8_t *bytes = conn->loop->receive;
  ssize_t n = read_some(conn, &bytes);

  if (neap_transport_held(&conn->transport)) /* TLS has answered by itself */
    neap_conn_mark_dirty(conn);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return;
  if (n < 0)
    on_failure(conn);
  else if (n == 0)
    on_eof(conn);
  else
    take_bytes(conn, bytes, (size_t)n);
}
