/* Preloaded: the kernel gives random bytes NEAP_RANDOM times, and then no more. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

ssize_t getrandom(void *bytes, size_t size, unsigned flags) {
  static int calls;
  const char *allowed = getenv("NEAP_RANDOM");
  (void)flags;
  if (allowed && calls++ >= atoi(allowed)) {
    errno = ENOSYS;
    return -1;
  }
  memset(bytes, 7, size);
  return (ssize_t)size;
}
