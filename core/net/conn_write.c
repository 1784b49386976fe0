#include <errno.h>

#include "net/conn_internal.h"
#include "proto/close_code.h"
#include "proto/status.h"
#include "proto/utf8.h"

/* DIRECT: a payload from here on is written from where it is, not copied.
 * CORK_MAX: what one callback gathers before it is written after all. */
enum { DIRECT = 16 * 1024, CORK_MAX = 128 * 1024, VECTORS = 64 };

static bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Bytes written, 0 when the socket is full, -1 when the peer is gone. */
static ssize_t write_vectors(neap_conn *conn, const struct iovec *vectors,
                             int count) {
  ssize_t n = neap_transport_write(&conn->transport, vectors, count);
  if (n < 0 && is_full(errno))
    return 0;
  return n;
}

void neap_conn_mark_dirty(neap_conn *conn) {
  if (!neap_link_is_linked(&conn->dirty)) {
    neap_list_append(&conn->loop->dirty, &conn->dirty);
    neap_loop_wake(conn->loop);
  }
}

/* The socket took less than all: wait until it is writable, but not for
 * ever. Each byte of progress starts the deadline again. */
static void wait_for_room(neap_conn *conn) {
  conn->is_backlogged = true;
  if (conn->state != NEAP_CONN_CLOSING || !conn->is_websocket)
    neap_loop_arm(conn->loop, &conn->write, NEAP_DEADLINE_WRITE,
                  conn->settings->write);
  neap_conn_update_interest(conn);
}

static int queue_rest(neap_conn *conn, const struct iovec *vectors, int count,
                      size_t written) {
  for (int i = 0; i < count; i++) {
    const uint8_t *data = vectors[i].iov_base;
    size_t len = vectors[i].iov_len;
    size_t skip = written < len ? written : len;
    written -= skip;
    int err = neap_queue_append(&conn->queue, &conn->loop->segments,
                                data + skip, len - skip);
    if (err)
      return err;
  }
  return NEAP_OK;
}

/* Writes bytes that are in no queue; what does not go out is queued. */
static int write_now(neap_conn *conn, const struct iovec *vectors, int count) {
  ssize_t n = 0;
  if (neap_conn_unsent(conn) == 0) {
    n = write_vectors(conn, vectors, count);
    if (n < 0) {
      neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
      return NEAP_ECLOSED;
    }
  }
  if (queue_rest(conn, vectors, count, (size_t)n)) {
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return NEAP_ENOMEM;
  }
  if (neap_conn_unsent(conn) > 0 && !conn->is_backlogged)
    wait_for_room(conn);
  return NEAP_OK;
}

neap_buffer *neap_conn_cork(neap_conn *conn) {
  neap_loop *loop = conn->loop;
  if (loop->corked != conn) {
    if (loop->corked)
      neap_conn_uncork(loop->corked);
    loop->corked = conn;
    if (!conn->is_reading)
      neap_conn_mark_dirty(conn);
  }
  return &loop->cork;
}

void neap_conn_uncork(neap_conn *conn) {
  neap_loop *loop = conn->loop;
  if (loop->corked != conn)
    return;
  loop->corked = NULL;
  struct iovec bytes = {loop->cork.data, loop->cork.len};
  loop->cork.len = 0;
  if (bytes.iov_len && neap_conn_is_live(conn))
    write_now(conn, &bytes, 1);
}

void neap_conn_drop_output(neap_conn *conn) {
  neap_segment *first = conn->queue.first;
  if (conn->loop->corked == conn)
    conn->loop->cork.len = 0;
  if (first == NULL)
    return;
  if (!conn->is_backlogged) {
    neap_queue_clear(&conn->queue, &conn->loop->segments);
    return;
  }
  neap_queue rest = {.first = first->next,
                     .last = first->next ? conn->queue.last : NULL,
                     .bytes = conn->queue.bytes - first->len};
  first->next = NULL;
  conn->queue = (neap_queue){first, first, first->len};
  neap_queue_clear(&rest, &conn->loop->segments);
}

size_t neap_conn_buffered(const neap_conn *conn) {
  size_t corked = conn->loop->corked == conn ? conn->loop->cork.len : 0;
  return neap_conn_unsent(conn) + corked;
}

/* Whether len more bytes may be queued. Where the policy is to close, that is
 * left to the end of the turn: a publish is walking over connections now. */
