/* net/queue.h - what a connection still has to write.
 *
 * A list of segments: bytes of its own, or a reference to a frame. A frame that
 * was queued as a message may be dropped again until its first byte has left;
 * what is queued otherwise never is. An empty queue owns nothing; segments for
 * frames come from a free list, so that a publish allocates nothing. */

#ifndef NEAP_NET_QUEUE_H
#define NEAP_NET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/census.h"
#include "net/frame_buffer.h"
#include "net/latest.h"

typedef struct neap_segment {
  struct neap_segment *next;
  neap_frame_buffer *frame; /* NULL: the bytes are behind the segment */
  const uint8_t *data;      /* what is left of it */
  size_t len;
  union {
    size_t room;  /* of own bytes */
    uint64_t key; /* of a message; 0 = none */
  };
  struct neap_segment *same; /* in the table of the newest */
  bool is_message;           /* may be dropped */
  bool is_newest;            /* of its key */
} neap_segment;

typedef struct neap_queue {
  neap_segment *first;
  neap_segment *last;
  size_t bytes;
  uint32_t count; /* segments */
} neap_queue;

/* What all queues of a loop share. */
typedef struct neap_segment_pool {
  neap_census *census;
  neap_frame_pool *frames;
  neap_latest latest;
  neap_segment *free;
  size_t count;
} neap_segment_pool;

void neap_segment_pool_release(neap_segment_pool *pool);

/* All three NEAP_OK or NEAP_ENOMEM; a frame is retained. Of vectors, all bytes
 * behind the first skip are copied, and stay together. */
int neap_queue_append(neap_queue *queue, neap_segment_pool *pool,
                      const struct iovec *vectors, int count, size_t skip);
int neap_queue_append_frame(neap_queue *queue, neap_segment_pool *pool,
                            neap_frame_buffer *frame);
int neap_queue_append_message(neap_queue *queue, neap_segment_pool *pool,
                              neap_frame_buffer *frame, uint64_t key);

/* Puts frame in the place of the newest message of that key, if one waits whose
 * first byte has not left. */
bool neap_queue_replace(neap_queue *queue, neap_segment_pool *pool,
                        neap_frame_buffer *frame, uint64_t key);

/* Drops the message that has waited longest; false when there is none. */
bool neap_queue_drop_oldest(neap_queue *queue, neap_segment_pool *pool);

/* Drops all messages but the newest of each key; returns how many. */
size_t neap_queue_conflate(neap_queue *queue, neap_segment_pool *pool);

/* What it holds in memory, for limits.queue: its bytes, and what each message
 * costs beside them. */
static inline size_t neap_queue_cost(const neap_queue *queue) {
  return queue->bytes + (size_t)queue->count * NEAP_FRAME_COST;
}

/* Fills at most max vectors from the front; returns how many. */
int neap_queue_vectors(const neap_queue *queue, struct iovec *vectors, int max);

/* n bytes have left. */
void neap_queue_sent(neap_queue *queue, neap_segment_pool *pool, size_t n);

void neap_queue_clear(neap_queue *queue, neap_segment_pool *pool);

#endif
