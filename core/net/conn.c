#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conduct.h"
#include "net/context.h"
#include "net/http_internal.h"
#include "net/topic.h"
#include "proto/close_code.h"
#include "proto/handshake.h"
#include "proto/status.h"

enum { SHUTDOWN_MS = 2000, CLOSE_MS = 5000 };

const char *neap_cause_name(enum neap_cause cause) {
  switch (cause) {
#define X(symbol, name) \
  case NEAP_CAUSE_##symbol: return name;
    NEAP_CAUSE_MAP(X)
#undef X
    case NEAP_CAUSE_NONE: break;
  }
  return "none";
}

const char *neap_by_name(enum neap_by by) {
  static const char *const names[] = {"local", "peer", "net", "server"};
  return names[by];
}

static void start_life(neap_conn *conn, neap_loop *loop,
                       neap_settings *settings) {
  conn->loop = loop;
  conn->settings = neap_settings_retain(settings);
  conn->id = loop->last_conn_id += loop->conn_id_step;
  neap_conn_ids_add(&loop->conn_ids, conn);
  conn->born.size = sizeof *conn;
  neap_census_open(&loop->census, &conn->born, NEAP_CLASS_STREAM,
                   neap_loop_now(loop));
  neap_loop_arm(loop, &conn->deadline, NEAP_DEADLINE_HANDSHAKE,
                settings->handshake);
}

/* Every connection speaks HTTP first. */
static neap_conn *make(neap_loop *loop, neap_settings *settings) {
  neap_conn *conn = calloc(1, sizeof *conn);
  neap_http *http = neap_blocks_take(&loop->https);
  if (conn == NULL || http == NULL) {
    free(conn);
    free(http);
    return NULL;
  }
  *http = (neap_http){0};
  conn->http = http;
  neap_conn_no_output(conn);
  start_life(conn, loop, settings);
  return conn;
}

neap_conn *neap_conn_make(neap_loop *loop, int fd, neap_settings *settings) {
  neap_conn *conn = make(loop, settings);
  if (conn == NULL) {
    close(fd);
    return NULL;
  }
  neap_transport_open(&conn->transport, fd);
  return conn;
}

neap_conn *neap_conn_make_on_pipe(neap_loop *loop, neap_pipe_end *end,
                                  neap_settings *settings) {
  neap_conn *conn = make(loop, settings);
  if (conn == NULL)
    return NULL;
  neap_transport_open_pipe(&conn->transport, end);
  return conn;
}

int neap_conn_new(neap_conn **out, neap_loop *loop, int fd,
                  neap_settings *settings, uint32_t tag,
                  const neap_address *address) {
  neap_conn *conn = neap_conn_make(loop, fd, settings);
  if (conn == NULL)
    return NEAP_ENOMEM;
  conn->http->tag = tag;
  conn->address = *address;
  conn->state = NEAP_CONN_HEAD;
  neap_conn_update_interest(conn);
  if (!conn->transport.is_watched) {
    neap_conn_terminate(conn);
    return NEAP_ENOMEM;
  }
  *out = conn;
  return NEAP_OK;
}

void neap_conn_arm_open(neap_conn *conn) {
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_PING,
                conn->settings->ping);
  if (conn->conduct)
    neap_loop_arm(conn->loop, &conn->conduct->idle, NEAP_DEADLINE_IDLE,
                  conn->settings->idle);
}

static int use_deflate(neap_conn *conn, const neap_deflate_terms *terms) {
  const neap_deflate_settings *settings = &conn->settings->deflate;
  neap_deflate *deflate = neap_deflate_new(&conn->loop->deflate, terms,
                                           settings->min, settings->level);
  neap_session_use_deflate(&conn->session, deflate);
  return deflate ? NEAP_OK : NEAP_ENOMEM;
}

static int open_session(neap_conn *conn, enum neap_role role,
                        neap_mask_source *mask,
                        const neap_deflate_terms *deflate) {
  neap_http early = *conn->http;
  neap_blocks_give(&conn->loop->https, conn->http);
  neap_session_init(&conn->session, role, mask);
  int no_deflate = deflate ? use_deflate(conn, deflate) : NEAP_OK;
  conn->is_websocket = true;
  int err = neap_conn_keep(conn, early.at, early.left);
  neap_buffer_release(&early.held);
  return err ? err : no_deflate;
}

