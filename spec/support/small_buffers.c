/* Gives the sockets that the process accepts the smallest send buffers there
 * are: what it sends is soon its own to keep. */

#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
  int size = 4096;
  int accepted = (int)syscall(SYS_accept4, fd, address, len, flags);
  if (accepted >= 0)
    setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return accepted;
}
