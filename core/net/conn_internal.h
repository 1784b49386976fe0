/* net/conn_internal.h - what the files of a connection share among them. */

#ifndef NEAP_NET_CONN_INTERNAL_H
#define NEAP_NET_CONN_INTERNAL_H

#include "net/conn.h"

/* conn.c */
void neap_conn_release(neap_conn *conn);
void neap_conn_abort(neap_conn *conn, enum neap_cause cause, enum neap_by by);
void neap_conn_fail(neap_conn *conn);
void neap_conn_begin_closing(neap_conn *conn, enum neap_cause cause,
                             enum neap_by by, uint16_t code, const char *reason,
                             size_t reason_len);
void neap_conn_arm_open(neap_conn *conn);
/* Writes no more, and waits for the peer's end; what it sends is dropped. */
void neap_conn_start_shutdown(neap_conn *conn);
/* Ends the connection if its closing has done all it waits for. */
void neap_conn_finish(neap_conn *conn);
/* Whether finish would release it, were its last bytes out. */
bool neap_conn_is_over(const neap_conn *conn);

/* conn.c, for the files beside it */
neap_conn *neap_conn_make(neap_loop *loop, int fd, neap_settings *settings);
neap_conn *neap_conn_make_on_pipe(neap_loop *loop, neap_pipe_end *end,
                                  neap_settings *settings);
int neap_conn_open(neap_conn *conn, enum neap_role role, neap_mask_source *mask,
                   const neap_deflate_terms *deflate);

/* dialer.c: the socket says how the connecting went. */
void neap_conn_connected(neap_conn *conn);
void neap_conn_send_request(neap_conn *conn);

/* conn_proxy.c: before all else the peer says whom it speaks for. */
void neap_conn_expect_proxy(neap_conn *conn);
void neap_conn_read_proxy(neap_conn *conn);

/* conn_admit.c */
/* Counts it among those of its address; false: there are too many. */
bool neap_conn_count_address(neap_conn *conn);
/* There are too many: says so, where the peer can read it, and ends. */
void neap_conn_refuse(neap_conn *conn, bool in_the_clear);
/* Gives back, once, what it was counted for. */
void neap_conn_leave(neap_conn *conn);

/* conn_tls.c: the socket is ready to go on with the TLS handshake. */
void neap_conn_handshake(neap_conn *conn);

/* conn_read.c */
void neap_conn_on_ready(neap_conn *conn, int ready);
void neap_conn_readable(neap_conn *conn);
/* Bytes that came behind the head wait in the session until the turn ends.
 * NEAP_OK or NEAP_ENOMEM. */
int neap_conn_keep(neap_conn *conn, uint8_t *bytes, size_t len);
/* For good: what the session was lent is given back. */
void neap_conn_end_reading(neap_conn *conn);
/* After a pause: what was received meanwhile. */
void neap_conn_read_on(neap_conn *conn);
/* Ends with the turn, for its caller goes on with it. */
void neap_conn_lose(neap_conn *conn);
/* Polls for what the state asks for. */
void neap_conn_update_interest(neap_conn *conn);

/* conn_output.c */
/* All has left: it is given back. */
void neap_conn_rest_output(neap_conn *conn);
neap_output *neap_conn_lend_output(neap_conn *conn);
/* Ends the connection, unless some byte leaves within length milliseconds. */
void neap_conn_await_progress(neap_conn *conn, uint64_t length);
/* The first one counts. */
void neap_conn_set_reason(neap_conn *conn, const char *text, size_t len);
/* Drops what has not left; the reason stays, until free_output. */
void neap_conn_end_output(neap_conn *conn);
void neap_conn_free_output(neap_conn *conn);

/* A place for what is queued; NULL: no memory. */
static inline neap_output *neap_conn_take_output(neap_conn *conn) {
  return conn->output == &neap_output_none ? neap_conn_lend_output(conn)
                                           : conn->output;
}

static inline void neap_conn_no_output(neap_conn *conn) {
  conn->output = (neap_output *)(uintptr_t)&neap_output_none;
}

/* conn_write.c */
/* Where the connection's next bytes go; NULL: no memory for earlier ones. */
neap_buffer *neap_conn_cork(neap_conn *conn);
/* Writes, or queues, what stands in the cork. */
void neap_conn_uncork(neap_conn *conn);
/* Writes bytes that are in no queue; what does not go out is queued. */
int neap_conn_write(neap_conn *conn, const struct iovec *vectors, int count);
/* What stands in the cork goes ahead of what is queued next. */
int neap_conn_queue_cork(neap_conn *conn);
/* Writes what the turn has gathered. NEAP_OK, NEAP_ENOMEM, or NEAP_ECLOSED: the
 * peer is gone, and conn ends with the turn. */
int neap_conn_try_now(neap_conn *conn);
/* The socket is full, or others are to have their turn first. */
void neap_conn_await_room(neap_conn *conn);
void neap_conn_writable(neap_conn *conn);
void neap_conn_mark_dirty(neap_conn *conn);
void neap_conn_drop_output(neap_conn *conn);

/* Bytes that wait for the socket. */
static inline size_t neap_conn_unsent(const neap_conn *conn) {
  return conn->output->queue.bytes + neap_transport_held(&conn->transport);
}

/* conn_send.c */
/* Counts queued messages that were dropped after all. */
void neap_conn_gave_up(neap_conn *conn, size_t count);

static inline bool neap_conn_is_live(const neap_conn *conn) {
  return conn->state != NEAP_CONN_CLOSED;
}

#endif