static bool watch_conduct(neap_conn *conn) {
  neap_conduct *conduct = calloc(1, sizeof *conduct);
  if (conduct == NULL)
    return false;
  conduct->conn = conn;
  neap_meter_fill(&conduct->meter, conn->settings, neap_loop_now(conn->loop));
  conn->conduct = conduct;
  return true;
}

int neap_conn_open(neap_conn *conn, enum neap_role role, neap_mask_source *mask,
                   const neap_deflate_terms *deflate) {
  conn->state = NEAP_CONN_OPEN;
  int err = open_session(conn, role, mask, deflate);
  neap_census_add(&conn->loop->census, NEAP_CLASS_CONN, sizeof *conn);
  if (neap_settings_watch_conduct(conn->settings) && !watch_conduct(conn))
    err = NEAP_ENOMEM;
  neap_deadline_disarm(&conn->deadline);
  neap_conn_arm_open(conn);
  neap_conn_update_interest(conn);
  if (err)
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
  return err;
}

int neap_conn_upgrade(neap_conn *conn, neap_settings *settings,
                      const neap_upgrade *upgrade) {
  if (conn->state != NEAP_CONN_ANSWER)
    return NEAP_ECLOSED;
  int err = neap_handshake_write_answer(
    neap_conn_cork(conn), upgrade->accept, upgrade->protocol,
    upgrade->protocol_len, upgrade->extensions, upgrade->extra,
    upgrade->extra_len);
  if (err)
    return err;
  if (neap_settings_silence(settings) != neap_settings_silence(conn->settings))
    neap_transport_bear(&conn->transport, neap_settings_silence(settings));
  neap_settings_retain(settings);
  neap_settings_release(conn->settings);
  conn->settings = settings;
  return neap_conn_open(conn, NEAP_SERVER, NULL, upgrade->deflate);
}

static void remember_cause(neap_conn *conn, enum neap_cause cause,
                           enum neap_by by, uint16_t code, const char *reason,
                           size_t reason_len) {
  if (conn->cause != NEAP_CAUSE_NONE)
    return;
  conn->cause = (uint8_t)cause;
  conn->by = (unsigned)by & 3;
  conn->code = code;
  neap_conn_set_reason(conn, reason, reason_len);
}

void neap_conn_begin_closing(neap_conn *conn, enum neap_cause cause,
                             enum neap_by by, uint16_t code, const char *reason,
                             size_t reason_len) {
  remember_cause(conn, cause, by, code, reason, reason_len);
  conn->state = NEAP_CONN_CLOSING;
  conn->is_resumed |= conn->is_paused;
  conn->is_paused = false;
  if (conn->conduct)
    neap_deadline_disarm(&conn->conduct->idle);
  neap_deadline_disarm(&conn->output->write);
  neap_topics_leave_all(conn);
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_CLOSE,
                conn->settings->close ? conn->settings->close : CLOSE_MS);
  if (conn->peer)
    conn->loop->events->closing(conn);
  neap_conn_update_interest(conn);
  neap_conn_mark_dirty(conn);
}

void neap_conn_close(neap_conn *conn, enum neap_cause cause, enum neap_by by,
                     uint16_t code, const char *reason, size_t reason_len) {
  if (conn->state < NEAP_CONN_OPEN) {
    neap_conn_abort(conn, cause, by);
    return;
  }
  if (conn->state != NEAP_CONN_OPEN)
    return;
  if (cause == NEAP_CAUSE_OVERFLOW)
    neap_conn_drop_output(conn);
  neap_conn_begin_closing(conn, cause, by, code ? code : NEAP_CLOSE_NO_CODE,
                          reason, reason_len);
  if (neap_conn_is_live(conn))
    neap_session_close(&conn->session, neap_conn_cork(conn), code, reason,
                       reason_len);
}

