#include "bind/worker.h"

#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/conn.h"
#include "bind/options.h"
#include "net/admission.h"
#include "proto/status.h"
#include "proto/utf8.h"

enum { WORDS_MAX = 256 };

/* Registry key of the worker whose thread runs a state. */
static const char worker_key;

struct neap_threads {
  neap_group *group;
  uint32_t count;
  struct thread {
    pthread_t id;
    neap_worker *worker;
    char *words[WORDS_MAX]; /* a chunk of Lua, and its arguments */
    int count;
    bool is_running;
  } threads[];
};

/* ---- a thread and its state */

static int start_state(lua_State *L) {
  struct thread *thread = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_pushlightuserdata(L, thread->worker);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &worker_key);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_neap_core);
  lua_setfield(L, -2, "neap.core");
  lua_settop(L, 0);
  luaL_checkstack(L, thread->count, NULL);
  if (luaL_loadbufferx(L, thread->words[0], strlen(thread->words[0]), "=worker",
                       "t"))
    return lua_error(L);
  for (int i = 1; i < thread->count; i++)
    lua_pushstring(L, thread->words[i]);
  lua_call(L, thread->count - 1, 0);
  return 0;
}

/* A line for the first worker, from whatever is left of this one. */
static void tell_first(neap_worker *worker, const char *text, size_t len) {
  neap_mail *mail = neap_mail_new(NEAP_MAIL_CALL, text, len, NULL);
  if (mail == NULL)
    return;
  mail->id = worker->index;
  neap_worker_tell(worker->group, 1, mail);
}

static void tell_fault(neap_worker *worker, const char *fault) {
  char line[1024];
  int len = snprintf(line, sizeof line, "failed %s", fault);
  tell_first(worker, line,
             len < (int)sizeof line ? (size_t)len : sizeof line - 1);
}

static void *live(void *arg) {
  struct thread *thread = arg;
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    tell_fault(thread->worker, "out of memory");
  } else {
    lua_pushcfunction(L, start_state);
    lua_pushlightuserdata(L, thread);
    if (lua_pcall(L, 1, 0, 0))
      tell_fault(thread->worker, luaL_tolstring(L, -1, NULL));
    lua_close(L);
  }
  tell_first(thread->worker, "gone", 4);
  return NULL;
}

/* Signals of the process are worker 1's; a nudge is sent to one thread. */
static int start_thread(struct thread *thread) {
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGURG);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = pthread_create(&thread->id, NULL, live, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  thread->is_running = err == 0;
  return err ? NEAP_ENOMEM : NEAP_OK;
}

static void free_words(struct thread *thread) {
  for (int i = 0; i < thread->count; i++)
    free(thread->words[i]);
  thread->count = 0;
}

/* core.start_worker(index, chunk, word, ...): a thread with a new state, which
 * runs the chunk of Lua with these words -> true | nil, message, code */
static int start_worker(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  struct neap_threads *threads = rt->threads;
  lua_Integer index = luaL_checkinteger(L, 1);
  int count = lua_gettop(L) - 1;
  luaL_argcheck(L, threads && index > 1 && index <= threads->count, 1,
                "there is no such worker");
  luaL_argcheck(L, count <= WORDS_MAX, count + 1, "too many words");
  for (int i = 0; i < count; i++)
    luaL_checkstring(L, i + 2);
  struct thread *thread = &threads->threads[index - 1];
  thread->worker = &threads->group->workers[index - 1];
  for (thread->count = 0; thread->count < count; thread->count++) {
    thread->words[thread->count] = strdup(lua_tostring(L, thread->count + 2));
    if (thread->words[thread->count] == NULL)
      return neap_push_status(L, NEAP_ENOMEM);
  }
  return neap_push_status(L, start_thread(thread));
}

/* core.join_workers(): waits for all threads to end */
static int join_workers(lua_State *L) {
  struct neap_threads *threads = neap_runtime_of(L)->threads;
  for (uint32_t i = 1; threads && i < threads->count; i++) {
    struct thread *thread = &threads->threads[i];
    if (thread->is_running)
      pthread_join(thread->id, NULL);
    thread->is_running = false;
    free_words(thread);
  }
  return 0;
}

