#include "proto/sha1.h"

#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t x, int by) {
  return x << by | x >> (32 - by);
}

static uint32_t read_word(const uint8_t *src) {
  return (uint32_t)src[0] << 24 | (uint32_t)src[1] << 16 |
         (uint32_t)src[2] << 8 | src[3];
}

static void write_word(uint8_t *dst, uint32_t word) {
  for (int shift = 24; shift >= 0; shift -= 8)
    *dst++ = (uint8_t)(word >> shift);
}

static void fill_schedule(uint32_t w[80], const uint8_t *block) {
  for (int t = 0; t < 16; t++)
    w[t] = read_word(block + 4 * t);
  for (int t = 16; t < 80; t++)
    w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
}

typedef uint32_t mixer(uint32_t b, uint32_t c, uint32_t d);

static inline uint32_t choose(uint32_t b, uint32_t c, uint32_t d) {
  return d ^ (b & (c ^ d));
}

static inline uint32_t parity(uint32_t b, uint32_t c, uint32_t d) {
  return b ^ c ^ d;
}

static inline uint32_t majority(uint32_t b, uint32_t c, uint32_t d) {
  return (b & c) | (d & (b | c));
}

/* One round of section 6.1, that moves no word: the caller names them anew. */
static inline void turn(uint32_t a, uint32_t *b, uint32_t mixed, uint32_t *e) {
  *e += rotate(a, 5) + mixed;
  *b = rotate(*b, 30);
}

/* Twenty rounds, five at a time: then each word is back in its place. */
static inline __attribute__((always_inline)) void
take_twenty(uint32_t v[5], const uint32_t *w, mixer *mix, uint32_t k) {
  uint32_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4];
  for (const uint32_t *end = w + 20; w < end; w += 5) {
    turn(a, &b, mix(b, c, d) + k + w[0], &e);
    turn(e, &a, mix(a, b, c) + k + w[1], &d);
    turn(d, &e, mix(e, a, b) + k + w[2], &c);
    turn(c, &d, mix(d, e, a) + k + w[3], &b);
    turn(b, &c, mix(c, d, e) + k + w[4], &a);
  }
  v[0] = a, v[1] = b, v[2] = c, v[3] = d, v[4] = e;
}

static void take_block(uint32_t h[5], const uint8_t *block) {
  uint32_t w[80];
  uint32_t v[5] = {h[0], h[1], h[2], h[3], h[4]};

  fill_schedule(w, block);
  take_twenty(v, w, choose, 0x5A827999);
  take_twenty(v, w + 20, parity, 0x6ED9EBA1);
  take_twenty(v, w + 40, majority, 0x8F1BBCDC);
  take_twenty(v, w + 60, parity, 0xCA62C1D6);
  for (int i = 0; i < 5; i++)
    h[i] += v[i];
}

/* The bytes behind the last whole block, a one bit, zeros, the length in bits:
 * one block, or two where the length has no room in the first. */
static void take_tail(uint32_t h[5], const uint8_t *tail, size_t len,
                      uint64_t bits) {
  uint8_t block[2 * BLOCK] = {0};
  size_t size = len < BLOCK - 8 ? BLOCK : 2 * BLOCK;

  if (len > 0)
    memcpy(block, tail, len);
  block[len] = 0x80;
  write_word(block + size - 8, (uint32_t)(bits >> 32));
  write_word(block + size - 4, (uint32_t)bits);
  for (size_t at = 0; at < size; at += BLOCK)
    take_block(h, block + at);
}

void neap_sha1(uint8_t digest[NEAP_SHA1_LEN], const void *data, size_t len) {
  uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const uint8_t *src = data;
  size_t left = len;

  for (; left >= BLOCK; src += BLOCK, left -= BLOCK)
    take_block(h, src);
  take_tail(h, src, left, (uint64_t)len * 8);
  for (int i = 0; i < 5; i++)
    write_word(digest + 4 * i, h[i]);
}