/* The session has put its Close frame into the cork already. */
void neap_conn_fail(neap_conn *conn) {
  uint16_t code = neap_session_fail_code(&conn->session);
  const char *text = neap_session_fail_text(&conn->session);
  enum neap_cause cause = code == NEAP_CLOSE_TOO_BIG    ? NEAP_CAUSE_TOO_BIG
                          : code == NEAP_CLOSE_POLICY   ? NEAP_CAUSE_RATE
                          : code == NEAP_CLOSE_INTERNAL ? NEAP_CAUSE_ERROR
                                                        : NEAP_CAUSE_PROTOCOL;
  enum neap_by by = cause == NEAP_CAUSE_PROTOCOL ? NEAP_BY_PEER : NEAP_BY_LOCAL;
  if (conn->state == NEAP_CONN_OPEN)
    neap_conn_begin_closing(conn, cause, by, code, text,
                            text ? strlen(text) : 0);
}

void neap_conn_terminate(neap_conn *conn) {
  neap_conn_abort(conn, NEAP_CAUSE_KILLED, NEAP_BY_LOCAL);
}

void neap_conn_abort(neap_conn *conn, enum neap_cause cause, enum neap_by by) {
  if (!neap_conn_is_live(conn))
    return;
  remember_cause(conn, cause, by, NEAP_CLOSE_ABNORMAL, NULL, 0);
  neap_transport_give_up(&conn->transport);
  neap_conn_release(conn);
}

void neap_conn_linger(neap_conn *conn, bool lingering) {
  if (conn->is_lingering == lingering || !neap_conn_is_live(conn))
    return;
  conn->is_lingering = lingering;
  if (!lingering && conn->state == NEAP_CONN_CLOSING)
    neap_conn_mark_dirty(conn);
}

/* A deadline that comes before stays: of the handshake, or of the close. */
void neap_conn_start_shutdown(neap_conn *conn) {
  uint64_t last = neap_loop_now(conn->loop) + SHUTDOWN_MS;
  bool is_bounded =
    neap_deadline_is_armed(&conn->deadline) && conn->deadline.at < last;
  conn->state = NEAP_CONN_SHUTDOWN;
  neap_deadline_disarm(&conn->output->write);
  /* The server drops TCP first (RFC 6455, 7.1.1). */
  neap_transport_shutdown(&conn->transport, conn->is_client);
  if (!is_bounded)
    neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_SHUTDOWN,
                  SHUTDOWN_MS);
  neap_conn_update_interest(conn);
}

/* Close frames went both ways; ours, the last of the queue, has left. */
static bool is_clean(const neap_conn *conn) {
  return conn->is_websocket && neap_session_close_sent(&conn->session) &&
         neap_session_close_received(&conn->session) &&
         neap_conn_buffered(conn) == 0;
}

/* The server drops TCP first. A peer that has said Close sends nothing that
 * would turn that into a reset, so nobody is waited for. */
bool neap_conn_is_over(const neap_conn *conn) {
  return is_clean(conn) && !conn->is_client && !conn->is_lingering &&
         conn->transport.tls == NULL;
}

void neap_conn_finish(neap_conn *conn) {
  if (conn->state != NEAP_CONN_CLOSING || conn->is_lingering)
    return;
  if (conn->is_eof) {
    neap_conn_release(conn);
    return;
  }
  if (conn->is_websocket && !neap_session_is_done(&conn->session))
    return;
  if (neap_conn_buffered(conn) > 0)
    return;
  if (neap_conn_is_over(conn))
    neap_conn_release(conn);
  else
    neap_conn_start_shutdown(conn);
}

static void free_conn(neap_conn *conn) {
  if (!conn->is_websocket)
    neap_blocks_give(&conn->loop->https, conn->http);
  neap_settings_release(conn->settings);
  neap_conn_free_output(conn);
  free(conn->conduct);
  free(conn);
}

static void bury(neap_conn *conn) {
  neap_transport_release(&conn->transport);
  const char *reason = conn->output->reason;
  neap_why why = {
    .cause = conn->cause,
    .by = conn->by,
    .code = conn->code,
    .clean = conn->is_clean,
    .status = conn->failure,
    .reason = reason,
    .reason_len = reason ? strlen(reason) : 0,
    .age = neap_loop_now(conn->loop) - conn->born.at,
    .sent = conn->sent,
    .received = conn->received,
    .dropped = conn->dropped,
  };
  if (conn->peer == NULL || conn->loop->events->closed(conn, &why))
    free_conn(conn);
  else
    neap_list_append(&conn->loop->dead, &conn->dirty);
}

