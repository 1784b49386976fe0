#include "proto/mask.h"

#include <string.h>

/* The key twice over, turned so that its first byte is the one for offset.
 * As bytes in memory this is the same on every byte order. */
static uint64_t key_word(const uint8_t key[4], size_t offset) {
  uint32_t half;

  if ((offset & 3) == 0) {
    memcpy(&half, key, 4);
  } else {
    uint8_t twice[8];
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&half, twice + (offset & 3), 4);
  }
  return (uint64_t)half << 32 | half;
}

/* Both compilers turn this into the widest registers they may use. */
typedef uint64_t block __attribute__((vector_size(16)));

static inline void mask_block(uint8_t *dst, const uint8_t *src, uint64_t key) {
  block words;
  memcpy(&words, src, sizeof words);
  words ^= (block){key, key};
  memcpy(dst, &words, sizeof words);
}

static inline void mask_8(uint8_t *dst, const uint8_t *src, uint64_t key) {
  uint64_t word;
  memcpy(&word, src, sizeof word);
  word ^= key;
  memcpy(dst, &word, sizeof word);
}

static inline void mask_4(uint8_t *dst, const uint8_t *src, uint64_t key) {
  uint32_t word;
  memcpy(&word, src, sizeof word);
  word ^= (uint32_t)key;
  memcpy(dst, &word, sizeof word);
}

/* Fewer than 32 bytes. Steps of four or more leave the key where it is. */
static inline void mask_rest(uint8_t *dst, const uint8_t *src, size_t len,
                             uint64_t key) {
  uint8_t bytes[8];
  size_t at = 0;

  for (; len - at >= 8; at += 8)
    mask_8(dst + at, src + at, key);
  if (len - at >= 4) {
    mask_4(dst + at, src + at, key);
    at += 4;
  }
  memcpy(bytes, &key, sizeof bytes);
  for (size_t i = 0; at < len; i++, at++)
    dst[at] = src[at] ^ bytes[i];
}

void neap_mask(const uint8_t key[4], size_t offset, uint8_t *data, size_t len) {
  uint64_t word = key_word(key, offset);

  for (; len >= 32; len -= 32, data += 32) {
    mask_block(data, data, word);
    mask_block(data + 16, data + 16, word);
  }
  mask_rest(data, data, len, word);
}

void neap_mask_copy(const uint8_t key[4], size_t offset, uint8_t *dst,
                    const uint8_t *src, size_t len) {
  uint64_t word = key_word(key, offset);

  for (; len >= 32; len -= 32, src += 32, dst += 32) {
    mask_block(dst, src, word);
    mask_block(dst + 16, src + 16, word);
  }
  mask_rest(dst, src, len, word);
}
