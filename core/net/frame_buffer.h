/* net/frame_buffer.h - one encoded frame that many connections send.
 *
 * Immutable once made, counted by reference, across threads too. Whoever
 * releases it last gives it to its own loop's pool, so that a publish allocates
 * nothing; the pool keeps a few of each size up to 8 KiB. What is published to
 * one topic in one turn stands in one piece of memory, behind one another, so
 * that a queue holds it, and writes it, as one. */

#ifndef NEAP_NET_FRAME_BUFFER_H
#define NEAP_NET_FRAME_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/deflate.h"
#include "proto/frame.h"

enum { NEAP_FRAME_SIZES = 8 }; /* 64 B to 8 KiB */

typedef struct neap_frame_buffer {
  struct neap_frame_buffer *next; /* in a pool */
  atomic_uint references;
  uint32_t size; /* which of the pool's; NEAP_FRAME_SIZES: too large to keep */
  size_t len;
  size_t payload; /* how much of len */
  uint8_t *bytes;
  struct neap_frame_buffer
    *host;     /* whose memory they stand in; often its own */
  size_t used; /* of its own memory */
  uint8_t memory[];
} neap_frame_buffer;

/* What one message costs a queue beside its bytes. */
enum { NEAP_FRAME_COST = 128 };

typedef struct neap_frame_pool {
  neap_frame_buffer *free[NEAP_FRAME_SIZES];
  uint32_t count[NEAP_FRAME_SIZES];
} neap_frame_pool;

void neap_frame_pool_release(neap_frame_pool *pool);

/* Encodes an unmasked frame, or copies one that stands encoded with payload
 * bytes in it; holds one reference. NULL: no memory. */
neap_frame_buffer *neap_frame_buffer_new(neap_frame_pool *pool,
                                         enum neap_opcode opcode,
                                         const void *data, size_t len);
/* The same behind an earlier frame that is alive, if its memory has room. */
neap_frame_buffer *neap_frame_buffer_follow(neap_frame_pool *pool,
                                            neap_frame_buffer *earlier,
                                            enum neap_opcode opcode,
                                            const void *data, size_t len);
neap_frame_buffer *neap_frame_buffer_copy(neap_frame_pool *pool,
                                          const void *bytes, size_t len,
                                          size_t payload);
/* An encoded message, compressed: a new frame, or the same with one more
 * reference where that would not shrink it. */
neap_frame_buffer *neap_frame_buffer_deflate(neap_frame_pool *pool,
                                             neap_deflate *deflate,
                                             neap_frame_buffer *plain);
void neap_frame_buffer_retain(neap_frame_buffer *frame);
void neap_frame_buffer_release(neap_frame_buffer *frame, neap_frame_pool *pool);

static inline enum neap_opcode
neap_frame_buffer_opcode(const neap_frame_buffer *frame) {
  return (enum neap_opcode)(frame->bytes[0] & 0x0F);
}

static inline const uint8_t *
neap_frame_buffer_payload(const neap_frame_buffer *frame) {
  return frame->bytes + frame->len - frame->payload;
}

#endif
