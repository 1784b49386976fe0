#include "proto/deflater.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct neap_deflater {
  z_stream z;
  void *tied;
  uint8_t bits;
};

/* STATE_SIZE: what zlib's state weighs beside window and tables (zconf.h).
 * TAIL: the marker of a flush. */
enum { STATE_SIZE = 6 * 1024, TAIL = 4 };

/* zlib makes no raw stream with a window of 256 bytes. With one of 512 it never
 * looks back more than 512 - 262 = 250, so that serves for both. */
enum { BITS_MIN = 9 };

/* A small window asks for little memory, so the tables are small too: 5 is where
 * they begin to cost size, 8 is zlib's own default. */
static int mem_level(uint8_t bits) {
  return bits < 11 ? 5 : bits < 14 ? bits - 6 : 8;
}

neap_deflater *neap_deflater_new(uint8_t bits, uint8_t level) {
  neap_deflater *deflater = calloc(1, sizeof *deflater);
  if (deflater == NULL)
    return NULL;
  deflater->bits = bits < BITS_MIN ? BITS_MIN : bits;
  if (deflateInit2(&deflater->z, level, Z_DEFLATED, -deflater->bits,
                   mem_level(deflater->bits), Z_DEFAULT_STRATEGY) != Z_OK) {
    free(deflater);
    return NULL;
  }
  return deflater;
}

void neap_deflater_free(neap_deflater *deflater) {
  if (deflater == NULL)
    return;
  deflateEnd(&deflater->z);
  free(deflater);
}

size_t neap_deflater_size(const neap_deflater *deflater) {
  return sizeof *deflater + STATE_SIZE + ((size_t)1 << (deflater->bits + 2)) +
         ((size_t)1 << (mem_level(deflater->bits) + 9));
}

void **neap_deflater_tie(neap_deflater *deflater) {
  return &deflater->tied;
}

void neap_deflater_reset(neap_deflater *deflater) {
  deflateReset(&deflater->z);
}

/* As much as one call of zlib can take. */
static unsigned at_most(size_t len) {
  return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

/* True when all of src has gone out, and its flush behind it. */
static int flush(z_stream *z, const uint8_t *src, size_t len, uint8_t *dst,
                 size_t room) {
  const uint8_t *end = src + len;
  uint8_t *stop = dst + room;
  z->next_in = (uint8_t *)(uintptr_t)src;
  z->next_out = dst;
  do {
    z->avail_in = at_most((size_t)(end - z->next_in));
    z->avail_out = at_most((size_t)(stop - z->next_out));
    deflate(z, z->next_in + z->avail_in == end ? Z_SYNC_FLUSH : Z_NO_FLUSH);
  } while (z->next_in != end && z->next_out != stop);
  return z->next_in == end && z->avail_out > 0;
}

size_t neap_deflater_write(neap_deflater *deflater, uint8_t *dst, size_t room,
                           const uint8_t *src, size_t len) {
  z_stream *z = &deflater->z;
  if (flush(z, src, len, dst, room + NEAP_DEFLATER_SLACK)) {
    size_t size = (size_t)(z->next_out - dst);
    if (size > TAIL && size - TAIL <= room)
      return size - TAIL;
  }
  deflateReset(z);
  return 0;
}
