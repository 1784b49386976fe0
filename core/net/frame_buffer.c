#include "net/frame_buffer.h"

#include <stdlib.h>
#include <string.h>

/* Frames up to ROOM bytes are all made of one size, and MOST of them kept. */
enum { ROOM = 2048, MOST = 256 };

static neap_frame_buffer *take(neap_frame_pool *pool, size_t size) {
  neap_frame_buffer *frame = pool->free;
  if (size > ROOM || frame == NULL) {
    frame = malloc(sizeof *frame + (size > ROOM ? size : ROOM));
    if (frame)
      frame->pool = size > ROOM ? NULL : pool;
    return frame;
  }
  pool->free = frame->next;
  pool->count--;
  return frame;
}

void neap_frame_pool_release(neap_frame_pool *pool) {
  while (pool->free) {
    neap_frame_buffer *frame = pool->free;
    pool->free = frame->next;
    free(frame);
  }
  pool->count = 0;
}

neap_frame_buffer *neap_frame_buffer_new(neap_frame_pool *pool,
                                         enum neap_opcode opcode,
                                         const void *data, size_t len) {
  neap_frame_buffer *frame = take(pool, NEAP_FRAME_HEAD_MAX + len);
  if (frame == NULL)
    return NULL;
  neap_frame head = {.length = len, .opcode = (uint8_t)opcode, .fin = true};
  size_t size = neap_frame_write(&head, frame->bytes);
  if (len)
    memcpy(frame->bytes + size, data, len);
  frame->len = size + len;
  atomic_init(&frame->references, 1);
  return frame;
}

void neap_frame_buffer_retain(neap_frame_buffer *frame) {
  atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
}

void neap_frame_buffer_release(neap_frame_buffer *frame) {
  neap_frame_pool *pool = frame->pool;
  if (atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) !=
      1)
    return;
  if (pool == NULL || pool->count >= MOST) {
    free(frame);
    return;
  }
  frame->next = pool->free;
  pool->free = frame;
  pool->count++;
}
