#include "net/audit.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/acceptor.h"
#include "net/conn.h"
#include "net/http_internal.h"
#include "net/lookup.h"
#include "net/socket.h"
#include "proto/status.h"

/* One run; handles are those that the census accounts for, by address. */
struct audit {
  neap_audit *out;
  neap_loop *loop;
  neap_complain_fn *say;
  void *arg;
  uv_handle_t **handles;
  bool *is_seen;
  size_t count;
  bool *is_owned; /* by descriptor: something alive in the census has it */
  bool *is_there; /* the kernel has it, with the inode that was noted */
};

__attribute__((format(printf, 2, 3))) static void
complain(const struct audit *audit, const char *format, ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  audit->say(audit->arg, text);
}

/* ---- descriptors */

/* Counts what the process has open; a number of the loop's with another inode
 * behind it is somebody else's. */
static int look_at_kernel(struct audit *audit) {
  const neap_descriptors *noted = &audit->loop->descriptors;
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL)
    return NEAP_EIO;
  const struct dirent *entry;
  while ((entry = readdir(dir)) != NULL) {
    struct stat st;
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(dir) || fstat(fd, &st))
      continue;
    if (fd < noted->room &&
        noted->list[fd].inode == (st.st_ino & NEAP_INODE_BITS))
      audit->is_there[fd] = true;
    else
      audit->out->foreign++;
  }
  closedir(dir);
  return NEAP_OK;
}

static void own_descriptor(struct audit *audit, int fd, const char *of,
                           uint64_t id) {
  const neap_descriptors *noted = &audit->loop->descriptors;
  if (fd < 0)
    return;
  if (fd >= noted->room || !noted->list[fd].is_open) {
    if (noted->missed == 0)
      complain(audit, "descriptor %d of %s #%llu was never noted", fd, of,
               (unsigned long long)id);
    return;
  }
  if (audit->is_owned[fd])
    complain(audit, "descriptor %d belongs to %s #%llu and to another", fd, of,
             (unsigned long long)id);
  else if (!audit->is_there[fd])
    complain(audit, "descriptor %d of %s #%llu was closed by somebody else", fd,
             of, (unsigned long long)id);
  audit->is_owned[fd] = true;
}

static void check_leftovers(const struct audit *audit) {
  const neap_descriptors *noted = &audit->loop->descriptors;
  for (int fd = 0; fd < noted->room; fd++) {
    bool is_open = noted->list[fd].is_open;
    audit->out->descriptors += is_open && audit->is_there[fd];
    if (is_open && !audit->is_owned[fd])
      complain(audit, "descriptor %d belongs to nothing that lives", fd);
    else if (!is_open && audit->is_there[fd])
      complain(audit, "descriptor %d was closed, and is open all the same", fd);
  }
}

/* ---- what the census accounts for */

static void own_handle(struct audit *audit, uv_handle_t *handle) {
  audit->handles[audit->count++] = handle;
}

static void own_loop(struct audit *audit) {
  neap_loop *loop = audit->loop;
  own_handle(audit, (uv_handle_t *)&loop->prepare);
  own_handle(audit, (uv_handle_t *)&loop->check);
  own_handle(audit, (uv_handle_t *)&loop->idle);
  own_handle(audit, (uv_handle_t *)&loop->clock);
  own_handle(audit, (uv_handle_t *)&loop->poller.uv);
  own_descriptor(audit, loop->poller.fd, "the poller", 0);
}

static void own_conns(struct audit *audit) {
  neap_link *list = &audit->loop->census.tally[NEAP_CLASS_STREAM].living;
  for (neap_link *l = list->next; l != list; l = l->next) {
    neap_conn *conn = NEAP_CONTAINER(l, neap_conn, born.link);
    own_descriptor(audit, conn->transport.fd, "conn", conn->id);
    own_descriptor(audit, neap_http_file_descriptor(conn), "the file of conn",
                   conn->id);
  }
}

static void own_dialing(struct audit *audit) {
  neap_link *list = &audit->loop->census.tally[NEAP_CLASS_SOCKET].living;
  for (neap_link *l = list->next; l != list; l = l->next) {
    neap_socket *socket = NEAP_CONTAINER(l, neap_socket, born.link);
    own_handle(audit, (uv_handle_t *)&socket->poll);
    own_descriptor(audit, socket->fd, "socket", 0);
  }
  list = &audit->loop->census.tally[NEAP_CLASS_LOOKUP].living;
  for (neap_link *l = list->next; l != list; l = l->next)
    own_handle(
      audit, (uv_handle_t *)&NEAP_CONTAINER(l, neap_lookup, born.link)->async);
}

