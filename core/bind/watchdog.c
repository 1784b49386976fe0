#include "bind/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bind/running.h"
#include "bind/site.h"

/* LOOK: between two looks; HURRY: the same while a stop is asked for. SIGURG is
 * ignored where nobody handles it, so a late one does no harm. */
enum { LOOK_MS = 1000, HURRY_MS = 50, NUDGE = SIGURG };

enum errand { NOTHING, REPORT, INTERRUPT, INSIST };

struct neap_watchdog {
  neap_runtime *rt;
  pthread_t thread; /* the watchdog's own */
  pthread_t loop;
  sem_t wake;
  uint64_t cancel;
  uint64_t turn;
  atomic_bool is_over;
  atomic_int errand;
  bool has_signals;
  struct sigaction old_int; /* libuv's */
  struct sigaction old_term;
};

/* A thread's own: a nudge is for the loop of the thread that gets it. */
static _Thread_local neap_watchdog *on_duty;

/* Signals are the process's: one loop at a time has them, and all hear of the
 * stop. */
static neap_watchdog *_Atomic listener;
static atomic_int stops;

/* How many have the handler of the nudge in use. */
static struct {
  pthread_mutex_t lock;
  int count;
  struct sigaction old;
} nudged = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- on the loop's thread */

static neap_runtime *runtime_on_duty(void) {
  neap_watchdog *watchdog = on_duty;
  return watchdog ? watchdog->rt : NULL;
}

static void hook_report(lua_State *L, lua_Debug *frame) {
  neap_runtime *rt = runtime_on_duty();
  (void)frame;
  lua_sethook(L, NULL, 0, 0);
  if (rt == NULL || !lua_checkstack(L, 24) ||
      !neap_push_hook(rt, L, NEAP_HOOK_ERROR))
    return;
  luaL_traceback(L, L,
                 "a turn of the loop lasts too long: nobody else is "
                 "served meanwhile",
                 0);
  lua_call(L, 1, 0);
}

/* neap's own code is not to blame, and must not be left half done: whatever of
 * the script it calls is interrupted. */
static void hook_interrupt(lua_State *L, lua_Debug *frame) {
  if (!neap_site_is_script(L, frame))
    return;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted: the handler did not yield, and the process is "
                "asked to stop");
}

/* The script caught the first one: this one comes again at each step. */
static void hook_insist(lua_State *L, lua_Debug *frame) {
  if (neap_site_is_script(L, frame))
    luaL_error(L, "interrupted: the handler did not yield, and the process is "
                  "asked to stop");
}

