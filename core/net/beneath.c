#include "net/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/status.h"

/* Not to wait for the writer of a pipe, nor to get a terminal. */
enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW };
enum { NAME_SIZE = 256 };

static int from_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case EACCES:
    case EPERM:
    case ENXIO:
    case ENODEV:
    case EINVAL:
    case ENAMETOOLONG: return NEAP_EREFUSED;
    case EMFILE:
    case ENFILE: return NEAP_ELIMIT;
    case ENOMEM: return NEAP_ENOMEM;
    default: return NEAP_EIO;
  }
}

static int open_root(const char *root) {
  return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is not a regular file may answer to reading in any way. */
static int check(int fd, struct stat *st) {
  if (fd < 0)
    return from_errno(errno);
  if (fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
    return fd;
  close(fd);
  return NEAP_EREFUSED;
}

static int open_by_kernel(int root, const char *path) {
  struct open_how how = {.flags = FLAGS,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The length of the first name of path; names that lead up are none. */
static size_t first_name(const char *path) {
  size_t len = strcspn(path, "/");
  if (len == 0 || len >= NAME_SIZE || strncmp(path, "..", len) == 0)
    return 0;
  return len;
}

/* Names with one slash between each two. */
static bool is_plain(const char *path) {
  for (;;) {
    size_t len = first_name(path);
    if (len == 0)
      return false;
    if (path[len] == '\0')
      return true;
    path += len + 1;
  }
}

/* Opens name by name, each from the directory before it; closes at. */
static int walk(int at, const char *path) {
  for (;;) {
    char name[NAME_SIZE];
    size_t len = first_name(path);
    memcpy(name, path, len);
    name[len] = '\0';
    path += path[len] == '/' ? len + 1 : len;
    int flags = *path ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : FLAGS;
    int next = openat(at, name, flags);
    int error = errno;
    close(at);
    errno = error;
    if (next < 0 || *path == '\0')
      return next;
    at = next;
  }
}

int neap_open_beneath_by_walking(const char *root, const char *path,
                                 struct stat *st) {
  if (*path && !is_plain(path))
    return NEAP_EREFUSED;
  int at = open_root(root);
  if (at < 0)
    return from_errno(errno);
  return check(*path ? walk(at, path) : at, st);
}

int neap_open_beneath(const char *root, const char *path, struct stat *st) {
  if (*path && !is_plain(path))
    return NEAP_EREFUSED;
  int at = open_root(root);
  if (at < 0)
    return from_errno(errno);
  int fd = open_by_kernel(at, *path ? path : ".");
  int error = errno;
  close(at);
  if (fd < 0 && (error == ENOSYS || error == EPERM))
    return neap_open_beneath_by_walking(root, path, st);
  errno = error;
  return check(fd, st);
}
