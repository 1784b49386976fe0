#include "net/lookup.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "proto/status.h"

enum { STACK_SIZE = 512 * 1024 };

/* What loop and thread share; the last of the two frees it. */
typedef struct neap_lookup_job {
  pthread_mutex_t lock;
  neap_lookup *lookup; /* NULL: given up */
  struct addrinfo *found;
  int status;
  atomic_int references;
  char name[];
} neap_lookup_job;

static void release(neap_lookup_job *job) {
  if (atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) > 1)
    return;
  if (job->found)
    freeaddrinfo(job->found);
  pthread_mutex_destroy(&job->lock);
  free(job);
}

static void *ask(void *arg) {
  neap_lookup_job *job = arg;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  job->status = getaddrinfo(job->name, NULL, &hints, &job->found);
  pthread_mutex_lock(&job->lock);
  if (job->lookup)
    uv_async_send(&job->lookup->async);
  pthread_mutex_unlock(&job->lock);
  release(job);
  return NULL;
}

/* Signals are the business of the loop's own thread. */
static int start_thread(neap_lookup_job *job) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = pthread_create(&thread, &attributes, ask, job);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return err ? NEAP_ELIMIT : NEAP_OK;
}

static void on_done(uv_async_t *async) {
  neap_lookup *lookup = async->data;
  lookup->found = lookup->job->found;
  lookup->status = lookup->job->status;
  lookup->done(lookup);
}

static neap_lookup_job *new_job(neap_lookup *lookup, const char *name) {
  neap_lookup_job *job = calloc(1, sizeof *job + strlen(name) + 1);
  if (job == NULL)
    return NULL;
  pthread_mutex_init(&job->lock, NULL);
  strcpy(job->name, name);
  job->lookup = lookup;
  job->references = 2;
  return job;
}

int neap_lookup_start(neap_lookup **out, neap_loop *loop, const char *name) {
  neap_lookup *lookup = calloc(1, sizeof *lookup);
  if (lookup == NULL)
    return NEAP_ENOMEM;
  lookup->job = new_job(lookup, name);
  if (lookup->job == NULL)
    goto free_lookup;
  if (uv_async_init(&loop->uv, &lookup->async, on_done))
    goto free_job;
  lookup->async.data = lookup;
  lookup->loop = loop;
  lookup->born.size = sizeof *lookup;
  neap_census_open(&loop->census, &lookup->born, NEAP_CLASS_LOOKUP,
                   neap_loop_now(loop));
  int err = start_thread(lookup->job);
  if (err) {
    release(lookup->job);
    neap_lookup_close(lookup);
    return err;
  }
  *out = lookup;
  return NEAP_OK;

free_job:
  free(lookup->job);
free_lookup:
  free(lookup);
  return NEAP_ENOMEM;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void neap_lookup_close(neap_lookup *lookup) {
  neap_lookup_job *job = lookup->job;
  pthread_mutex_lock(&job->lock);
  job->lookup = NULL;
  pthread_mutex_unlock(&job->lock);
  release(job);
  neap_census_close(&lookup->loop->census, &lookup->born);
  uv_close((uv_handle_t *)&lookup->async, on_closed);
}
