/* net/output.h - what a connection has while the socket does not take all that
 * it writes, and when it ends with a reason. Most of the time it has none. */

#ifndef NEAP_NET_OUTPUT_H
#define NEAP_NET_OUTPUT_H

#include "net/deadline.h"
#include "net/queue.h"

struct neap_conn;

typedef struct neap_output {
  neap_queue queue;
  neap_deadline write; /* no byte of it has left for so long */
  char *reason;        /* of a close, or of a failure to open */
  struct neap_conn *conn;
} neap_output;

/* Of whoever has none: empty, and nothing can be put there. */
extern const neap_output neap_output_none;

#endif
