#include "bind/errand.h"

#include "bind/task.h"

enum { RETRY_MS = 10 };

/* Until it has gone well it stands in a list of the call's own, for whatever
 * goes meanwhile takes itself out. */
void neap_errand_run(neap_runtime *rt, neap_errand *errand) {
  neap_link mine;
  neap_list_init(&mine);
  neap_link_remove(&errand->link);
  neap_list_append(&mine, &errand->link);
  int status = neap_road(rt, errand->body, errand);
  neap_link *left = neap_list_take(&mine);
  if (left == NULL || status != LUA_ERRMEM)
    return;
  neap_list_append(&rt->errands, left);
  neap_errands_retry(rt);
}

static void on_retry(neap_timer *timer) {
  neap_runtime *rt = NEAP_CONTAINER(timer, neap_runtime, retry);
  neap_link now, *link;
  neap_list_init(&now);
  neap_list_splice(&now, &rt->errands);
  while ((link = neap_list_take(&now)) != NULL)
    neap_errand_run(rt, NEAP_CONTAINER(link, neap_errand, link));
  neap_list_splice(&rt->ready, &rt->late);
  neap_loop_wake(rt->loop);
}

void neap_errands_retry(neap_runtime *rt) {
  if (!neap_timer_is_waiting(&rt->retry))
    neap_loop_start_timer(rt->loop, &rt->retry, RETRY_MS);
}

void neap_errands_init(neap_runtime *rt) {
  neap_list_init(&rt->errands);
  neap_list_init(&rt->late);
  rt->retry = (neap_timer){.fn = on_retry, .has_room = true};
}
