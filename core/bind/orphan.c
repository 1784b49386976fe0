#include "bind/orphan.h"

#include <stdlib.h>

#include "bind/site.h"

typedef struct neap_orphan {
  struct neap_orphan *next;
  uint64_t id;
  uint64_t age; /* milliseconds */
  uint32_t site;
  bool is_client;
} neap_orphan;

void neap_orphan_note(neap_runtime *rt, const neap_conn *conn) {
  rt->loop->abandoned++;
  neap_orphan *orphan = malloc(sizeof *orphan);
  if (orphan == NULL)
    return; /* it is counted all the same */
  *orphan = (neap_orphan){.next = rt->orphans,
                          .id = conn->id,
                          .age = neap_loop_now(conn->loop) - conn->born.at,
                          .site = conn->born.site,
                          .is_client = conn->is_client};
  rt->orphans = orphan;
  neap_loop_wake(rt->loop);
}

static void report(neap_runtime *rt, lua_State *L, void *arg) {
  const neap_orphan *orphan = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_ABANDONED))
    return;
  lua_pushinteger(L, (lua_Integer)orphan->id);
  neap_site_push(L, orphan->site);
  lua_pushnumber(L, (lua_Number)orphan->age / 1e3);
  lua_pushboolean(L, orphan->is_client);
  lua_call(L, 4, 0);
}

static neap_orphan *take(neap_runtime *rt) {
  neap_orphan *orphan = rt->orphans;
  if (orphan)
    rt->orphans = orphan->next;
  return orphan;
}

void neap_orphans_report(neap_runtime *rt) {
  neap_orphan *orphan;
  while ((orphan = take(rt)) != NULL) {
    neap_road(rt, report, orphan);
    free(orphan);
  }
}

void neap_orphans_free(neap_runtime *rt) {
  neap_orphan *orphan;
  while ((orphan = take(rt)) != NULL)
    free(orphan);
}
