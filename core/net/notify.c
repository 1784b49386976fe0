#include "net/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/status.h"

int neap_notify(const char *path, const char *text, size_t len) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t size = strlen(path);
  if (size < 2 || size >= sizeof to.sun_path)
    return NEAP_EIO;
  memcpy(to.sun_path, path, size);
  if (path[0] == '@')
    to.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return NEAP_EIO;
  socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
  ssize_t sent =
    sendto(fd, text, len, MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
  close(fd);
  return sent == (ssize_t)len ? NEAP_OK : NEAP_EIO;
}
