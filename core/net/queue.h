/* net/queue.h - what a connection still has to write.
 *
 * A list of segments: bytes of its own, or a reference to a shared frame. An
 * empty queue owns nothing; segments for shared frames come from a free list,
 * so that a publish allocates nothing per subscriber. */

#ifndef NEAP_NET_QUEUE_H
#define NEAP_NET_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/census.h"
#include "net/frame_buffer.h"

typedef struct neap_segment {
  struct neap_segment *next;
  neap_frame_buffer *frame; /* NULL: the bytes are behind the segment */
  const uint8_t *data;      /* what is left of it */
  size_t len;
  size_t room; /* own bytes: free space behind data + len */
} neap_segment;

typedef struct neap_queue {
  neap_segment *first;
  neap_segment *last;
  size_t bytes;
} neap_queue;

/* Segments not in use, shared by all queues of a loop. */
typedef struct neap_segment_pool {
  neap_census *census;
  neap_segment *free;
  size_t count;
} neap_segment_pool;

void neap_segment_pool_release(neap_segment_pool *pool);

/* Both NEAP_OK or NEAP_ENOMEM; bytes are copied, a frame is retained. */
int neap_queue_append(neap_queue *queue, neap_segment_pool *pool,
                      const void *bytes, size_t len);
int neap_queue_append_frame(neap_queue *queue, neap_segment_pool *pool,
                            neap_frame_buffer *frame);

/* Fills at most max vectors from the front; returns how many. */
int neap_queue_vectors(const neap_queue *queue, struct iovec *vectors, int max);

/* n bytes have left. */
void neap_queue_sent(neap_queue *queue, neap_segment_pool *pool, size_t n);

/* Drops all that has not begun to leave (begun tells whether the first segment
 * has), or everything. */
void neap_queue_clear(neap_queue *queue, neap_segment_pool *pool);

#endif