void neap_conn_bury_all(neap_loop *loop) {
  neap_link dead, *link;
  neap_list_init(&dead);
  neap_list_splice(&dead, &loop->dead);
  while ((link = neap_list_take(&dead)) != NULL)
    bury(NEAP_CONTAINER(link, neap_conn, dirty));
}

static void release_session(neap_conn *conn) {
  if (!conn->is_websocket) {
    neap_http_release(conn);
    return;
  }
  neap_conn_end_reading(conn);
  neap_census_remove(&conn->loop->census, NEAP_CLASS_CONN, sizeof *conn);
}

/* Everything but the memory itself goes here, at once; the event and the free
 * wait for the end of the turn. */
void neap_conn_release(neap_conn *conn) {
  if (!neap_conn_is_live(conn))
    return;
  conn->state = NEAP_CONN_CLOSED;
  conn->is_clean = is_clean(conn);
  neap_link_remove(&conn->dirty);
  neap_deadline_disarm(&conn->deadline);
  if (conn->conduct)
    neap_deadline_disarm(&conn->conduct->idle);
  neap_topics_leave_all(conn);
  neap_conn_uncork(conn);
  neap_conn_end_output(conn);
  release_session(conn);
  neap_trim_note(conn->loop);
  neap_conn_ids_remove(&conn->loop->conn_ids, conn);
  neap_conn_leave(conn);
  neap_census_close(&conn->loop->census, &conn->born);
  neap_transport_close(&conn->transport);
  neap_list_append(&conn->loop->dead, &conn->dirty);
  neap_loop_wake(conn->loop);
}

static void on_close_deadline(neap_conn *conn) {
  if (conn->state == NEAP_CONN_SHUTDOWN || conn->state == NEAP_CONN_DISCARD)
    neap_conn_release(conn);
  else
    neap_conn_abort(conn, NEAP_CAUSE_NONE, NEAP_BY_LOCAL);
}

static void ask_for_pong(neap_conn *conn) {
  conn->is_pinged = true;
  neap_conn_ping(conn, NULL, 0);
  neap_loop_arm(conn->loop, &conn->deadline, NEAP_DEADLINE_PONG,
                conn->settings->pong);
}

static neap_conn *owner_of(neap_deadline *deadline,
                           enum neap_deadline_kind kind) {
  switch (kind) {
    case NEAP_DEADLINE_IDLE:
      return NEAP_CONTAINER(deadline, neap_conduct, idle)->conn;
    case NEAP_DEADLINE_WRITE:
      return NEAP_CONTAINER(deadline, neap_output, write)->conn;
    default: return NEAP_CONTAINER(deadline, neap_conn, deadline);
  }
}

void neap_conn_on_deadline(neap_deadline *deadline,
                           enum neap_deadline_kind kind) {
  if (kind == NEAP_DEADLINE_CONTEXT) {
    neap_context_expire(deadline);
    return;
  }
  neap_conn *conn = owner_of(deadline, kind);
  switch (kind) {
    case NEAP_DEADLINE_PING: ask_for_pong(conn); break;
    case NEAP_DEADLINE_PONG:
      neap_conn_abort(conn, NEAP_CAUSE_NO_PONG, NEAP_BY_LOCAL);
      break;
    case NEAP_DEADLINE_IDLE:
      neap_conn_close(conn, NEAP_CAUSE_IDLE, NEAP_BY_LOCAL,
                      NEAP_CLOSE_GOING_AWAY, "idle", 4);
      break;
    case NEAP_DEADLINE_WRITE:
      neap_conn_abort(conn, NEAP_CAUSE_WRITE_TIMEOUT, NEAP_BY_LOCAL);
      break;
    case NEAP_DEADLINE_KEEPALIVE: neap_conn_release(conn); break;
    case NEAP_DEADLINE_BODY: neap_http_on_body_deadline(conn); break;
    default: on_close_deadline(conn);
  }
}

size_t neap_conn_remote(const neap_conn *conn, char *dst, size_t size) {
  return neap_address_write(&conn->address, dst, size);
}
