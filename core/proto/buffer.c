#include "proto/buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 128 };

void neap_buffer_release(neap_buffer *buffer) {
  free(buffer->data);
  *buffer = (neap_buffer){0};
}

/* At least need and at most max, where need <= max. */
static size_t next_cap(size_t cap, size_t need, size_t max) {
  size_t doubled = cap > max / 2 ? max : cap * 2;
  if (doubled < CAP_MIN)
    doubled = CAP_MIN < max ? CAP_MIN : max;
  return doubled < need ? need : doubled;
}

int neap_buffer_grow(neap_buffer *buffer, size_t extra, size_t max) {
  if (extra <= buffer->cap - buffer->len)
    return NEAP_OK;

  bool fits = buffer->len <= max && extra <= max - buffer->len;
  size_t cap = next_cap(buffer->cap, buffer->len + extra, max);
  uint8_t *data = fits ? realloc(buffer->data, cap) : NULL;
  if (data == NULL)
    return NEAP_ENOMEM;
  buffer->data = data;
  buffer->cap = cap;
  return NEAP_OK;
}

int neap_buffer_append(neap_buffer *buffer, const void *src, size_t len) {
  if (len == 0)
    return NEAP_OK;
  int err = neap_buffer_reserve(buffer, len);
  if (err)
    return err;
  memcpy(buffer->data + buffer->len, src, len);
  buffer->len += len;
  return NEAP_OK;
}

void neap_buffer_consume(neap_buffer *buffer, size_t n) {
  assert(n <= buffer->len);
  if (n == 0)
    return;
  buffer->len -= n;
  memmove(buffer->data, buffer->data + n, buffer->len);
}
