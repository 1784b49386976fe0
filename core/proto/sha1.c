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

/* One round; v is the five words A to E of section 6.1. */
static inline void turn(uint32_t v[5], uint32_t mixed, uint32_t word) {
  uint32_t next = rotate(v[0], 5) + mixed + v[4] + word;
  v[4] = v[3];
  v[3] = v[2];
  v[2] = rotate(v[1], 30);
  v[1] = v[0];
  v[0] = next;
}

static uint32_t choose(const uint32_t v[5]) {
  return (v[1] & v[2]) | (~v[1] & v[3]);
}

static uint32_t parity(const uint32_t v[5]) {
  return v[1] ^ v[2] ^ v[3];
}

static uint32_t majority(const uint32_t v[5]) {
  return (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
}

static void take_block(uint32_t h[5], const uint8_t *block) {
  uint32_t w[80];
  uint32_t v[5] = {h[0], h[1], h[2], h[3], h[4]};
  int t = 0;

  fill_schedule(w, block);
  for (; t < 20; t++)
    turn(v, choose(v) + 0x5A827999, w[t]);
  for (; t < 40; t++)
    turn(v, parity(v) + 0x6ED9EBA1, w[t]);
  for (; t < 60; t++)
    turn(v, majority(v) + 0x8F1BBCDC, w[t]);
  for (; t < 80; t++)
    turn(v, parity(v) + 0xCA62C1D6, w[t]);
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
