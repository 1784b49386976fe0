/* fuzz/fuzz.h - what the fuzz targets share.
 *
 * A target reads its choices from the first bytes of the input, and gives the
 * rest to neap. A property that does not hold ends the process. */

#ifndef NEAP_FUZZ_H
#define NEAP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"

/* libFuzzer calls it with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void fuzz_fail(const char *file, int line, const char *text);

#define FUZZ_CHECK(holds) \
  ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))

/* What is left of the input. */
typedef struct fuzz_input {
  const uint8_t *at;
  size_t len;
} fuzz_input;

/* The next byte, 0 when there is none. */
uint8_t fuzz_byte(fuzz_input *in);

/* At most len bytes. */
fuzz_input fuzz_take(fuzz_input *in, size_t len);

/* A copy on the heap that ends where the bytes end, so that whoever reads past
 * them is caught. */
uint8_t *fuzz_copy(const void *src, size_t len);

/* Small numbers from a seed, the same each time: where to cut. */
typedef struct fuzz_random {
  uint32_t state;
} fuzz_random;

/* 1 to most: often 1. */
size_t fuzz_cut(fuzz_random *random, size_t most);

/* Text that two runs are compared by. */
void fuzz_note(neap_buffer *log, const char *format, ...)
  __attribute__((format(printf, 2, 3)));
void fuzz_note_bytes(neap_buffer *log, const void *bytes, size_t len);
bool fuzz_is_same(const neap_buffer *a, const neap_buffer *b);

/* Bytes allocated now in the whole process, libraries included. */
size_t fuzz_memory(void);

#endif
