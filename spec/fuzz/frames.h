/* fuzz/frames.h - a tiny reader of what a WebSocket peer may send, written from
 * RFC 6455 alone: it shares nothing with neap's own. */

#ifndef NEAP_FUZZ_FRAMES_H
#define NEAP_FUZZ_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct frames_seen {
  size_t count;
  bool has_close; /* the last one */
  unsigned code;  /* of it; 0 when it was empty */
} frames_seen;

/* What is wrong with the first bad frame, or NULL. Each must be whole, unless
 * is_cut: then the last may be any part of one. */
const char *frames_check(const uint8_t *bytes, size_t len, bool is_masked,
                         bool may_deflate, bool is_cut, frames_seen *seen);

#endif
