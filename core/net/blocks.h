/* net/blocks.h - memory that a connection has only while it needs it.
 *
 * All of one size, from a free list of the loop: what was given back last, and
 * is still in the processor's cache, is taken first. */

#ifndef NEAP_NET_BLOCKS_H
#define NEAP_NET_BLOCKS_H

#include <stddef.h>
#include <stdlib.h>

typedef struct neap_blocks {
  void **free; /* each begins with the next */
  size_t size;
  size_t count;
  size_t most; /* that are kept: what a crowd has needed for a moment is not */
} neap_blocks;

/* A sanitizer is to see who uses what was given back. */
static inline neap_blocks neap_blocks_of(size_t size, size_t most) {
#ifdef __SANITIZE_ADDRESS__
  most = 0;
#endif
  return (neap_blocks){.size = size, .most = most};
}

/* As it was given back, but for its first word, which is NULL; a new one is all
 * zero. NULL: no memory. */
static inline void *neap_blocks_take(neap_blocks *blocks) {
  void **block = blocks->free;
  if (block == NULL)
    return calloc(1, blocks->size);
  blocks->free = *block;
  blocks->count--;
  *block = NULL;
  return block;
}

static inline void neap_blocks_give(neap_blocks *blocks, void *block) {
  if (blocks->count == blocks->most) {
    free(block);
    return;
  }
  *(void **)block = blocks->free;
  blocks->free = block;
  blocks->count++;
}

/* Frees what nobody has. */
static inline void neap_blocks_release(neap_blocks *blocks) {
  while (blocks->free)
    free(neap_blocks_take(blocks));
}

#endif
