#include "net/queue.h"

#include <stdlib.h>
#include <string.h>

#include "proto/status.h"

enum { OWN_BYTES_MIN = 2048, POOL_MAX = 65536 };

static void push(neap_queue *queue, neap_segment *segment) {
  segment->next = NULL;
  if (queue->last)
    queue->last->next = segment;
  else
    queue->first = segment;
  queue->last = segment;
  queue->bytes += segment->len;
}

static void give_back(neap_segment_pool *pool, neap_segment *segment) {
  if (segment->frame == NULL) {
    size_t size = segment->room;
    neap_census_remove(pool->census, NEAP_CLASS_FRAME_BUFFER, size);
    free(segment);
    return;
  }
  neap_frame_buffer_release(segment->frame);
  if (pool->count >= POOL_MAX) {
    free(segment);
    return;
  }
  segment->next = pool->free;
  pool->free = segment;
  pool->count++;
}

static neap_segment *take(neap_segment_pool *pool) {
  neap_segment *segment = pool->free;
  if (segment == NULL)
    return malloc(sizeof *segment);
  pool->free = segment->next;
  pool->count--;
  return segment;
}

void neap_segment_pool_release(neap_segment_pool *pool) {
  while (pool->free) {
    neap_segment *segment = pool->free;
    pool->free = segment->next;
    free(segment);
  }
  pool->count = 0;
}

static uint8_t *own_bytes(neap_segment *segment) {
  return (uint8_t *)(segment + 1);
}

/* Room left behind the bytes of the last segment, if they are its own. */
static size_t room_at_end(const neap_queue *queue) {
  neap_segment *last = queue->last;
  if (last == NULL || last->frame)
    return 0;
  return (size_t)(own_bytes(last) + last->room - (last->data + last->len));
}

int neap_queue_append(neap_queue *queue, neap_segment_pool *pool,
                      const void *bytes, size_t len) {
  if (len == 0)
    return NEAP_OK;
  if (room_at_end(queue) >= len) {
    neap_segment *last = queue->last;
    memcpy((uint8_t *)(uintptr_t)(last->data + last->len), bytes, len);
    last->len += len;
    queue->bytes += len;
    return NEAP_OK;
  }
  size_t room = len > OWN_BYTES_MIN ? len : OWN_BYTES_MIN;
  neap_segment *segment = malloc(sizeof *segment + room);
  if (segment == NULL)
    return NEAP_ENOMEM;
  neap_census_add(pool->census, NEAP_CLASS_FRAME_BUFFER, room);
  *segment =
    (neap_segment){.data = own_bytes(segment), .len = len, .room = room};
  memcpy(own_bytes(segment), bytes, len);
  push(queue, segment);
  return NEAP_OK;
}

int neap_queue_append_frame(neap_queue *queue, neap_segment_pool *pool,
                            neap_frame_buffer *frame) {
  neap_segment *segment = take(pool);
  if (segment == NULL)
    return NEAP_ENOMEM;
  neap_frame_buffer_retain(frame);
  *segment =
    (neap_segment){.frame = frame, .data = frame->bytes, .len = frame->len};
  push(queue, segment);
  return NEAP_OK;
}

int neap_queue_vectors(const neap_queue *queue, struct iovec *vectors,
                       int max) {
  int count = 0;
  for (neap_segment *s = queue->first; s && count < max; s = s->next)
    vectors[count++] = (struct iovec){(void *)(uintptr_t)s->data, s->len};
  return count;
}

static void drop_first(neap_queue *queue, neap_segment_pool *pool) {
  neap_segment *first = queue->first;
  queue->first = first->next;
  if (queue->first == NULL)
    queue->last = NULL;
  queue->bytes -= first->len;
  give_back(pool, first);
}

void neap_queue_sent(neap_queue *queue, neap_segment_pool *pool, size_t n) {
  while (n > 0) {
    neap_segment *first = queue->first;
    if (n < first->len) {
      first->data += n;
      first->len -= n;
      queue->bytes -= n;
      return;
    }
    n -= first->len;
    drop_first(queue, pool);
  }
}

void neap_queue_clear(neap_queue *queue, neap_segment_pool *pool) {
  while (queue->first)
    drop_first(queue, pool);
}
