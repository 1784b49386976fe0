/* crowd PORT COUNT [PATH]: many clients, of small receive buffers.
 *
 * With PATH each opens a WebSocket and waits for the 101; then "open N" is
 * printed. After that it obeys the lines of stdin: "reset" ends all at once,
 * "dead" prints how many the server has ended, "close" closes the others. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int *sockets;
static int count;

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int size = 2048;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close(fd);
  return -1;
}

/* Reads no further than the end of the head. */
static bool open_websocket(int fd, int port, const char *path) {
  char head[512];
  int len = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n\r\n",
                     path, port);
  if (send(fd, head, (size_t)len, MSG_NOSIGNAL) != len)
    return false;
  ssize_t n = recv(fd, head, 12, MSG_WAITALL);
  return n == 12 && memcmp(head, "HTTP/1.1 101", 12) == 0;
}

static void open_all(int port, int wanted, const char *path) {
  sockets = calloc((size_t)wanted, sizeof *sockets);
  for (int i = 0; i < wanted; i++) {
    int fd = connect_to(port);
    if (fd >= 0 && (path == NULL || open_websocket(fd, port, path)))
      sockets[count++] = fd;
  }
}

static void close_all(bool by_reset) {
  struct linger now = {.l_onoff = by_reset, .l_linger = 0};
  for (int i = 0; i < count; i++) {
    setsockopt(sockets[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(sockets[i]);
  }
  count = 0;
}

/* Whatever the server has said before is read away. */
static int count_dead(void) {
  int dead = 0;
  char bytes[512];
  for (int i = 0; i < count; i++) {
    ssize_t n;
    do
      n = recv(sockets[i], bytes, sizeof bytes, MSG_DONTWAIT);
    while (n > 0);
    dead += n == 0 || errno != EAGAIN;
  }
  return dead;
}

int main(int argc, char **argv) {
  char line[32];
  if (argc < 3)
    return 2;
  open_all(atoi(argv[1]), atoi(argv[2]), argc > 3 ? argv[3] : NULL);
  printf("open %d\n", count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    if (strcmp(line, "dead\n") == 0)
      printf("dead %d\n", count_dead());
    else
      close_all(strcmp(line, "reset\n") == 0);
    fflush(stdout);
  }
  return 0;
}
