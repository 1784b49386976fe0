/* proto/buffer.h - a growable run of bytes.
 *
 * Owns its memory; an empty buffer owns none. data[0..len) is the content. */

#ifndef NEAP_PROTO_BUFFER_H
#define NEAP_PROTO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

typedef struct neap_buffer {
  uint8_t *data;
  size_t len;
  size_t cap;
} neap_buffer;

/* A zeroed neap_buffer is a valid empty one. */
void neap_buffer_release(neap_buffer *buffer);

/* Makes room for extra bytes behind len and doubles when it grows, but never
 * past max bytes in all. NEAP_ENOMEM leaves the buffer unchanged. */
int neap_buffer_grow(neap_buffer *buffer, size_t extra, size_t max);

/* Makes room for extra bytes behind len; NEAP_ENOMEM leaves it unchanged. */
static inline int neap_buffer_reserve(neap_buffer *buffer, size_t extra) {
  if (extra <= buffer->cap - buffer->len)
    return NEAP_OK;
  return neap_buffer_grow(buffer, extra, SIZE_MAX);
}

int neap_buffer_append(neap_buffer *buffer, const void *src, size_t len);

/* Drops the first n bytes and moves the rest to the front. */
void neap_buffer_consume(neap_buffer *buffer, size_t n);

#endif