static void own_listeners(struct audit *audit) {
  neap_link *list = &audit->loop->census.tally[NEAP_CLASS_LISTENER].living;
  for (neap_link *l = list->next; l != list; l = l->next) {
    neap_acceptor *acceptor = NEAP_CONTAINER(l, neap_acceptor, born.link);
    own_handle(audit, (uv_handle_t *)&acceptor->poll);
    own_descriptor(audit, acceptor->fd, "listener", acceptor->tag);
    own_descriptor(audit, acceptor->spare, "listener", acceptor->tag);
  }
}

/* ---- libuv's handles */

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t) * (uv_handle_t *const *)a;
  uintptr_t y = (uintptr_t) * (uv_handle_t *const *)b;
  return (x > y) - (x < y);
}

/* What is being closed has been counted as closed already. */
static void on_handle(uv_handle_t *handle, void *arg) {
  struct audit *audit = arg;
  audit->out->handles++;
  uv_handle_t **found =
    bsearch(&handle, audit->handles, audit->count, sizeof handle, by_address);
  if (found)
    audit->is_seen[found - audit->handles] = true;
  else if (!uv_is_closing(handle))
    complain(audit, "a handle of libuv (%s) belongs to nothing that lives",
             uv_handle_type_name(uv_handle_get_type(handle)));
}

static void check_handles(struct audit *audit) {
  qsort(audit->handles, audit->count, sizeof *audit->handles, by_address);
  uv_walk(&audit->loop->uv, on_handle, audit);
  size_t missing = 0;
  for (size_t i = 0; i < audit->count; i++)
    missing += !audit->is_seen[i];
  if (missing)
    complain(audit, "%zu in the census have no handle of libuv", missing);
}

/* ---- the allocator */

/* Classes whose bytes are C memory of neap's own; a task's is Lua's. */
static const enum neap_class in_c[] = {
  NEAP_CLASS_LISTENER,    NEAP_CLASS_STREAM, NEAP_CLASS_SUBSCRIPTION,
  NEAP_CLASS_SOCKET,      NEAP_CLASS_LOOKUP, NEAP_CLASS_TOPIC,
  NEAP_CLASS_FRAME_BUFFER};

static void check_memory(const struct audit *audit) {
  neap_audit *out = audit->out;
  out->memory = neap_memory_held();
  for (size_t i = 0; i < sizeof in_c / sizeof *in_c; i++)
    out->known += audit->loop->census.tally[in_c[i]].bytes;
  if (out->known > out->memory.bytes)
    complain(audit, "the census knows %llu bytes, the allocator only %llu",
             (unsigned long long)out->known,
             (unsigned long long)out->memory.bytes);
}

static int make_room(struct audit *audit, size_t own) {
  const neap_census *census = &audit->loop->census;
  size_t most = 5 + own +
                (size_t)neap_census_live(census, NEAP_CLASS_LISTENER) +
                (size_t)neap_census_live(census, NEAP_CLASS_SOCKET) +
                (size_t)neap_census_live(census, NEAP_CLASS_LOOKUP);
  size_t room = (size_t)audit->loop->descriptors.room + 1;
  audit->handles = calloc(most, sizeof *audit->handles);
  audit->is_seen = calloc(most, sizeof *audit->is_seen);
  audit->is_owned = calloc(room, sizeof *audit->is_owned);
  audit->is_there = calloc(room, sizeof *audit->is_there);
  return audit->handles && audit->is_seen && audit->is_owned && audit->is_there
           ? NEAP_OK
           : NEAP_ENOMEM;
}

static void give_room_back(struct audit *audit) {
  free(audit->handles);
  free(audit->is_seen);
  free(audit->is_owned);
  free(audit->is_there);
}

int neap_audit_run(neap_audit *out, neap_loop *loop, uv_handle_t *const *own,
                   size_t count, neap_complain_fn *say, void *arg) {
  struct audit audit = {.out = out, .loop = loop, .say = say, .arg = arg};
  *out = (neap_audit){0};
  check_memory(&audit); /* before it has any of its own */
  int err = make_room(&audit, count);
  if (!err)
    err = look_at_kernel(&audit);
  if (!err) {
    neap_balance_check(loop, say, arg);
    own_loop(&audit);
    for (size_t i = 0; i < count; i++)
      own_handle(&audit, own[i]);
    own_conns(&audit);
    own_listeners(&audit);
    own_dialing(&audit);
    check_leftovers(&audit);
    check_handles(&audit);
  }
  give_room_back(&audit);
  return err;
}
