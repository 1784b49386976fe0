/* bind/errand.h - calls into Lua that must be made: of the end of a wait, of a
 * request, of a timer's time.
 *
 * Where memory is too short for one it is made again, a little later, until there
 * is enough. So it has its place in the object that it is about, and its body may
 * begin anew. */

#ifndef NEAP_BIND_ERRAND_H
#define NEAP_BIND_ERRAND_H

#include "bind/runtime.h"

typedef struct neap_errand {
  neap_link link;     /* the runtime's, while it is to be made again */
  neap_road_fn *body; /* gets the errand as its argument */
} neap_errand;

/* Makes the call, now or when there is memory for it. */
void neap_errand_run(neap_runtime *rt, neap_errand *errand);

/* Its object goes: nobody is left to tell. */
static inline void neap_errand_forget(neap_errand *errand) {
  neap_link_remove(&errand->link);
}

/* Something was not done for want of memory: errands and tasks that are late
 * have another try, a little later. Takes no memory. */
void neap_errands_retry(neap_runtime *rt);

void neap_errands_init(neap_runtime *rt);

#endif
