#include "net/frame_buffer.h"

#include <stdlib.h>
#include <string.h>

neap_frame_buffer *neap_frame_buffer_new(enum neap_opcode opcode,
                                         const void *data, size_t len) {
  neap_frame_buffer *frame = malloc(sizeof *frame + NEAP_FRAME_HEAD_MAX + len);
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
  if (atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) ==
      1)
    free(frame);
}
