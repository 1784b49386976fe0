/* net/frame_buffer.h - one encoded frame that many connections send.
 *
 * Immutable once made, counted by reference; the last release frees it. */

#ifndef NEAP_NET_FRAME_BUFFER_H
#define NEAP_NET_FRAME_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

typedef struct neap_frame_buffer {
  atomic_size_t references;
  size_t len;
  uint8_t bytes[];
} neap_frame_buffer;

/* Encodes an unmasked frame and holds one reference to it; NULL: no memory. */
neap_frame_buffer *neap_frame_buffer_new(enum neap_opcode opcode,
                                         const void *data, size_t len);
void neap_frame_buffer_retain(neap_frame_buffer *frame);
void neap_frame_buffer_release(neap_frame_buffer *frame);

#endif