static int check_room(neap_conn *conn, size_t len) {
  size_t limit = conn->settings->queue;
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  if (limit == 0)
    return NEAP_OK;
  if (len > limit)
    return NEAP_ETOOBIG;
  if (conn->queue.bytes + len <= limit)
    return NEAP_OK;
  if (conn->settings->overflow == NEAP_OVERFLOW_CLOSE) {
    conn->is_overflowing = true;
    neap_conn_mark_dirty(conn);
  }
  return NEAP_EOVERFLOW;
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
  return write_now(conn, vectors, 2);
}

int neap_conn_send(neap_conn *conn, enum neap_opcode opcode, const void *data,
                   size_t len) {
  int err = check_room(conn, len);
  if (err)
    return err;
  neap_buffer *cork = neap_conn_cork(conn);
  if (len >= DIRECT && conn->session.mask == NULL)
    err = send_direct(conn, cork, opcode, data, len);
  else
    err = neap_session_send(&conn->session, cork, opcode, data, len);
  if (err)
    return err;
  conn->sent++;
  if (cork->len > CORK_MAX)
    neap_conn_uncork(conn);
  return conn->is_backlogged ? 1 : NEAP_OK;
}

int neap_conn_send_frame(neap_conn *conn, neap_frame_buffer *frame) {
  int err = check_room(conn, frame->len);
  if (err)
    return err;
  if (conn->loop->corked == conn)
    err = neap_buffer_append(&conn->loop->cork, frame->bytes, frame->len);
  else
    err = neap_queue_append_frame(&conn->queue, &conn->loop->segments, frame);
  if (err)
    return err;
  conn->sent++;
  neap_conn_mark_dirty(conn);
  return conn->is_backlogged ? 1 : NEAP_OK;
}

int neap_conn_ping(neap_conn *conn, const void *data, size_t len) {
  if (conn->state != NEAP_CONN_OPEN)
    return NEAP_ECLOSED;
  return neap_session_send(&conn->session, neap_conn_cork(conn), NEAP_OP_PING,
                           data, len);
}

static void on_drained(neap_conn *conn) {
  bool was_backlogged = conn->is_backlogged;
  conn->is_backlogged = false;
  neap_deadline_disarm(&conn->write);
  neap_conn_update_interest(conn);
  if (was_backlogged && conn->state == NEAP_CONN_OPEN && conn->peer)
    conn->loop->events->writable(conn);
  neap_conn_finish(conn);
}

void neap_conn_writable(neap_conn *conn) {
  struct iovec vectors[VECTORS];
  size_t before = neap_conn_unsent(conn);
  if (neap_transport_flush(&conn->transport)) {
    neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
    return;
  }
  while (conn->queue.bytes) {
    int count = neap_queue_vectors(&conn->queue, vectors, VECTORS);
    ssize_t n = write_vectors(conn, vectors, count);
    if (n < 0) {
      neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
      return;
    }
    if (n == 0)
      break;
    neap_queue_sent(&conn->queue, &conn->loop->segments, (size_t)n);
  }
  if (neap_conn_unsent(conn) == 0)
    on_drained(conn);
  else if (neap_conn_unsent(conn) < before || !conn->is_backlogged)
    wait_for_room(conn);
}

static void flush(neap_conn *conn) {
  if (conn->is_overflowing)
    neap_conn_close(conn, NEAP_CAUSE_OVERFLOW, NEAP_BY_LOCAL,
                    NEAP_CLOSE_TRY_LATER, "too slow", 8);
  neap_conn_uncork(conn);
  if (neap_conn_is_live(conn) && neap_conn_unsent(conn) && !conn->is_backlogged)
    neap_conn_writable(conn);
  if (neap_conn_is_live(conn))
    neap_conn_finish(conn);
}

void neap_conn_flush_all(neap_loop *loop) {
  neap_link dirty, *link;
  neap_list_init(&dirty);
  neap_list_splice(&dirty, &loop->dirty);
  while ((link = neap_list_take(&dirty)) != NULL) {
    neap_conn *conn = NEAP_CONTAINER(link, neap_conn, dirty);
    if (conn->is_resumed)
      neap_conn_read_on(conn);
    if (neap_conn_is_live(conn))
      flush(conn);
  }
}