/* ---- the group */

/* core.workers(count): this state becomes worker 1 of so many */
static int make_workers(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count > 1 && count <= NEAP_WORKERS_MAX, 1,
                "2 to 256 workers");
  if (rt->loop == NULL || rt->loop->worker)
    return luaL_error(L, "the workers of this process are made already");
  struct neap_threads *threads =
    calloc(1, sizeof *threads + (size_t)count * sizeof threads->threads[0]);
  neap_group *group = threads ? neap_group_new((uint32_t)count) : NULL;
  if (group == NULL) {
    free(threads);
    return neap_push_status(L, NEAP_ENOMEM);
  }
  threads->group = group;
  threads->count = (uint32_t)count;
  rt->threads = threads;
  return neap_push_status(L, neap_worker_attach(&group->workers[0], rt->loop));
}

void neap_worker_adopt(neap_runtime *rt, lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &worker_key);
  neap_worker *worker = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (worker && neap_worker_attach(worker, rt->loop))
    luaL_error(L, "neap: %s", neap_status_text(NEAP_EIO));
}

/* Threads that still run keep what they know until the process ends. */
void neap_workers_forget(neap_runtime *rt) {
  struct neap_threads *threads = rt->threads;
  if (threads == NULL)
    return;
  for (uint32_t i = 1; i < threads->count; i++)
    if (threads->threads[i].is_running)
      return;
  neap_group_free(threads->group);
  free(threads);
  rt->threads = NULL;
}

static neap_worker *worker_of(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  return rt->loop ? rt->loop->worker : NULL;
}

/* core.worker() -> index, count */
static int this_worker(lua_State *L) {
  const neap_worker *worker = worker_of(L);
  lua_pushinteger(L, worker ? worker->index : 1);
  lua_pushinteger(L, worker ? worker->group->count : 1);
  return 2;
}

/* core.parallelism() -> how many cores this process may use */
static int parallelism(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)uv_available_parallelism());
  return 1;
}

/* core.raise_descriptors() -> how many this process may have now; 0: not known */
static int raise_descriptors(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)neap_raise_descriptors());
  return 1;
}

/* core.worker_ready(): its script is loaded, it accepts -> true, or false: the
 * process is asked to stop already */
static int say_ready(lua_State *L) {
  neap_worker *worker = worker_of(L);
  if (worker)
    tell_first(worker, "ready", 5);
  lua_pushboolean(L, worker && !atomic_load(&worker->group->is_over));
  return 1;
}

/* core.end_workers(): those that still start end at once */
static int end_workers(lua_State *L) {
  neap_worker *worker = worker_of(L);
  if (worker)
    atomic_store(&worker->group->is_over, true);
  return 0;
}

/* core.worker_failed(message): it can't start */
static int say_failed(lua_State *L) {
  const char *fault = luaL_checkstring(L, 1);
  neap_worker *worker = worker_of(L);
  if (worker)
    tell_fault(worker, fault);
  return 0;
}

/* ---- mail of the scripting layer */

struct letter {
  uint32_t from;
  const char *text;
  size_t len;
};

static void call_mail(neap_runtime *rt, lua_State *L, void *arg) {
  struct letter *letter = arg;
  if (!neap_push_hook(rt, L, NEAP_HOOK_MAIL))
    return;
  lua_pushinteger(L, letter->from);
  lua_pushlstring(L, letter->text, letter->len);
  lua_call(L, 2, 0);
}

static void on_mail(void *peer, uint32_t from, const char *text, size_t len) {
  neap_road(peer, call_mail, &(struct letter){from, text, len});
}

/* core.tell(index, text): calls the mail hook of that worker -> true | nil,
 * message, code */
static int tell(lua_State *L) {
  neap_worker *worker = worker_of(L);
  lua_Integer to = luaL_checkinteger(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, worker && to >= 1 && to <= worker->group->count, 1,
                "there is no such worker");
  neap_mail *mail = neap_mail_new(NEAP_MAIL_CALL, text, len, NULL);
  if (mail == NULL)
    return neap_push_status(L, NEAP_ENOMEM);
  mail->id = worker->index;
  return neap_push_status(L,
                          neap_worker_tell(worker->group, (uint32_t)to, mail));
}

