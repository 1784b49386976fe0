/* Answers that are files: the kernel copies them, a piece at each turn. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/http_internal.h"
#include "proto/status.h"

/* TURN: what one file may send before others have their turn. PIECE: at once
 * where the kernel can't copy. */
enum { TURN = 256 * 1024, PIECE = 16 * 1024 };

typedef struct neap_http_file {
  int fd;
  off_t at;
  size_t left;
  neap_born born;
} neap_http_file;

static neap_http_file *open_file(neap_loop *loop, int fd, uint64_t at,
                                 size_t len) {
  neap_http_file *file = calloc(1, sizeof *file);
  if (file == NULL)
    return NULL;
  file->fd = fd;
  file->at = (off_t)at;
  file->left = len;
  file->born.size = sizeof *file;
  neap_descriptor_note(&loop->descriptors, fd);
  neap_census_open(&loop->census, &file->born, NEAP_CLASS_FILE,
                   neap_loop_now(loop));
  return file;
}

void neap_http_close_file(neap_conn *conn) {
  neap_http_file *file = conn->http->file;
  if (file == NULL)
    return;
  conn->http->file = NULL;
  neap_census_close(&conn->loop->census, &file->born);
  neap_descriptor_close(&conn->loop->descriptors, file->fd);
  free(file);
}

int neap_http_file_descriptor(const neap_conn *conn) {
  if (conn->is_websocket || conn->http->file == NULL)
    return -1;
  return conn->http->file->fd;
}

int neap_conn_answer_file(neap_conn *conn, const neap_http_answer *answer,
                          int fd, uint64_t at) {
  int err = NEAP_ECLOSED;
  if (conn->state == NEAP_CONN_ANSWER && !conn->http->writing)
    err = neap_http_begin(conn, answer);
  if (err || conn->http->writing == NEAP_HTTP_NOTHING || !answer->body_len) {
    close(fd);
    if (!err)
      neap_http_answered(conn);
    return err;
  }
  conn->http->file = open_file(conn->loop, fd, at, answer->body_len);
  if (conn->http->file == NULL) {
    close(fd);
    neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
    return NEAP_ENOMEM;
  }
  conn->http->writing = NEAP_HTTP_FILE;
  neap_conn_uncork(conn);
  if (neap_conn_is_live(conn) && !conn->is_backlogged)
    neap_http_send_file(conn);
  return NEAP_OK;
}

/* Where the kernel can't copy. What the socket does not take is queued. */
static ssize_t copy_piece(neap_conn *conn, neap_http_file *file, size_t len) {
  char piece[PIECE];
  ssize_t n = pread(file->fd, piece, len < PIECE ? len : PIECE, file->at);
  if (n <= 0)
    return n;
  file->at += n;
  return neap_http_put_now(conn, piece, (size_t)n) ? -1 : n;
}

static ssize_t send_piece(neap_conn *conn, neap_http_file *file, size_t len) {
  ssize_t n =
    neap_transport_sendfile(&conn->transport, file->fd, &file->at, len);
  if (n < 0 && errno == ENOTSUP)
    return copy_piece(conn, file, len);
  return n;
}

/* A file that was cut short meanwhile leaves the answer without its end. */
static void fail(neap_conn *conn) {
  neap_conn_abort(conn, NEAP_CAUSE_ERROR, NEAP_BY_LOCAL);
}

void neap_http_send_file(neap_conn *conn) {
  neap_http_file *file = conn->http->file;
  size_t budget = TURN;
  while (file->left && budget && !conn->is_backlogged) {
    size_t len = file->left < budget ? file->left : budget;
    ssize_t n = send_piece(conn, file, len);
    if (!neap_conn_is_live(conn))
      return;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      break;
    if (n <= 0) {
      fail(conn);
      return;
    }
    file->left -= (size_t)n;
    budget -= (size_t)n;
  }
  if (file->left) {
    neap_conn_await_room(conn);
    return;
  }
  neap_http_close_file(conn);
  neap_http_answered(conn);
}
