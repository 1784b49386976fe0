#include "proto/frame.h"

#include <assert.h>
#include <string.h>

#include "proto/status.h"

enum { LENGTH_16 = 126, LENGTH_64 = 127 };

static uint64_t read_be(const uint8_t *src, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++)
    value = value << 8 | src[i];
  return value;
}

static uint8_t *write_be(uint8_t *dst, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    *dst++ = (uint8_t)(value >> shift);
  return dst;
}

/* Section 5.2 asks for the shortest form and keeps the top bit for itself. */
static bool is_shortest(uint64_t length, int extra) {
  if (extra == 2)
    return length >= LENGTH_16;
  return length > UINT16_MAX && length >> 63 == 0;
}

/* Bytes of the length behind the first two bytes of the head. */
static int extra_bytes(uint8_t length) {
  return length < LENGTH_16 ? 0 : length == LENGTH_16 ? 2 : 8;
}

int neap_frame_read(neap_frame *frame, const uint8_t *src, size_t len) {
  if (len < 2)
    return 0;

  uint8_t length = src[1] & 0x7F;
  int extra = extra_bytes(length);
  frame->length = extra == 0 ? length : 0;
  frame->opcode = src[0] & 0x0F;
  frame->rsv = src[0] >> 4 & 0x07;
  frame->fin = (src[0] & 0x80) != 0;
  frame->masked = (src[1] & 0x80) != 0;
  if (neap_frame_is_control(frame) && (!frame->fin || length >= LENGTH_16))
    return NEAP_EPROTO;

  int size = 2 + extra;
  if (extra > 0) {
    if (len < (size_t)size)
      return 0;
    frame->length = read_be(src + 2, extra);
    if (!is_shortest(frame->length, extra))
      return NEAP_EPROTO;
  }
  if (frame->masked) {
    size += 4;
    if (len < (size_t)size)
      return 0;
    memcpy(frame->key, src + size - 4, 4);
  }
  return size;
}

size_t neap_frame_write(const neap_frame *frame, uint8_t *dst) {
  uint8_t *p = dst;
  uint8_t mask = frame->masked ? 0x80 : 0;

  assert(frame->opcode <= 0x0F && frame->rsv <= 0x07);
  *p++ = (uint8_t)((frame->fin ? 0x80 : 0) | frame->rsv << 4 | frame->opcode);
  if (frame->length < LENGTH_16) {
    *p++ = (uint8_t)(mask | frame->length);
  } else if (frame->length <= UINT16_MAX) {
    *p++ = mask | LENGTH_16;
    p = write_be(p, frame->length, 2);
  } else {
    *p++ = mask | LENGTH_64;
    p = write_be(p, frame->length, 8);
  }
  if (frame->masked) {
    memcpy(p, frame->key, 4);
    p += 4;
  }
  return (size_t)(p - dst);
}
