/* net/memory.h - how much C memory neap itself holds, to the byte.
 *
 * The linker leads every malloc, calloc, realloc, free, strdup and strndup that
 * the module's own code calls through the functions of memory.c; the code says
 * malloc, as ever. What libuv, OpenSSL and Lua allocate is not in it. So what
 * one of them has made must not be freed by free(), nor the reverse. */

#ifndef NEAP_NET_MEMORY_H
#define NEAP_NET_MEMORY_H

#include <stdint.h>

typedef struct neap_memory {
  uint64_t blocks;
  uint64_t bytes; /* as the allocator counts them: rounded up */
} neap_memory;

/* What is allocated now, by all loops of the process together. */
neap_memory neap_memory_held(void);

#ifndef NDEBUG
/* The thread's next `count` allocations fail, behind the first `after`. */
void neap_memory_starve(unsigned after, unsigned count);
#endif

#endif
