/* bind/runtime.h - what one Lua state and its loop share, and the one road
 * from the loop into Lua.
 *
 *   script --strong--> userdata --borrowed--> object --peer--> userdata
 *
 * The loop owns the object, the userdata borrows it; whichever goes first
 * clears the other's pointer. The runtime's own userdata is made first and so
 * finalised last: it then closes whatever is still on the loop. */

#ifndef NEAP_BIND_RUNTIME_H
#define NEAP_BIND_RUNTIME_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "net/loop.h"

struct neap_runner;
struct neap_task;
struct neap_threads;

/* Lua functions that the scripting layer gives to the core, by name. */
#define NEAP_HOOK_MAP(X)                                                      \
  X(ADOPT, "adopt")                 /* (owner, task): it waits */             \
  X(TASK_END, "task_end")           /* (task, ok, err, trace) */              \
  X(CONN_CLOSED, "conn_closed")     /* (conn, why, close handler) */          \
  X(CONN_ERROR, "conn_error")       /* (conn, err, trace, handler) */         \
  X(CONN_WRITABLE, "conn_writable") /* (conn, handler) */                     \
  X(CONN_PONG, "conn_pong")         /* (conn, payload) */                     \
  X(REQUEST_ERROR, "request_error") /* (req, err, trace) */                   \
  X(REQUEST_GONE, "request_gone")   /* (req) */                               \
  X(INSECURE, "insecure")           /* (remote, fault): no TLS */             \
  X(ABANDONED, "abandoned")         /* (id, site, age, is_client) */          \
  X(LOOK, "look")                   /* () -> whether once more */             \
  X(ERROR, "error")                 /* (message): nobody else's */            \
  X(MAIL, "mail")                   /* (worker, text): from another worker */ \
  X(SIGNAL, "signal")               /* (name) */

enum neap_hook {
#define X(symbol, name) NEAP_HOOK_##symbol,
  NEAP_HOOK_MAP(X)
#undef X
    NEAP_HOOK_COUNT,
};

typedef struct neap_runtime {
  lua_State *L;    /* the main thread */
  neap_loop *loop; /* NULL once closed */
  struct neap_task *current;
  struct neap_runner *volatile running; /* the innermost */
  struct neap_task *taken;              /* from the pool, and not started yet */
  struct neap_task *finishing;          /* those whose end is being told */
  struct neap_task *idle;               /* tasks kept for the next callback */
  size_t idle_count;
  neap_link ready;   /* to resume, in the order of their waking */
  neap_link doomed;  /* to close at the end of the turn */
  neap_link late;    /* tasks that memory was too short for, */
  neap_link errands; /* and other calls into Lua: */
  neap_timer retry;  /* they have another try then */
  int hooks[NEAP_HOOK_COUNT];
  int text; /* the strings "text" and "binary" */
  int binary;
  int handlers; /* table: listener tag -> on_request, -tag -> its doors */
  uint32_t last_tag;
  size_t handles_at_collection;
  neap_timer look; /* the scripting layer looks at what it ends */
  neap_timer rest; /* a collection once the loop has rested */
  uint64_t roads;  /* how often Lua was called */
  uint64_t roads_at_rest;
  int pause; /* of the collector, as neap has set it; 0 = as the script has */
  int heap;  /* the least KiB of Lua's heap seen lately: what lives */
  size_t strings; /* bytes that messages have made of it lately */
  bool is_running;
  bool is_closing; /* the state goes: Lua is not called any more */
  bool without_sites;
  volatile bool is_hooked; /* the watchdog has set a hook */
  struct neap_watchdog *watchdog;
  struct neap_signals *signals;
  struct neap_threads *threads; /* of worker 1: those of the others */
  struct neap_orphan *orphans;  /* connections to report as abandoned */
} neap_runtime;

/* Every function and metamethod of the core has the runtime as upvalue 1. */
static inline neap_runtime *neap_runtime_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* Makes the runtime, or finds it; leaves its userdata on the stack. */
neap_runtime *neap_runtime_open(lua_State *L);

/* Runs body(L, arg) on the main thread, protected; an error that comes out of
 * it goes to the log and ends nothing. Returns LUA_OK, or how it failed:
 * LUA_ERRMEM for want of memory, also where the scripting layer passed that on.
 * May be called on the road. */
typedef void neap_road_fn(neap_runtime *rt, lua_State *L, void *arg);
int neap_road(neap_runtime *rt, neap_road_fn *body, void *arg);

/* Lua is about to be called: the loop neither rests nor polls. */
static inline void neap_runtime_stir(neap_runtime *rt) {
  rt->roads++;
  atomic_store_explicit(&rt->loop->is_polling, false, memory_order_relaxed);
}

/* What Lua says of it. */
#define NEAP_SHORTAGE "not enough memory"

/* Whether the error at index says that memory is short. */
bool neap_is_shortage(lua_State *L, int index);

/* Inside the road: pushes a hook, or returns false when there is none. */
bool neap_push_hook(neap_runtime *rt, lua_State *L, enum neap_hook hook);

/* Counted references from the registry: what a script's handles hang on. */
int neap_ref(neap_runtime *rt, lua_State *L);
void neap_unref(neap_runtime *rt, int *ref);

/* A table, by address, of handles that are held by the script alone. */
void neap_weak_set(lua_State *L, const void *key);
int neap_weak_get(lua_State *L, const void *key);
void neap_weak_clear(lua_State *L, const void *key);
/* A table keeps the room that it once had; this makes it anew. */
void neap_weak_shrink(lua_State *L);

/* Pushes true for a status >= 0, or nil, message, code. Returns the count. */
int neap_push_status(lua_State *L, int status);
int neap_push_failure(lua_State *L, int status, const char *message);

/* Makes a class's metatable with these functions, each with the runtime as its
 * upvalue; leaves it on the stack. __index is the methods table unless index
 * is given. */
void neap_class(lua_State *L, const char *name, const luaL_Reg *methods,
                const luaL_Reg *metamethods);

/* Gives back what is kept in Lua for later. */
void neap_runtime_shrink(neap_runtime *rt, lua_State *L);

/* A collection when handles outgrow what the last one left: descriptors do not
 * wait for memory to run short. Never call with a half-made object. */
void neap_collect_if_grown(neap_runtime *rt, lua_State *L);

#endif
