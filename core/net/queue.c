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
  queue->count++;
}

static void give_back(neap_segment_pool *pool, neap_segment *segment) {
  if (segment->frame == NULL) {
    neap_census_remove(pool->census, NEAP_CLASS_FRAME_BUFFER, segment->room);
    free(segment);
    return;
  }
  if (segment->is_newest)
    neap_latest_remove(&pool->latest, segment);
  neap_census_remove(pool->census, NEAP_CLASS_FRAME_BUFFER, sizeof *segment);
  neap_frame_buffer_release(segment->frame, pool->frames);
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
  neap_latest_release(&pool->latest);
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

/* An empty segment of its own bytes at the end. */
static neap_segment *add_room(neap_queue *queue, neap_segment_pool *pool,
                              size_t len) {
  size_t room = len > OWN_BYTES_MIN ? len : OWN_BYTES_MIN;
  neap_segment *segment = malloc(sizeof *segment + room);
  if (segment == NULL)
    return NULL;
  neap_census_add(pool->census, NEAP_CLASS_FRAME_BUFFER, room);
  *segment = (neap_segment){.data = own_bytes(segment), .room = room};
  push(queue, segment);
  return segment;
}

static void copy(neap_queue *queue, const void *bytes, size_t len) {
  neap_segment *last = queue->last;
  memcpy((uint8_t *)(uintptr_t)(last->data + last->len), bytes, len);
  last->len += len;
  queue->bytes += len;
}

int neap_queue_append(neap_queue *queue, neap_segment_pool *pool,
                      const struct iovec *vectors, int count, size_t skip) {
  size_t len = 0;
  for (int i = 0; i < count; i++)
    len += vectors[i].iov_len;
  if (len <= skip)
    return NEAP_OK;
  len -= skip;
  if (room_at_end(queue) < len && add_room(queue, pool, len) == NULL)
    return NEAP_ENOMEM;
  for (int i = 0; i < count; i++) {
    size_t size = vectors[i].iov_len;
    size_t gone = skip < size ? skip : size;
    skip -= gone;
    if (size > gone)
      copy(queue, (const uint8_t *)vectors[i].iov_base + gone, size - gone);
  }
  return NEAP_OK;
}

/* Bytes of a frame, which keep owner's memory. */
static neap_segment *append_shared(neap_queue *queue, neap_segment_pool *pool,
                                   neap_frame_buffer *owner,
                                   const neap_frame_buffer *frame) {
  neap_segment *segment = take(pool);
  if (segment == NULL)
    return NULL;
  neap_frame_buffer_retain(owner);
  neap_census_add(pool->census, NEAP_CLASS_FRAME_BUFFER, sizeof *segment);
  segment->frame = owner;
  segment->data = frame->bytes;
  segment->len = frame->len;
  segment->key = 0;
  segment->is_message = segment->is_newest = false;
  push(queue, segment);
  return segment;
}

/* The frame stands right behind what is queued last, in the same memory. */
static bool goes_on(const neap_segment *last, const neap_frame_buffer *frame) {
  return last && last->frame == frame->host && !last->is_message &&
         last->data + last->len == frame->bytes;
}

int neap_queue_append_frame(neap_queue *queue, neap_segment_pool *pool,
                            neap_frame_buffer *frame) {
  if (goes_on(queue->last, frame)) {
    queue->last->len += frame->len;
    queue->bytes += frame->len;
    return NEAP_OK;
  }
  return append_shared(queue, pool, frame->host, frame) ? NEAP_OK : NEAP_ENOMEM;
}

int neap_queue_append_message(neap_queue *queue, neap_segment_pool *pool,
                              neap_frame_buffer *frame, uint64_t key) {
  neap_segment *segment = append_shared(queue, pool, frame, frame);
  if (segment == NULL)
    return NEAP_ENOMEM;
  segment->is_message = true;
  segment->key = key;
  if (key)
    neap_latest_set(&pool->latest, segment);
  if (!segment->is_newest)
    segment->key = 0;
  return NEAP_OK;
}

/* What has begun to leave is the peer's: half a frame would be none. */
static bool is_waiting(const neap_segment *segment) {
  return segment->is_message && segment->data == segment->frame->bytes;
}

bool neap_queue_replace(neap_queue *queue, neap_segment_pool *pool,
                        neap_frame_buffer *frame, uint64_t key) {
  neap_segment *segment = neap_latest_find(&pool->latest, key);
  if (segment == NULL || !is_waiting(segment))
    return false;
  neap_frame_buffer_retain(frame);
  neap_frame_buffer_release(segment->frame, pool->frames);
  queue->bytes += frame->len - segment->len;
  segment->frame = frame;
  segment->data = frame->bytes;
  segment->len = frame->len;
  return true;
}

/* Takes out what stands behind prev (NULL: the first). */
static void drop_behind(neap_queue *queue, neap_segment_pool *pool,
                        neap_segment *prev) {
  neap_segment **link = prev ? &prev->next : &queue->first;
  neap_segment *segment = *link;
  *link = segment->next;
  if (queue->last == segment)
    queue->last = prev;
  queue->bytes -= segment->len;
  queue->count--;
  give_back(pool, segment);
}

bool neap_queue_drop_oldest(neap_queue *queue, neap_segment_pool *pool) {
  neap_segment *prev = NULL;
  for (neap_segment *s = queue->first; s; prev = s, s = s->next) {
    if (is_waiting(s)) {
      drop_behind(queue, pool, prev);
      return true;
    }
  }
  return false;
}

size_t neap_queue_conflate(neap_queue *queue, neap_segment_pool *pool) {
  size_t dropped = 0;
  neap_segment *prev = NULL, *next;
  if (pool->latest.count == 0)
    return 0;
  for (neap_segment *s = queue->first; s; s = next) {
    next = s->next;
    if (is_waiting(s) && s->key && !s->is_newest) {
      drop_behind(queue, pool, prev);
      dropped++;
    } else {
      prev = s;
    }
  }
  return dropped;
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
  queue->count--;
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
