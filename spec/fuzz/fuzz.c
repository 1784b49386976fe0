#include "fuzz.h"

#include <sanitizer/allocator_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t allocated;

static void on_malloc(const volatile void *block, size_t size) {
  (void)block;
  allocated += size;
}

static void on_free(const volatile void *block) {
  if (block)
    allocated -= __sanitizer_get_allocated_size((const void *)block);
}

/* Before the first input. Blocks that are older would make the count wrong by
 * their size, once: only differences are asked for. */
__attribute__((constructor)) static void count_memory(void) {
  __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

size_t fuzz_memory(void) {
  return allocated;
}

void fuzz_fail(const char *file, int line, const char *text) {
  fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, text);
  abort();
}

uint8_t fuzz_byte(fuzz_input *in) {
  if (in->len == 0)
    return 0;
  in->len--;
  return *in->at++;
}

fuzz_input fuzz_take(fuzz_input *in, size_t len) {
  fuzz_input part = {in->at, len < in->len ? len : in->len};
  in->at += part.len;
  in->len -= part.len;
  return part;
}

uint8_t *fuzz_copy(const void *src, size_t len) {
  uint8_t *copy = malloc(len ? len : 1);
  FUZZ_CHECK(copy != NULL);
  if (len > 0)
    memcpy(copy, src, len);
  return copy;
}

size_t fuzz_cut(fuzz_random *random, size_t most) {
  random->state = random->state * 1664525 + 1013904223;
  uint32_t number = random->state >> 8;
  size_t size = number % 4 ? 1 + number / 4 % 7 : 1 + number / 4 % 600;
  return size < most ? size : most;
}

void fuzz_note(neap_buffer *log, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  FUZZ_CHECK(len >= 0 && (size_t)len < sizeof text);
  fuzz_note_bytes(log, text, (size_t)len);
}

void fuzz_note_bytes(neap_buffer *log, const void *bytes, size_t len) {
  FUZZ_CHECK(neap_buffer_append(log, bytes, len) == NEAP_OK);
}

bool fuzz_is_same(const neap_buffer *a, const neap_buffer *b) {
  return a->len == b->len &&
         (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}
