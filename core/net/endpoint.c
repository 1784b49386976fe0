#include "net/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/status.h"

int neap_fault_of(int error, neap_fault *fault) {
  snprintf(fault->text, sizeof fault->text, "%s", strerror(error));
  switch (error) {
    case EADDRINUSE: return NEAP_EBUSY;
    case EACCES:
    case EPERM: return NEAP_EREFUSED;
    case ENOMEM: return NEAP_ENOMEM;
    default: return NEAP_EIO;
  }
}

static void prepare(int fd, int family, bool only_v6, bool shares) {
  int on = 1, v6 = only_v6;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shares)
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (family == AF_INET6) /* else it would be the system's choice */
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6, sizeof v6);
}

static int bind_to(const struct addrinfo *to, bool only_v6, bool shares,
                   neap_fault *fault) {
  int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  int fd = socket(to->ai_family, type, 0);
  if (fd < 0)
    return neap_fault_of(errno, fault);
  prepare(fd, to->ai_family, only_v6, shares);
  if (bind(fd, to->ai_addr, to->ai_addrlen) == 0)
    return fd;
  int err = neap_fault_of(errno, fault);
  close(fd);
  return err;
}

/* Binds twice where others are to follow: a socket that may be shared would be
 * let in beside another process's that may be shared too. */
static int bind_as(const struct addrinfo *to, bool only_v6,
                   enum neap_sharing sharing, neap_fault *fault) {
  if (sharing == NEAP_FIRST_OF_MANY) {
    int probe = bind_to(to, only_v6, false, fault);
    if (probe < 0)
      return probe;
    close(probe);
  }
  return bind_to(to, only_v6, sharing != NEAP_ALONE, fault);
}

int neap_endpoint_tcp(const char *host, uint16_t port, bool only_v6,
                      enum neap_sharing sharing, neap_fault *fault) {
  struct addrinfo *found;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  int err = getaddrinfo(host, service, &hints, &found);
  if (err) {
    snprintf(fault->text, sizeof fault->text, "%s", gai_strerror(err));
    return NEAP_EIO;
  }
  int fd = bind_as(found, only_v6, sharing, fault);
  freeaddrinfo(found);
  return fd;
}

static bool is_stream(int fd) {
  int type = 0;
  socklen_t len = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
         type == SOCK_STREAM;
}

/* A socket that is connected would be taken for one that listens. */
static bool is_connected(int fd) {
  struct sockaddr_storage peer;
  socklen_t len = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

int neap_endpoint_inherited(int fd, neap_fault *fault) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) {
    snprintf(fault->text, sizeof fault->text, "nothing is open there");
    return NEAP_EIO;
  }
  if (!is_stream(fd) || is_connected(fd)) {
    snprintf(fault->text, sizeof fault->text,
             "it is no stream socket that listens");
    return NEAP_EIO;
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return fd;
}
