#include "bind/lookup.h"

#include <netinet/in.h>

#include "bind/errand.h"
#include "bind/site.h"
#include "net/lookup.h"
#include "proto/status.h"

#define CLASS "neap.lookup"

enum { CALLBACK = 1 };

typedef struct lookup_box {
  neap_lookup *lookup; /* NULL once it is over, or given up */
  neap_errand errand;  /* it is over */
  neap_runtime *rt;
} lookup_box;

static void push_addresses(lua_State *L, const struct addrinfo *found) {
  char host[64];
  lua_Integer count = 0;
  lua_newtable(L);
  for (; found; found = found->ai_next) {
    if (found->ai_family == AF_INET)
      uv_ip4_name((const void *)found->ai_addr, host, sizeof host);
    else if (found->ai_family == AF_INET6)
      uv_ip6_name((const void *)found->ai_addr, host, sizeof host);
    else
      continue;
    lua_pushstring(L, host);
    lua_rawseti(L, -2, ++count);
  }
}

static int push_failure(lua_State *L, int status) {
  bool is_unknown = status == EAI_NONAME || status == EAI_NODATA;
  return neap_push_failure(L, NEAP_EREFUSED,
                           is_unknown ? "no such host" : gai_strerror(status));
}

static void give_up(lookup_box *box) {
  neap_lookup *lookup = box->lookup;
  box->lookup = NULL;
  neap_errand_forget(&box->errand);
  if (lookup)
    neap_lookup_close(lookup);
}

static void call(neap_runtime *rt, lua_State *L, void *arg) {
  lookup_box *box = NEAP_CONTAINER(arg, lookup_box, errand);
  (void)rt;
  if (neap_weak_get(L, box) != LUA_TUSERDATA)
    return;
  lua_getiuservalue(L, -1, CALLBACK);
  int count = 1;
  if (box->lookup->status)
    count = push_failure(L, box->lookup->status);
  else
    push_addresses(L, box->lookup->found);
  lua_call(L, count, 0);
  give_up(box);
}
static void on_done(neap_lookup *lookup) {
  lookup_box *box = lookup->peer;
  neap_errand_run(box->rt, &box->errand);
}

/* core.lookup(name, fn) -> lookup | nil, message, code; fn(array of addresses)
 * or fn(nil, message, code) is called on the loop, and must not wait */
static int lookup_new(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lookup_box *box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = (lookup_box){.errand.body = call, .rt = rt};
  luaL_setmetatable(L, CLASS);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, CALLBACK);
  lua_pushvalue(L, -1);
  neap_weak_set(L, box);
  int err = neap_lookup_start(&box->lookup, rt->loop, name);
  if (err)
    return neap_push_status(L, err);
  box->lookup->peer = box;
  box->lookup->done = on_done;
  box->lookup->born.site = neap_site_here(rt, L);
  return 1;
}

/* lookup:close(): gives it up; also __close and __gc */
static int lookup_close(lua_State *L) {
  lookup_box *box = luaL_checkudata(L, 1, CLASS);
  if (box->rt->loop)
    give_up(box);
  return 0;
}

void neap_bind_lookup(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", lookup_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
    {"__gc", lookup_close}, {"__close", lookup_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"lookup", lookup_new}, {NULL, NULL}};
  neap_class(L, CLASS, methods, metamethods);
  lua_pop(L, 1);
  neap_runtime_open(L);
  luaL_setfuncs(L, functions, 1);
}