/* ---- connections of other workers */

/* core.find(id) -> the connection | nil, index of the worker that may have it */
static int find(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  lua_Integer id = luaL_checkinteger(L, 1);
  const neap_worker *worker = worker_of(L);
  if (rt->loop == NULL || id <= 0)
    return 0;
  uint32_t owner =
    worker ? (uint32_t)((uint64_t)id % worker->group->count) + 1 : 1;
  if (worker && owner != worker->index) {
    lua_pushnil(L);
    lua_pushinteger(L, owner);
    return 2;
  }
  return neap_conn_push_by_id(L, rt, (uint64_t)id);
}

static int post(lua_State *L, lua_Integer id, neap_mail *mail) {
  neap_worker *worker = worker_of(L);
  if (mail == NULL)
    return neap_push_status(L, NEAP_ENOMEM);
  mail->id = (uint64_t)id;
  uint32_t owner = (uint32_t)((uint64_t)id % worker->group->count) + 1;
  int err = neap_worker_post(worker, owner, mail);
  neap_push_status(L, err);
  if (err)
    return 3;
  lua_pushliteral(L, "queued");
  return 2;
}

/* core.post_send(id, data, kind [, {key =}]) -> true, "queued" | nil, message,
 * code */
static int post_send(lua_State *L) {
  static const char *const names[] = {"key", NULL};
  neap_runtime *rt = neap_runtime_of(L);
  size_t len;
  lua_Integer id = luaL_checkinteger(L, 1);
  const char *data = luaL_checklstring(L, 2, &len);
  enum neap_opcode opcode = neap_opt_kind(L, 3);
  uint64_t key = 0;
  if (!lua_isnoneornil(L, 4)) {
    neap_options_check(L, 4, names);
    key = neap_key_field(L, 4);
  }
  if (rt->loop == NULL || rt->loop->worker == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  if (opcode == NEAP_OP_TEXT && !neap_utf8_is_valid((const uint8_t *)data, len))
    return neap_push_failure(L, NEAP_EPROTO, NEAP_NOT_UTF8_TEXT);
  neap_frame_buffer *frame =
    neap_frame_buffer_new(&rt->loop->frames, opcode, data, len);
  if (frame == NULL)
    return neap_push_status(L, NEAP_ENOMEM);
  neap_mail *mail = neap_mail_new(NEAP_MAIL_SEND, NULL, 0, frame);
  neap_frame_buffer_release(frame, &rt->loop->frames);
  if (mail)
    mail->key = key;
  return post(L, id, mail);
}

/* core.post_close(id [, code [, reason]]); no code: it is dropped */
static int post_close(lua_State *L) {
  lua_Integer id = luaL_checkinteger(L, 1);
  bool drops = lua_isnoneornil(L, 2);
  lua_Integer code = luaL_optinteger(L, 2, 0);
  size_t len;
  const char *reason = luaL_optlstring(L, 3, "", &len);
  if (worker_of(L) == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  code = neap_sendable_code(code);
  neap_mail *mail =
    neap_mail_new(drops ? NEAP_MAIL_TERMINATE : NEAP_MAIL_CLOSE, reason,
                  code ? neap_fitting_reason(reason, len) : 0, NULL);
  if (mail)
    mail->code = (uint16_t)code;
  return post(L, id, mail);
}

void neap_bind_worker(lua_State *L) {
  static const luaL_Reg functions[] = {{"workers", make_workers},
                                       {"worker", this_worker},
                                       {"parallelism", parallelism},
                                       {"raise_descriptors", raise_descriptors},
                                       {"start_worker", start_worker},
                                       {"join_workers", join_workers},
                                       {"worker_ready", say_ready},
                                       {"worker_failed", say_failed},
                                       {"end_workers", end_workers},
                                       {"tell", tell},
                                       {"find", find},
                                       {"post_send", post_send},
                                       {"post_close", post_close},
                                       {NULL, NULL}};
  neap_runtime *rt = neap_runtime_open(L);
  rt->loop->on_mail = on_mail;
  luaL_setfuncs(L, functions, 1);
}
