/* Preloaded: the wall clock leaps by years at each look, forth and back. */

#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LEAP = 400 * 24 * 3600 };

static atomic_long looks;

static time_t leap(void) {
  return (atomic_fetch_add(&looks, 1) % 5 - 2) * (time_t)LEAP;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int err = (int)syscall(SYS_clock_gettime, clock, now);
  if (err == 0 && clock == CLOCK_REALTIME)
    now->tv_sec += leap();
  return err;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out)
    *out = now.tv_sec;
  return now.tv_sec;
}
