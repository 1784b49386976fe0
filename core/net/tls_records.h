/* net/tls_records.h - TLS 1.3 once its handshake is done, without an SSL
 * object: that has 14 KB for each connection, this is a fifth of it.
 *
 * Memory to memory: bytes of the peer go in, plaintext comes out, and what the
 * peer must be told is appended to `out`. One that has failed stays failed. */

#ifndef NEAP_NET_TLS_RECORDS_H
#define NEAP_NET_TLS_RECORDS_H

#include "net/tls_way.h"
#include "proto/buffer.h"

typedef struct neap_tls_records {
  neap_tls_way in, out;
  neap_buffer rest; /* the beginning of a record that is not whole yet */
  uint32_t body;    /* of a message of the handshake: still to come */
  uint8_t head[4];  /* its type and length */
  uint8_t head_len; /* so much of that is there; 0: no message is begun */
  uint8_t barren;   /* records in a row that had no data */
  uint8_t alert;    /* why it has failed; 0: it has not */
  bool is_theirs;   /* the peer says so */
  bool is_notified; /* the peer's close_notify is there */
  bool is_client;
} neap_tls_records;

void neap_tls_records_free(neap_tls_records *records);

/* Decrypts what is whole of the len bytes to dst, and keeps the rest. Before
 * bytes there is room for what was kept, and dst is no later than that. Returns
 * how much plaintext that is; then is_notified and alert may be set. */
size_t neap_tls_records_read(neap_tls_records *records, uint8_t *dst,
                             uint8_t *bytes, size_t len, neap_buffer *out);

/* Where to put len bytes of the next record; NULL: no memory, it has failed. */
uint8_t *neap_tls_records_room(neap_tls_records *records, size_t len,
                               neap_buffer *out);

/* Appends the record that was filled there; false: it has failed. */
bool neap_tls_records_write(neap_tls_records *records, size_t len,
                            neap_buffer *out);

/* close_notify. */
void neap_tls_records_end(neap_tls_records *records, neap_buffer *out);

#endif
