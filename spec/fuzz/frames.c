#include "frames.h"

#include <string.h>

typedef struct frame {
  bool fin, rsv1, masked;
  unsigned opcode;
  uint64_t len;
  const uint8_t *payload;
  const uint8_t *key;
} frame;

/* The size of the head, 0 when it is not whole. */
static size_t read_head(frame *f, const uint8_t *at, size_t len) {
  if (len < 2)
    return 0;
  f->fin = at[0] >> 7;
  f->rsv1 = at[0] >> 6 & 1;
  f->opcode = at[0] & 15;
  f->masked = at[1] >> 7;
  f->len = at[1] & 127;
  size_t more = f->len == 126 ? 2 : f->len == 127 ? 8 : 0;
  size_t size = 2 + more + (f->masked ? 4 : 0);
  if (len < size)
    return 0;
  if (more > 0) {
    f->len = 0;
    for (size_t i = 0; i < more; i++)
      f->len = f->len << 8 | at[2 + i];
  }
  f->key = at + 2 + more;
  f->payload = at + size;
  return size;
}

static const char *check_length(const frame *f, size_t head) {
  size_t bare = head - (f->masked ? 4 : 0);
  if ((bare == 4 && f->len < 126) || (bare == 10 && f->len < 65536))
    return "the length is not the shortest";
  return f->len >> 63 ? "the length has its highest bit" : NULL;
}

static const char *check_control(const frame *f, frames_seen *seen) {
  if (!f->fin || f->len > 125 || f->rsv1)
    return "a control frame in pieces, long or compressed";
  if (f->opcode != 8)
    return f->opcode > 10 ? "an unknown control frame" : NULL;
  seen->has_close = true;
  seen->code = 0;
  if (f->len == 1)
    return "half a close code";
  for (size_t i = 0; f->len > 1 && i < 2; i++) {
    uint8_t byte = f->payload[i];
    seen->code = seen->code << 8 | (f->masked ? byte ^ f->key[i] : byte);
  }
  unsigned code = seen->code;
  bool is_known = code == 0 || (code >= 1000 && code <= 1014 && code != 1004 &&
                                code != 1005 && code != 1006);
  return is_known || (code >= 3000 && code < 5000) ? NULL : "a bad close code";
}

static const char *check_data(const frame *f, bool may_deflate, bool *is_open) {
  if (f->opcode > 2)
    return "an unknown data frame";
  if ((f->opcode == 0) != *is_open)
    return "a message in the wrong order";
  if (f->rsv1 && (!may_deflate || f->opcode == 0))
    return "a message that may not be compressed";
  *is_open = !f->fin;
  return NULL;
}

const char *frames_check(const uint8_t *bytes, size_t len, bool is_masked,
                         bool may_deflate, bool is_cut, frames_seen *seen) {
  bool is_open = false;
  *seen = (frames_seen){0};
  while (len > 0) {
    frame f;
    size_t head = read_head(&f, bytes, len);
    if (head == 0 || f.len > len - head)
      return is_cut ? NULL : "a frame is not whole";
    if (seen->has_close)
      return "a frame behind a close";
    if (bytes[0] & 0x30 || f.masked != is_masked)
      return "a reserved bit, or the wrong masking";
    const char *fault = check_length(&f, head);
    if (!fault)
      fault = f.opcode & 8 ? check_control(&f, seen)
                           : check_data(&f, may_deflate, &is_open);
    if (fault)
      return fault;
    seen->count++;
    bytes += head + f.len;
    len -= head + f.len;
  }
  return is_open && !is_cut ? "a message without an end" : NULL;
}
