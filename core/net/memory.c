#include "net/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The C library's; and what the linker puts in their place. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static atomic_uint_fast64_t blocks;
static atomic_uint_fast64_t bytes;

#ifndef NDEBUG
static _Thread_local unsigned until_failure, failures;

void neap_memory_starve(unsigned after, unsigned count) {
  until_failure = after;
  failures = count;
}

static bool fails(void) {
  if (failures == 0)
    return false;
  if (until_failure > 0) {
    until_failure--;
    return false;
  }
  failures--;
  return true;
}
#else
static bool fails(void) {
  return false;
}
#endif

static void *count_in(void *block) {
  if (block == NULL)
    return NULL;
  atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&bytes, malloc_usable_size(block),
                            memory_order_relaxed);
  return block;
}

static void count_out(size_t size) {
  atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
  atomic_fetch_sub_explicit(&bytes, size, memory_order_relaxed);
}

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : count_in(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : count_in(__real_calloc(count, size));
}

/* size is never 0 here: memory is given back by free. */
void *__wrap_realloc(void *old, size_t size) {
  size_t before = old ? malloc_usable_size(old) : 0;
  if (size > before && fails())
    return NULL;
  void *block = __real_realloc(old, size);
  if (block && old)
    count_out(before);
  return count_in(block);
}

void __wrap_free(void *block) {
  if (block)
    count_out(malloc_usable_size(block));
  __real_free(block);
}

char *__wrap_strndup(const char *text, size_t len) {
  size_t size = strnlen(text, len);
  char *copy = __wrap_malloc(size + 1);
  if (copy == NULL)
    return NULL;
  memcpy(copy, text, size);
  copy[size] = 0;
  return copy;
}

char *__wrap_strdup(const char *text) {
  return __wrap_strndup(text, strlen(text));
}

neap_memory neap_memory_held(void) {
  return (neap_memory){
    .blocks = atomic_load_explicit(&blocks, memory_order_relaxed),
    .bytes = atomic_load_explicit(&bytes, memory_order_relaxed)};
}