static void set_hook(lua_State *co, lua_Hook hook) {
  lua_sethook(co, hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* Whoever has resumed the running coroutine may have caught its error too, and
 * resume the next one: to insist is to set the hook on them all, but not on the
 * main thread, where neap itself puts an ended task in order. */
static void on_nudge(int number) {
  neap_watchdog *watchdog = on_duty;
  (void)number;
  if (watchdog == NULL)
    return;
  neap_runtime *rt = watchdog->rt;
  const neap_runner *runner = rt->running;
  int errand = atomic_exchange(&watchdog->errand, NOTHING);
  if (errand == NOTHING || runner == NULL)
    return;
  rt->is_hooked = true;
  set_hook(runner->co, errand == REPORT      ? hook_report
                       : errand == INTERRUPT ? hook_interrupt
                                             : hook_insist);
  while (errand == INSIST && (runner = runner->outer) != NULL &&
         runner->co != rt->L)
    set_hook(runner->co, hook_insist);
}

/* The first goes on to libuv; a second one ends the process at once. */
static void on_stop(int number) {
  neap_watchdog *watchdog = atomic_load(&listener);
  if (atomic_fetch_add(&stops, 1) > 0)
    _exit(130);
  if (watchdog == NULL)
    return;
  sem_post(&watchdog->wake);
  struct sigaction *old =
    number == SIGINT ? &watchdog->old_int : &watchdog->old_term;
  if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
    old->sa_handler(number);
}

void neap_watchdog_calm(neap_runtime *rt, lua_State *co) {
  if (!rt->is_hooked)
    return;
  rt->is_hooked = rt->running != NULL;
  lua_sethook(co, NULL, 0, 0);
}

/* ---- on the watchdog's thread */

static void rest(neap_watchdog *watchdog) {
  bool hurries = atomic_load(&stops) > 0;
  long ms = hurries ? HURRY_MS : LOOK_MS;
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += ms % 1000 * 1000000;
  until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  while (sem_timedwait(&watchdog->wake, &until) != 0 && errno == EINTR)
    ;
}

static void nudge(neap_watchdog *watchdog, enum errand errand) {
  atomic_store(&watchdog->errand, (int)errand);
  pthread_kill(watchdog->loop, NUDGE);
}

/* What is known of the turn that is under way. */
struct sight {
  uint64_t turn;
  uint64_t since;
  bool is_reported;
  int interrupts;
};

static void look(neap_watchdog *watchdog, struct sight *sight) {
  neap_loop *loop = watchdog->rt->loop;
  uint64_t turn = atomic_load_explicit(&loop->turns, memory_order_relaxed);
  uint64_t now = now_ms();
  if (turn != sight->turn ||
      atomic_load_explicit(&loop->is_polling, memory_order_relaxed)) {
    *sight = (struct sight){.turn = turn, .since = now};
    return;
  }
  uint64_t lasted = now - sight->since;
  uint64_t patience = watchdog->cancel * (uint64_t)(sight->interrupts + 1);
  if (atomic_load(&stops) > 0 && lasted >= patience) {
    nudge(watchdog, sight->interrupts++ ? INSIST : INTERRUPT);
  } else if (watchdog->turn && lasted >= watchdog->turn &&
             !sight->is_reported) {
    sight->is_reported = true;
    nudge(watchdog, REPORT);
  }
}

static void *watch(void *arg) {
  neap_watchdog *watchdog = arg;
  struct sight sight = {.since = now_ms()};
  while (!atomic_load(&watchdog->is_over)) {
    look(watchdog, &sight);
    rest(watchdog);
  }
  return NULL;
}

static bool start_thread(neap_watchdog *watchdog) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = pthread_create(&watchdog->thread, NULL, watch, watchdog);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return err == 0;
}

static void catch_nudges(void) {
  struct sigaction turn = {.sa_handler = on_nudge, .sa_flags = SA_RESTART};
  sigfillset(&turn.sa_mask);
  pthread_mutex_lock(&nudged.lock);
  if (nudged.count++ == 0)
    sigaction(NUDGE, &turn, &nudged.old);
  pthread_mutex_unlock(&nudged.lock);
}

static void leave_nudges(void) {
  pthread_mutex_lock(&nudged.lock);
  if (--nudged.count == 0)
    sigaction(NUDGE, &nudged.old, NULL);
  pthread_mutex_unlock(&nudged.lock);
}

static void catch_stops(neap_watchdog *watchdog) {
  struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
  sigfillset(&stop.sa_mask);
  watchdog->has_signals = true;
  atomic_store(&stops, 0);
  atomic_store(&listener, watchdog);
  sigaction(SIGINT, &stop, &watchdog->old_int);
  sigaction(SIGTERM, &stop, &watchdog->old_term);
}

static void leave_stops(neap_watchdog *watchdog) {
  if (!watchdog->has_signals)
    return;
  sigaction(SIGINT, &watchdog->old_int, NULL);
  sigaction(SIGTERM, &watchdog->old_term, NULL);
  atomic_store(&listener, NULL);
}

neap_watchdog *neap_watchdog_start(neap_runtime *rt, uint64_t cancel,
                                   uint64_t turn, bool has_signals) {
  neap_watchdog *watchdog = calloc(1, sizeof *watchdog);
  if (watchdog == NULL)
    return NULL;
  watchdog->rt = rt;
  watchdog->loop = pthread_self();
  watchdog->cancel = cancel;
  watchdog->turn = turn;
  sem_init(&watchdog->wake, 0, 0);
  if (!start_thread(watchdog)) {
    sem_destroy(&watchdog->wake);
    free(watchdog);
    return NULL;
  }
  on_duty = watchdog;
  catch_nudges();
  if (has_signals)
    catch_stops(watchdog);
  return watchdog;
}

void neap_watchdog_stop(neap_watchdog *watchdog) {
  leave_stops(watchdog);
  on_duty = NULL;
  atomic_store(&watchdog->is_over, true);
  sem_post(&watchdog->wake);
  pthread_join(watchdog->thread, NULL);
  leave_nudges();
  sem_destroy(&watchdog->wake);
  free(watchdog);
}
