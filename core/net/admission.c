#include "net/admission.h"

#include <stdatomic.h>
#include <sys/resource.h>

static atomic_size_t admitted;

bool neap_admission_enter(size_t limit) {
  if (atomic_fetch_add_explicit(&admitted, 1, memory_order_relaxed) < limit)
    return true;
  neap_admission_leave();
  return false;
}

void neap_admission_leave(void) {
  atomic_fetch_sub_explicit(&admitted, 1, memory_order_relaxed);
}

uint64_t neap_raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit))
    return 0;
  rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) ? soft : limit.rlim_max;
}
