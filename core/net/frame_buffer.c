#include "net/frame_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "proto/deflater.h"

enum {
  SMALLEST = 64,
  LARGEST = SMALLEST << (NEAP_FRAME_SIZES - 1),
  KEPT = 256
};

static uint32_t size_for(size_t len) {
  uint32_t size = 0;
  while (size < NEAP_FRAME_SIZES && ((size_t)SMALLEST << size) < len)
    size++;
  return size;
}

static size_t room_of(const neap_frame_buffer *host) {
  return host->size < NEAP_FRAME_SIZES ? (size_t)SMALLEST << host->size : 0;
}

/* A frame with room for len bytes, which it uses, and one reference. */
static neap_frame_buffer *take(neap_frame_pool *pool, size_t len) {
  uint32_t size = size_for(len);
  neap_frame_buffer *frame = size < NEAP_FRAME_SIZES ? pool->free[size] : NULL;
  if (frame) {
    pool->free[size] = frame->next;
    pool->count[size]--;
  } else {
    size_t room = size < NEAP_FRAME_SIZES ? (size_t)SMALLEST << size : len;
    frame = malloc(sizeof *frame + room);
    if (frame == NULL)
      return NULL;
    frame->size = size;
  }
  atomic_init(&frame->references, 1);
  frame->host = frame;
  frame->bytes = frame->memory;
  frame->used = len;
  return frame;
}

/* One whose len bytes stand in the memory of another. */
static neap_frame_buffer *take_in(neap_frame_pool *pool,
                                  neap_frame_buffer *host, size_t len) {
  neap_frame_buffer *frame = take(pool, 0);
  if (frame == NULL)
    return NULL;
  neap_frame_buffer_retain(host);
  frame->host = host;
  frame->bytes = host->memory + host->used;
  host->used += len;
  return frame;
}

/* Behind earlier, or where twice as many will have room. */
static neap_frame_buffer *take_behind(neap_frame_pool *pool,
                                      neap_frame_buffer *earlier, size_t len) {
  neap_frame_buffer *host = earlier->host;
  if (len <= room_of(host) - host->used && room_of(host))
    return take_in(pool, host, len);
  size_t room = room_of(host) * 2;
  if (room < len * 2 || room > LARGEST)
    return take(pool, len);
  host = take(pool, room);
  if (host)
    host->used = len;
  return host;
}

void neap_frame_pool_release(neap_frame_pool *pool) {
  for (int size = 0; size < NEAP_FRAME_SIZES; size++) {
    while (pool->free[size]) {
      neap_frame_buffer *frame = pool->free[size];
      pool->free[size] = frame->next;
      free(frame);
    }
    pool->count[size] = 0;
  }
}

neap_frame_buffer *neap_frame_buffer_follow(neap_frame_pool *pool,
                                            neap_frame_buffer *earlier,
                                            enum neap_opcode opcode,
                                            const void *data, size_t len) {
  neap_frame head = {.length = len, .opcode = (uint8_t)opcode, .fin = true};
  uint8_t bytes[NEAP_FRAME_HEAD_MAX];
  size_t size = neap_frame_write(&head, bytes);
  if (len > SIZE_MAX / 2)
    return NULL;
  neap_frame_buffer *frame =
    earlier ? take_behind(pool, earlier, size + len) : take(pool, size + len);
  if (frame == NULL)
    return NULL;
  memcpy(frame->bytes, bytes, size);
  if (len)
    memcpy(frame->bytes + size, data, len);
  frame->len = size + len;
  frame->payload = len;
  return frame;
}

neap_frame_buffer *neap_frame_buffer_new(neap_frame_pool *pool,
                                         enum neap_opcode opcode,
                                         const void *data, size_t len) {
  return neap_frame_buffer_follow(pool, NULL, opcode, data, len);
}

neap_frame_buffer *neap_frame_buffer_copy(neap_frame_pool *pool,
                                          const void *bytes, size_t len,
                                          size_t payload) {
  neap_frame_buffer *frame = take(pool, len);
  if (frame == NULL)
    return NULL;
  memcpy(frame->bytes, bytes, len);
  frame->len = len;
  frame->payload = payload;
  return frame;
}

/* Compressed behind the place of the largest head, then moved up to its own. */
neap_frame_buffer *neap_frame_buffer_deflate(neap_frame_pool *pool,
                                             neap_deflate *deflate,
                                             neap_frame_buffer *plain) {
  neap_frame_buffer *frame =
    take(pool, NEAP_FRAME_HEAD_MAX + plain->payload + NEAP_DEFLATER_SLACK);
  if (frame == NULL)
    return NULL;
  uint8_t *payload = frame->bytes + NEAP_FRAME_HEAD_MAX;
  size_t len = neap_deflate_compress(
    deflate, payload, neap_frame_buffer_payload(plain), plain->payload);
  if (len == 0) {
    neap_frame_buffer_release(frame, pool);
    neap_frame_buffer_retain(plain);
    return plain;
  }
  neap_frame head = {.length = len,
                     .opcode = (uint8_t)neap_frame_buffer_opcode(plain),
                     .rsv = NEAP_RSV1,
                     .fin = true};
  size_t size = neap_frame_write(&head, frame->bytes);
  memmove(frame->bytes + size, payload, len);
  frame->len = size + len;
  frame->payload = len;
  return frame;
}

void neap_frame_buffer_retain(neap_frame_buffer *frame) {
  atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
}

void neap_frame_buffer_release(neap_frame_buffer *frame,
                               neap_frame_pool *pool) {
  if (atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) !=
      1)
    return;
  if (frame->host != frame)
    neap_frame_buffer_release(frame->host, pool);
  uint32_t size = frame->size;
  if (size == NEAP_FRAME_SIZES || pool->count[size] >= KEPT) {
    free(frame);
    return;
  }
  frame->next = pool->free[size];
  pool->free[size] = frame;
  pool->count[size]++;
}
