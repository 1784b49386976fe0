/* What a connection needs for what the socket does not take at once: lent to it,
 * and given back when all has left. */

#include <stdlib.h>
#include <string.h>

#include "net/conn_internal.h"

const neap_output neap_output_none;

static bool has_output(const neap_conn *conn) {
  return conn->output != &neap_output_none;
}

neap_output *neap_conn_lend_output(neap_conn *conn) {
  neap_output *output = neap_blocks_take(&conn->loop->outputs);
  if (output) {
    output->conn = conn;
    conn->output = output;
  }
  return output;
}

void neap_conn_rest_output(neap_conn *conn) {
  neap_output *output = conn->output;
  neap_deadline_disarm(&output->write);
  if (!has_output(conn) || output->reason)
    return;
  neap_conn_no_output(conn);
  neap_blocks_give(&conn->loop->outputs, output);
}

void neap_conn_await_progress(neap_conn *conn, uint64_t length) {
  neap_output *output = length ? neap_conn_take_output(conn) : conn->output;
  if (output)
    neap_loop_arm(conn->loop, &output->write, NEAP_DEADLINE_WRITE, length);
  else
    neap_conn_lose(conn);
}

/* Without memory it has none. */
void neap_conn_set_reason(neap_conn *conn, const char *text, size_t len) {
  neap_output *output = len ? neap_conn_take_output(conn) : NULL;
  if (output && output->reason == NULL)
    output->reason = strndup(text, len);
}

void neap_conn_end_output(neap_conn *conn) {
  neap_output *output = conn->output;
  neap_deadline_disarm(&output->write);
  neap_queue_clear(&output->queue, &conn->loop->segments);
}

void neap_conn_free_output(neap_conn *conn) {
  if (!has_output(conn))
    return;
  free(conn->output->reason);
  conn->output->reason = NULL;
  neap_conn_rest_output(conn);
}
