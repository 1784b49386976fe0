#include <errno.h>

#include "net/http_internal.h"
#include "net/topic.h"
#include "proto/close_code.h"
#include "proto/status.h"

enum { VECTORS = 64 };

static bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Bytes written, 0 when the socket is full, -1 when the peer is gone. */
static ssize_t write_vectors(neap_conn *conn, const struct iovec *vectors,
                             int count) {
  bool is_last =
    count == 1 && conn->state == NEAP_CONN_CLOSING && neap_conn_is_over(conn);
  ssize_t n = is_last ? neap_transport_send_last(&conn->transport, vectors)
                      : neap_transport_write(&conn->transport, vectors, count);
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
void neap_conn_await_room(neap_conn *conn) {
  if (!conn->is_backlogged)
    neap_conn_gave_up(
      conn, neap_queue_conflate(&conn->output->queue, &conn->loop->segments));
  conn->is_backlogged = true;
  if (conn->state != NEAP_CONN_CLOSING || !conn->is_websocket)
    neap_conn_await_progress(conn, conn->settings->write);
  neap_conn_update_interest(conn);
}

/* The peer is gone, or there is no memory for what it does not take. */
static void lose(neap_conn *conn, enum neap_cause cause, enum neap_by by) {
  if (!neap_topics_are_walked(conn->loop->topics)) {
    neap_conn_abort(conn, cause, by);
    return;
  }
  neap_conn_lose(conn);
}

static int queue_bytes(neap_conn *conn, const struct iovec *vectors, int count,
                       size_t skip) {
  neap_output *output = neap_conn_take_output(conn);
  if (output == NULL)
    return NEAP_ENOMEM;
  return neap_queue_append(&output->queue, &conn->loop->segments, vectors,
                           count, skip);
}

int neap_conn_write(neap_conn *conn, const struct iovec *vectors, int count) {
  ssize_t n = 0;
  if (neap_conn_unsent(conn) == 0) {
    n = write_vectors(conn, vectors, count);
    if (n < 0) {
      lose(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
      return NEAP_ECLOSED;
    }
  }
  if (count == 1 && (size_t)n == vectors->iov_len)
    return NEAP_OK;
  if (queue_bytes(conn, vectors, count, (size_t)n)) {
    lose(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return NEAP_ENOMEM;
  }
  if (neap_conn_unsent(conn) > 0 && !conn->is_backlogged)
    neap_conn_await_room(conn);
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
    neap_conn_write(conn, &bytes, 1);
}

void neap_conn_drop_output(neap_conn *conn) {
  neap_queue *queue = &conn->output->queue;
  neap_segment *first = queue->first;
  if (conn->loop->corked == conn)
    conn->loop->cork.len = 0;
  if (first == NULL)
    return;
  if (!conn->is_backlogged) {
    neap_queue_clear(queue, &conn->loop->segments);
    return;
  }
  neap_queue rest = {.first = first->next,
                     .last = first->next ? queue->last : NULL,
                     .bytes = queue->bytes - first->len,
                     .count = queue->count - 1};
  first->next = NULL;
  *queue = (neap_queue){first, first, first->len, 1};
  neap_queue_clear(&rest, &conn->loop->segments);
}

size_t neap_conn_buffered(const neap_conn *conn) {
  size_t corked = conn->loop->corked == conn ? conn->loop->cork.len : 0;
  return neap_conn_unsent(conn) + corked;
}

/* Writes what the socket takes; false: the peer is gone. */
static bool write_queue(neap_conn *conn) {
  struct iovec vectors[VECTORS];
  if (neap_transport_flush(&conn->transport))
    return false;
  neap_queue *queue = &conn->output->queue;
  while (queue->bytes) {
    int count = neap_queue_vectors(queue, vectors, VECTORS);
    ssize_t n = write_vectors(conn, vectors, count);
    if (n <= 0)
      return n == 0;
    neap_queue_sent(queue, &conn->loop->segments, (size_t)n);
  }
  return true;
}

/* A quarter of what may wait: there is work left while the script makes more. */
static bool is_below_low(const neap_conn *conn) {
  return neap_conn_buffered(conn) <= conn->settings->queue / 4;
}

static void tell_writable(neap_conn *conn) {
  conn->owes_writable = false;
  if (conn->state == NEAP_CONN_OPEN && conn->peer)
    conn->loop->events->writable(conn);
}

static void on_drained(neap_conn *conn) {
  bool is_owed = conn->is_backlogged || conn->owes_writable;
  conn->is_backlogged = false;
  neap_conn_rest_output(conn);
  if (conn->interest & NEAP_WRITABLE)
    neap_conn_update_interest(conn);
  if (is_owed)
    tell_writable(conn);
  if (is_owed && !conn->is_websocket)
    neap_http_drained(conn);
  neap_conn_finish(conn);
}

void neap_conn_writable(neap_conn *conn) {
  size_t before = neap_conn_unsent(conn);
  if (!write_queue(conn)) {
    neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
    return;
  }
  if (neap_conn_unsent(conn) == 0) {
    on_drained(conn);
    return;
  }
  if (neap_conn_unsent(conn) < before || !conn->is_backlogged)
    neap_conn_await_room(conn);
  if (conn->owes_writable && is_below_low(conn))
    tell_writable(conn);
}

int neap_conn_queue_cork(neap_conn *conn) {
  neap_loop *loop = conn->loop;
  if (loop->corked != conn || loop->cork.len == 0)
    return NEAP_OK;
  struct iovec bytes = {loop->cork.data, loop->cork.len};
  loop->cork.len = 0;
  return queue_bytes(conn, &bytes, 1, 0);
}

int neap_conn_try_now(neap_conn *conn) {
  int err = neap_conn_queue_cork(conn);
  if (err)
    return err;
  neap_conn_mark_dirty(conn);
  if (!write_queue(conn))
    return NEAP_ECLOSED;
  if (neap_conn_unsent(conn))
    neap_conn_await_room(conn);
  else
    neap_conn_rest_output(conn);
  return NEAP_OK;
}

static void flush(neap_conn *conn) {
  if (conn->is_lost) {
    neap_conn_abort(conn, NEAP_CAUSE_RESET, NEAP_BY_NET);
    return;
  }
  if (conn->is_overflowing)
    neap_conn_close(conn, NEAP_CAUSE_OVERFLOW, NEAP_BY_LOCAL,
                    NEAP_CLOSE_TRY_LATER, "too slow", 8);
  neap_conn_uncork(conn);
  if (neap_conn_is_live(conn) && neap_conn_unsent(conn) && !conn->is_backlogged)
    neap_conn_writable(conn);
  if (neap_conn_is_live(conn) && conn->owes_writable && is_below_low(conn))
    tell_writable(conn);
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
