/* What a connection is given to send, and what becomes of it when the peer does
 * not read. */

#include <string.h>

#include "net/conn_internal.h"
#include "net/context.h"
#include "net/hash.h"
#include "proto/close_code.h"
#include "proto/status.h"
#include "proto/utf8.h"

/* DIRECT: a payload from here on is written from where it is, not copied.
 * CORK_MAX: what one callback gathers before it is written after all. */
enum { DIRECT = 16 * 1024, CORK_MAX = 128 * 1024 };

static void count_dropped(neap_conn *conn, size_t count) {
  conn->dropped += (uint32_t)count;
  conn->loop->dropped += count;
}

void neap_conn_gave_up(neap_conn *conn, size_t count) {
  conn->sent -= count;
  count_dropped(conn, count);
}

static inline size_t cost_of(const neap_conn *conn) {
  size_t corked = conn->loop->corked == conn ? conn->loop->cork.len : 0;
  return neap_queue_cost(&conn->output->queue) + corked +
         neap_transport_held(&conn->transport);
}

/* Queued messages are dropped, the oldest first, until len more fit. */
static bool drop_for(neap_conn *conn, size_t len) {
  size_t limit = conn->settings->queue;
  while (limit && cost_of(conn) + len > limit) {
    if (!neap_queue_drop_oldest(&conn->output->queue, &conn->loop->segments))
      return false;
    neap_conn_gave_up(conn, 1);
  }
  return true;
}

static inline bool may_drop(enum neap_overflow overflow) {
  return overflow == NEAP_OVERFLOW_DROP_OLD || overflow == NEAP_OVERFLOW_LATEST;
}

/* The queue is full. What was sent in this turn may not have been tried yet;
 * if the socket does not take it, the policy says what goes. Where that is the
 * connection, it waits for the end of the turn: a publish is walking over
 * connections now. */
static int find_room(neap_conn *conn, size_t len, enum neap_overflow overflow) {
  if (!conn->is_backlogged) {
    int err = neap_conn_try_now(conn);
    if (err)
      return err;
    if (cost_of(conn) + len <= conn->settings->queue)
      return NEAP_OK;
  }
  conn->owes_writable = true;
  if (may_drop(overflow) && drop_for(conn, len))
    return NEAP_OK;
  if (overflow == NEAP_OVERFLOW_CLOSE) {
    conn->is_overflowing = true;
    neap_conn_mark_dirty(conn);
  }
  return NEAP_EOVERFLOW;
}

static int check_full(neap_conn *conn, size_t len,
                      enum neap_overflow overflow) {
  size_t limit = conn->settings->queue;
  if (limit == 0)
    return NEAP_OK;
  if (len > limit)
    return NEAP_ETOOBIG;
  if (cost_of(conn) + len > limit)
    return find_room(conn, len, overflow);
  if (conn->is_backlogged)
    conn->owes_writable = true;
  return NEAP_OK;
}

/* Whether len more bytes may be queued: NEAP_OK, NEAP_ECLOSED, NEAP_ETOOBIG or
 * NEAP_EOVERFLOW. Below the high mark there is nothing to ask. */
static inline int check_room(neap_conn *conn, size_t len,
                             enum neap_overflow overflow) {
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  if (cost_of(conn) + len <= conn->settings->queue / 2)
    return NEAP_OK;
  return check_full(conn, len, overflow);
}

bool neap_conn_may_queue(neap_conn *conn, size_t len) {
  size_t limit = conn->settings->queue;
  if (conn->state != NEAP_CONN_OPEN || limit == 0 || len > limit ||
      cost_of(conn) + len <= limit)
    return true;
  conn->owes_writable = true;
  neap_conn_mark_dirty(conn);
  return false;
}

/* A key is the same for one name on one connection only. */
static uint64_t key_on(const neap_conn *conn, uint64_t key) {
  return neap_hash_mix(key ^ neap_hash_mix((uint64_t)(uintptr_t)conn)) | 1;
}

static bool replace(neap_conn *conn, neap_frame_buffer *frame, uint64_t key) {
  if (!conn->is_backlogged ||
      !neap_queue_replace(&conn->output->queue, &conn->loop->segments, frame,
                          key))
    return false;
  count_dropped(conn, 1);
  drop_for(conn, 0);
  return true;
}

static int queue_message(neap_conn *conn, neap_frame_buffer *frame,
                         uint64_t key) {
  neap_output *output = neap_conn_take_output(conn);
  if (output == NULL)
    return NEAP_ENOMEM;
  return neap_queue_append_message(&output->queue, &conn->loop->segments, frame,
                                   key);
}

/* Queues a frame as a message that may be dropped again. */
static int send_message(neap_conn *conn, neap_frame_buffer *frame,
                        enum neap_overflow overflow, uint64_t key) {
  size_t limit = conn->settings->queue;
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  if (limit && frame->payload > limit)
    return NEAP_ETOOBIG;
  key = overflow == NEAP_OVERFLOW_LATEST ? key_on(conn, key) : 0;
  if (key && replace(conn, frame, key))
    return 1;
  int err = check_room(conn, frame->payload, overflow);
  if (!err)
    err = neap_conn_queue_cork(conn);
  if (!err)
    err = queue_message(conn, frame, key);
  if (err)
    return err;
  conn->sent++;
  neap_conn_mark_dirty(conn);
  return conn->is_backlogged ? 1 : NEAP_OK;
}

