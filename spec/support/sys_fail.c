/* Fails system calls of the process that preloads it, where neap or libuv makes
 * them: the n-th of a kind, and those that follow, count in all.
 *
 *   fail_at(call, error, n [, count])    "recv", "ECONNRESET" or "SHORT", 3
 *   fail_at()                            disarms; returns how many there were
 *
 * SHORT is no error: the call does one byte of what it was asked for. What libuv
 * treats as the end of the world (its own epoll_ctl) is left alone. A process
 * without a script's help reads NEAP_FAIL="call error n count". */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHORT = -1 };

static const struct {
  const char *name;
  int number;
} errors[] = {
  {"SHORT", SHORT},
#define E(name) \
  { #name, name }
  E(EACCES),        E(EADDRINUSE),   E(EADDRNOTAVAIL), E(EAGAIN),
  E(ECONNABORTED),  E(ECONNREFUSED), E(ECONNRESET),    E(EHOSTUNREACH),
  E(EINTR),         E(EINVAL),       E(EIO),           E(EMFILE),
  E(ENETDOWN),      E(ENETUNREACH),  E(ENFILE),        E(ENOBUFS),
  E(ENOENT),        E(ENOMEM),       E(ENOSPC),        E(ENOSYS),
  E(ENOTCONN),      E(EPERM),        E(EPIPE),         E(EPROTO),
  E(ETIMEDOUT)};

static char armed[32];
static int error;
static atomic_long calls;
static long fails_at, count;

static bool is_made_by(void *caller, const char *call) {
  Dl_info info;
  if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
    return false;
  if (strstr(info.dli_fname, "neap/core.so"))
    return true;
  return strstr(info.dli_fname, "libuv") && strcmp(call, "epoll_ctl") != 0;
}

/* 0, an errno that is set, or SHORT. */
static int failure(const char *call, void *caller) {
  if (strcmp(armed, call) != 0 || !is_made_by(caller, call))
    return 0;
  long n = atomic_fetch_add(&calls, 1) + 1;
  if (n < fails_at || n >= fails_at + count)
    return 0;
  if (error > 0)
    errno = error;
  return error;
}

#define FAILS(call) failure(call, __builtin_return_address(0))

/* A call that fails as a whole or not at all. */
#define CALL(type, name, parameters, ...)          \
  type name parameters {                           \
    if (FAILS(#name) > 0)                          \
      return -1;                                   \
    return (type)syscall(SYS_##name, __VA_ARGS__); \
  }

CALL(int, accept4, (int fd, struct sockaddr *to, socklen_t *len, int flags), fd,
     to, len, flags)
CALL(int, bind, (int fd, const struct sockaddr *to, socklen_t len), fd, to, len)
CALL(int, connect, (int fd, const struct sockaddr *to, socklen_t len), fd, to,
     len)
CALL(int, epoll_create1, (int flags), flags)
CALL(int, epoll_ctl, (int set, int how, int fd, struct epoll_event *event), set,
     how, fd, event)
CALL(int, epoll_wait, (int set, struct epoll_event *out, int room, int ms), set,
     out, room, ms)
CALL(int, fstat, (int fd, struct stat *out), fd, out)
CALL(int, getpeername, (int fd, struct sockaddr *to, socklen_t *len), fd, to,
     len)
CALL(int, getsockname, (int fd, struct sockaddr *to, socklen_t *len), fd, to,
     len)
CALL(int, getsockopt, (int fd, int level, int name, void *to, socklen_t *len),
     fd, level, name, to, len)
CALL(int, setsockopt,
     (int fd, int level, int name, const void *value, socklen_t len), fd, level,
     name, value, len)
CALL(int, listen, (int fd, int backlog), fd, backlog)
CALL(int, pipe2, (int pair[2], int flags), pair, flags)
CALL(int, shutdown, (int fd, int how), fd, how)
CALL(int, socket, (int domain, int type, int protocol), domain, type, protocol)
CALL(ssize_t, getrandom, (void *to, size_t len, unsigned flags), to, len, flags)

int eventfd(unsigned initial, int flags) {
  return FAILS("eventfd") > 0 ? -1 : (int)syscall(SYS_eventfd2, initial, flags);
}

ssize_t recv(int fd, void *to, size_t len, int flags) {
  int how = FAILS("recv");
  if (how > 0)
    return -1;
  return syscall(SYS_recvfrom, fd, to, how && len ? 1 : len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *from, size_t len, int flags) {
  int how = FAILS("send");
  if (how > 0)
    return -1;
  return syscall(SYS_sendto, fd, from, how && len ? 1 : len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  int how = FAILS("sendmsg");
  if (how > 0)
    return -1;
  if (how == SHORT && message->msg_iov->iov_len)
    return syscall(SYS_sendto, fd, message->msg_iov->iov_base, 1, flags, NULL,
                   0);
  return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t sendfile(int out, int in, off_t *at, size_t len) {
  int how = FAILS("sendfile");
  return how > 0 ? -1 : syscall(SYS_sendfile, out, in, at, how ? 1 : len);
}

ssize_t pread(int fd, void *to, size_t len, off_t at) {
  int how = FAILS("pread");
  return how > 0 ? -1 : syscall(SYS_pread64, fd, to, how ? 1 : len, at);
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (FAILS("open") > 0)
    return -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
  if (FAILS("openat") > 0)
    return -1;
  return (int)syscall(SYS_openat, at, path, flags, 0);
}

/* openat2 has no function of its own. */
long syscall(long number, ...) {
  static long (*real)(long, ...);
  long a[6];
  va_list more;
  va_start(more, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg(more, long);
  va_end(more);
  if (number == SYS_openat2 && FAILS("openat2") > 0)
    return -1;
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "syscall");
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                   void *(*fn)(void *), void *arg) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                     void *);
  int how = FAILS("pthread_create");
  if (how > 0)
    return how;
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  return real(out, attributes, fn, arg);
}

static int find_error(const char *name) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (strcmp(errors[i].name, name) == 0)
      return errors[i].number;
  fprintf(stderr, "sys_fail: no error %s\n", name);
  abort();
}

static void arm(const char *call, const char *name, long at, long times) {
  error = find_error(name);
  fails_at = at;
  count = times;
  calls = 0;
  snprintf(armed, sizeof armed, "%s", call);
}

__attribute__((constructor)) static void arm_by_environment(void) {
  char call[32], name[32];
  long at, times;
  const char *text = getenv("NEAP_FAIL");
  if (text && sscanf(text, "%31s %31s %ld %ld", call, name, &at, &times) == 4)
    arm(call, name, at, times);
}

static int fail_at(lua_State *L) {
  long counted = calls;
  armed[0] = '\0';
  if (!lua_isnoneornil(L, 1))
    arm(luaL_checkstring(L, 1), luaL_checkstring(L, 2), luaL_checkinteger(L, 3),
        luaL_optinteger(L, 4, 1));
  lua_pushinteger(L, counted);
  return 1;
}

int luaopen_sys_fail(lua_State *L) {
  lua_pushcfunction(L, fail_at);
  return 1;
}
