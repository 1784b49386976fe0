/* net/frame_buffer.h - one encoded frame that many connections send.
 *
 * Immutable once made, counted by reference. The last release gives a small one
 * back to its loop's pool, so that a publish allocates nothing. */

#ifndef NEAP_NET_FRAME_BUFFER_H
#define NEAP_NET_FRAME_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct neap_frame_pool;

typedef struct neap_frame_buffer {
  struct neap_frame_pool *pool;   /* NULL: too large to be kept */
  struct neap_frame_buffer *next; /* in the pool */
  atomic_size_t references;
  size_t len;
  uint8_t bytes[];
} neap_frame_buffer;

typedef struct neap_frame_pool {
  neap_frame_buffer *free;
  size_t count;
} neap_frame_pool;

void neap_frame_pool_release(neap_frame_pool *pool);

/* Encodes an unmasked frame and holds one reference to it; NULL: no memory. */
neap_frame_buffer *neap_frame_buffer_new(neap_frame_pool *pool,
                                         enum neap_opcode opcode,
                                         const void *data, size_t len);
void neap_frame_buffer_retain(neap_frame_buffer *frame);
void neap_frame_buffer_release(neap_frame_buffer *frame);

#endif