static int queue_frame(neap_conn *conn, neap_frame_buffer *frame) {
  neap_output *output = neap_conn_take_output(conn);
  if (output == NULL)
    return NEAP_ENOMEM;
  return neap_queue_append_frame(&output->queue, &conn->loop->segments, frame);
}

static inline int send_shared(neap_conn *conn, neap_frame_buffer *frame,
                              enum neap_overflow overflow) {
  int err = check_room(conn, frame->payload, overflow);
  if (err)
    return err;
  if (conn->loop->corked == conn)
    err = neap_buffer_append(&conn->loop->cork, frame->bytes, frame->len);
  else
    err = queue_frame(conn, frame);
  if (err)
    return err;
  conn->sent++;
  neap_conn_mark_dirty(conn);
  return conn->is_backlogged ? 1 : NEAP_OK;
}

int neap_conn_send_frame(neap_conn *conn, neap_frame_buffer *frame,
                         enum neap_overflow overflow, uint64_t key) {
  if (overflow == NEAP_OVERFLOW_ROUTE)
    overflow = conn->settings->overflow;
  int err = may_drop(overflow) ? send_message(conn, frame, overflow, key)
                               : send_shared(conn, frame, overflow);
  if (err < 0 && err != NEAP_ECLOSED)
    count_dropped(conn, 1);
  return err;
}

/* How one message is to be sent. */
struct sending {
  enum neap_opcode opcode;
  const void *data;
  size_t len;
  enum neap_overflow overflow;
  uint64_t key;
  bool deflates;
};

static int encode(neap_conn *conn, neap_buffer *cork, const struct sending *m) {
  if (!m->deflates)
    return neap_session_send_plain(&conn->session, cork, m->opcode, m->data,
                                   m->len);
  int err = neap_session_send(&conn->session, cork, m->opcode, m->data, m->len);
  neap_context_used(conn);
  return err;
}

/* Encoded like any other, then taken out of the cork as a frame by itself. */
static int send_droppable(neap_conn *conn, const struct sending *m) {
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  if (conn->settings->queue && m->len > conn->settings->queue)
    return NEAP_ETOOBIG;
  neap_buffer *cork = neap_conn_cork(conn);
  size_t before = cork->len;
  int err = encode(conn, cork, m);
  if (err)
    return err;
  neap_frame_buffer *frame = neap_frame_buffer_copy(
    &conn->loop->frames, cork->data + before, cork->len - before, m->len);
  cork->len = before;
  if (frame == NULL)
    return NEAP_ENOMEM;
  err = send_message(conn, frame, m->overflow, m->key);
  neap_frame_buffer_release(frame, &conn->loop->frames);
  return err;
}

static int send_direct(neap_conn *conn, neap_buffer *cork,
                       enum neap_opcode opcode, const void *data, size_t len) {
  if (opcode == NEAP_OP_TEXT && !neap_utf8_is_valid(data, len))
    return NEAP_EPROTO;
  int err = neap_session_send_head(&conn->session, cork, opcode, len);
  if (err)
    return err;
  struct iovec vectors[] = {{cork->data, cork->len},
                            {(void *)(uintptr_t)data, len}};
  cork->len = 0;
  return neap_conn_write(conn, vectors, 2);
}

static int send_corked(neap_conn *conn, const struct sending *m) {
  int err = check_room(conn, m->len, m->overflow);
  if (err)
    return err;
  neap_buffer *cork = neap_conn_cork(conn);
  if (m->len >= DIRECT && !m->deflates && conn->session.mask == NULL)
    err = send_direct(conn, cork, m->opcode, m->data, m->len);
  else
    err = encode(conn, cork, m);
  if (err)
    return err;
  conn->sent++;
  if (cork->len > CORK_MAX)
    neap_conn_uncork(conn);
  return conn->is_backlogged ? 1 : NEAP_OK;
}

static int send_as(neap_conn *conn, const struct sending *m) {
  int err =
    may_drop(m->overflow) ? send_droppable(conn, m) : send_corked(conn, m);
  if (err == NEAP_EOVERFLOW && m->overflow != NEAP_OVERFLOW_WAIT)
    count_dropped(conn, 1);
  return err;
}

/* What may be dropped again must not be part of a context that goes on: the
 * peer would lack it. */
static bool may_deflate(const neap_conn *conn, size_t len,
                        enum neap_overflow overflow) {
  return conn->is_websocket && neap_session_deflates(&conn->session, len) &&
         (!may_drop(overflow) || neap_deflate_class(conn->session.deflate));
}

int neap_conn_send_under(neap_conn *conn, enum neap_opcode opcode,
                         const void *data, size_t len,
                         enum neap_overflow overflow, uint64_t key) {
  if (overflow == NEAP_OVERFLOW_ROUTE)
    overflow = conn->settings->overflow;
  return send_as(conn, &(struct sending){opcode, data, len, overflow, key,
                                         may_deflate(conn, len, overflow)});
}

int neap_conn_send(neap_conn *conn, enum neap_opcode opcode, const void *data,
                   size_t len, uint64_t key) {
  return neap_conn_send_under(conn, opcode, data, len, NEAP_OVERFLOW_ROUTE,
                              key);
}

int neap_conn_send_plain(neap_conn *conn, enum neap_opcode opcode,
                         const void *data, size_t len, uint64_t key) {
  return send_as(conn, &(struct sending){opcode, data, len,
                                         conn->settings->overflow, key, false});
}

int neap_conn_ping(neap_conn *conn, const void *data, size_t len) {
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  return neap_session_send(&conn->session, neap_conn_cork(conn), NEAP_OP_PING,
                           data, len);
}
