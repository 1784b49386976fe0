/* Sockets in the file system, and in the abstract namespace. */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/endpoint.h"
#include "proto/status.h"

enum { TYPE = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, LOOKUP_SIZE = 4096 };

static int read_path(struct sockaddr_un *address, socklen_t *len,
                     const char *path, neap_fault *fault) {
  size_t size = strlen(path);
  if (size >= sizeof address->sun_path) {
    snprintf(fault->text, sizeof fault->text, "the path is over %zu bytes",
             sizeof address->sun_path - 1);
    return NEAP_EIO;
  }
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, size);
  *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
  if (path[0] != '@')
    return NEAP_OK;
  address->sun_path[0] = '\0'; /* an abstract name has no end but its length */
  --*len;
  return NEAP_OK;
}

/* A path that nobody answers on is left over from a process that died. One whose
 * queue is full has somebody. */
static bool is_stale(const struct sockaddr_un *address, socklen_t len,
                     struct stat *st) {
  if (lstat(address->sun_path, st) || !S_ISSOCK(st->st_mode))
    return false;
  int fd = socket(AF_UNIX, TYPE, 0);
  if (fd < 0)
    return false;
  bool refused = connect(fd, (const struct sockaddr *)address, len) != 0 &&
                 errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static bool is_still(const char *path, dev_t device, ino_t inode) {
  struct stat st;
  return lstat(path, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void remove_stale(const struct sockaddr_un *address, socklen_t len) {
  struct stat st;
  if (is_stale(address, len, &st) &&
      is_still(address->sun_path, st.st_dev, st.st_ino))
    unlink(address->sun_path);
}

static bool read_number(long *out, const char *text) {
  char *end;
  *out = strtol(text, &end, 10);
  return *text && *end == '\0' && *out >= 0;
}

static int no_such(const char *what, const char *name, neap_fault *fault) {
  snprintf(fault->text, sizeof fault->text, "there is no %s %s", what, name);
  return NEAP_EIO;
}

static int find_owner(uid_t *out, const char *name, neap_fault *fault) {
  char text[LOOKUP_SIZE];
  struct passwd entry, *found = NULL;
  long number;
  if (read_number(&number, name)) {
    *out = (uid_t)number;
    return NEAP_OK;
  }
  getpwnam_r(name, &entry, text, sizeof text, &found);
  if (found == NULL)
    return no_such("user", name, fault);
  *out = found->pw_uid;
  return NEAP_OK;
}

static int find_group(gid_t *out, const char *name, neap_fault *fault) {
  char text[LOOKUP_SIZE];
  struct group entry, *found = NULL;
  long number;
  if (read_number(&number, name)) {
    *out = (gid_t)number;
    return NEAP_OK;
  }
  getgrnam_r(name, &entry, text, sizeof text, &found);
  if (found == NULL)
    return no_such("group", name, fault);
  *out = found->gr_gid;
  return NEAP_OK;
}

static int give_away(const neap_socket_file *file, neap_fault *fault) {
  uid_t owner = (uid_t)-1;
  gid_t group = (gid_t)-1;
  int err = NEAP_OK;
  if (file->owner)
    err = find_owner(&owner, file->owner, fault);
  if (!err && file->group)
    err = find_group(&group, file->group, fault);
  if (err)
    return err;
  if ((file->owner || file->group) && lchown(file->path, owner, group))
    return neap_fault_of(errno, fault);
  if (file->mode >= 0 && chmod(file->path, (mode_t)file->mode))
    return neap_fault_of(errno, fault);
  return NEAP_OK;
}

/* Nobody can connect before it listens. */
static int settle(neap_socket_mark *mark, const neap_socket_file *file,
                  neap_fault *fault) {
  struct stat st;
  if (file->path[0] == '@')
    return NEAP_OK;
  if (lstat(file->path, &st))
    return neap_fault_of(errno, fault);
  mark->path = strdup(file->path);
  mark->device = st.st_dev;
  mark->inode = st.st_ino;
  return mark->path ? give_away(file, fault) : NEAP_ENOMEM;
}

int neap_endpoint_unix(neap_socket_mark *mark, const neap_socket_file *file,
                       neap_fault *fault) {
  struct sockaddr_un address;
  socklen_t len;
  *mark = (neap_socket_mark){0};
  int err = read_path(&address, &len, file->path, fault);
  if (err)
    return err;
  if (file->path[0] != '@')
    remove_stale(&address, len);
  int fd = socket(AF_UNIX, TYPE, 0);
  if (fd < 0)
    return neap_fault_of(errno, fault);
  if (bind(fd, (struct sockaddr *)&address, len))
    err = neap_fault_of(errno, fault);
  else
    err = settle(mark, file, fault);
  if (err == NEAP_OK)
    return fd;
  neap_socket_mark_release(mark);
  close(fd);
  return err;
}

void neap_socket_mark_release(neap_socket_mark *mark) {
  if (mark->path && is_still(mark->path, mark->device, mark->inode))
    unlink(mark->path);
  free(mark->path);
  *mark = (neap_socket_mark){0};
}
