#include "proto/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* What may come next. The AFTER_ states bound the second byte, so that an
 * overlong form, a surrogate or a code over U+10FFFF fails right there. */
enum {
  START = NEAP_UTF8_START,
  TAIL_1,
  TAIL_2,
  TAIL_3,
  AFTER_E0,
  AFTER_ED,
  AFTER_F0,
  AFTER_F4,
  INVALID,
};

static const struct {
  uint8_t low, high;
  neap_utf8 next;
} follow[] = {
  [TAIL_1] = {0x80, 0xBF, START},    [TAIL_2] = {0x80, 0xBF, TAIL_1},
  [TAIL_3] = {0x80, 0xBF, TAIL_2},   [AFTER_E0] = {0xA0, 0xBF, TAIL_1},
  [AFTER_ED] = {0x80, 0x9F, TAIL_1}, [AFTER_F0] = {0x90, 0xBF, TAIL_2},
  [AFTER_F4] = {0x80, 0x8F, TAIL_2},
};

static neap_utf8 after_lead(uint8_t c) {
  if (c < 0x80)
    return START;
  if (c < 0xC2)
    return INVALID;
  if (c < 0xE0)
    return TAIL_1;
  if (c < 0xF0)
    return c == 0xE0 ? AFTER_E0 : c == 0xED ? AFTER_ED : TAIL_2;
  if (c < 0xF4)
    return c == 0xF0 ? AFTER_F0 : TAIL_3;
  return c == 0xF4 ? AFTER_F4 : INVALID;
}

static neap_utf8 after_byte(neap_utf8 state, uint8_t c) {
  if (state == START)
    return after_lead(c);
  if (c < follow[state].low || c > follow[state].high)
    return INVALID;
  return follow[state].next;
}

static uint64_t load(const uint8_t *src) {
  uint64_t word;
  memcpy(&word, src, sizeof word);
  return word;
}

static bool is_ascii_half(const uint8_t *src) {
  uint32_t word;
  memcpy(&word, src, sizeof word);
  return (word & (uint32_t)HIGH_BITS) == 0;
}

static bool is_ascii(const uint8_t *src) {
  return (load(src) & HIGH_BITS) == 0;
}

static bool is_ascii_block(const uint8_t *src) {
  uint64_t low = load(src) | load(src + 8);
  uint64_t high = load(src + 16) | load(src + 24);
  return ((low | high) & HIGH_BITS) == 0;
}

/* Bytes of ASCII at the start. The steps do not overlap: a load across two fresh
 * stores, which unmasking has just made, would wait for both. */
static size_t count_ascii(const uint8_t *src, size_t len) {
  size_t n = 0;

  while (len - n >= 32 && is_ascii_block(src + n))
    n += 32;
  while (len - n >= 8 && is_ascii(src + n))
    n += 8;
  if (len - n >= 4 && is_ascii_half(src + n))
    n += 4;
  while (n < len && src[n] < 0x80)
    n++;
  return n;
}

static bool is_tail(uint8_t c) {
  return (c & 0xC0) == 0x80;
}

/* The length of a valid character of two or three bytes, or 0: then the slower
 * way has to look. src has three bytes. */
static size_t match_common(const uint8_t *src) {
  if (src[0] < 0xE0)
    return src[0] >= 0xC2 && is_tail(src[1]) ? 2 : 0;
  if (src[0] > 0xEF || !is_tail(src[1]) || !is_tail(src[2]))
    return 0;
  bool overlong = src[0] == 0xE0 && src[1] < 0xA0;
  bool surrogate = src[0] == 0xED && src[1] > 0x9F;
  return overlong || surrogate ? 0 : 3;
}

/* Skips whole characters from the start of one, as far as that is easy. */
static const uint8_t *skip_common(const uint8_t *src, const uint8_t *end) {
  while (end - src >= 3) {
    size_t n =
      *src < 0x80 ? count_ascii(src, (size_t)(end - src)) : match_common(src);
    if (n == 0)
      break;
    src += n;
  }
  return src;
}

bool neap_utf8_feed(neap_utf8 *state, const uint8_t *src, size_t len) {
  if (len == 0)
    return true;

  const uint8_t *end = src + len;
  neap_utf8 now = *state;
  while (src < end) {
    if (now == START)
      src = skip_common(src, end);
    if (src == end)
      break;
    now = after_byte(now, *src++);
    if (now == INVALID)
      return false;
  }
  *state = now;
  return true;
}

bool neap_utf8_is_valid(const uint8_t *src, size_t len) {
  neap_utf8 state = START;

  if (count_ascii(src, len) == len)
    return true;
  return neap_utf8_feed(&state, src, len) && state == START;
}
