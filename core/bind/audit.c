#include "bind/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "bind/loop.h"
#include "bind/runtime.h"
#include "net/audit.h"
#include "net/memory.h"
#include "net/worker.h"
#include "proto/status.h"

/* Differences are gathered in C: an audit in the midst of which a finaliser ran
 * would see half of what it did. */
enum { MOST = 100, LONGEST = 200 };

struct findings {
  char text[MOST][LONGEST];
  size_t count;
};

static void gather(void *arg, const char *text) {
  struct findings *findings = arg;
  if (findings->count < MOST)
    snprintf(findings->text[findings->count], LONGEST, "%s", text);
  findings->count++;
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
  lua_pushinteger(L, (lua_Integer)count);
  lua_setfield(L, -2, name);
}

static void push_audit(lua_State *L, const neap_audit *audit,
                       const struct findings *findings) {
  lua_newtable(L);
  set_count(L, "descriptors", audit->descriptors);
  set_count(L, "foreign", audit->foreign);
  set_count(L, "handles", audit->handles);
  set_count(L, "blocks", audit->memory.blocks);
  set_count(L, "bytes", audit->memory.bytes);
  size_t shown = findings->count < MOST ? findings->count : MOST;
  for (size_t i = 0; i < shown; i++) {
    lua_pushstring(L, findings->text[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (findings->count > shown) {
    lua_pushfstring(L, "and %d more", (int)(findings->count - shown));
    lua_rawseti(L, -2, (lua_Integer)shown + 1);
  }
}

/* core.audit() -> {descriptors=, foreign=, handles=, blocks=, bytes=,
 * "a difference in words", ...} | nil, message, code */
static int audit(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  uv_handle_t *own[NEAP_SIGNALS + 1];
  neap_audit result;
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  struct findings *findings = lua_newuserdatauv(L, sizeof *findings, 0);
  findings->count = 0;
  size_t count = neap_signals_handles(rt, own);
  if (rt->loop->worker)
    own[count++] = (uv_handle_t *)&rt->loop->worker->async;
  int err = neap_audit_run(&result, rt->loop, own, count, gather, findings);
  if (err)
    return neap_push_status(L, err);
  push_audit(L, &result, findings);
  return 1;
}

/* core.trim(): gives back what is kept for later -> how often so far */
static int trim(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  neap_runtime_shrink(rt, L);
  neap_trim_now(rt->loop);
  lua_pushinteger(L, (lua_Integer)rt->loop->trim.times);
  return 1;
}

#ifndef NDEBUG
/* core.starve([after, count]): for specs, in builds with assertions alone: of
 * the allocations in C that follow the first `after`, the next `count` fail */
static int starve(lua_State *L) {
  neap_memory_starve((unsigned)luaL_optinteger(L, 1, 0),
                     (unsigned)luaL_optinteger(L, 2, 0));
  return 0;
}
#endif

void neap_bind_audit(lua_State *L) {
  static const luaL_Reg functions[] = {{"audit", audit},
                                       {"trim", trim},
#ifndef NDEBUG
                                       {"starve", starve},
#endif
                                       {NULL, NULL}};
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
