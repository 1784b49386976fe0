/* net/endpoint.h - where a server can be reached: makes the sockets that listen.
 *
 * Each function returns a bound descriptor (close-on-exec, non-blocking), or a
 * negative status with the system's own words in fault. */

#ifndef NEAP_NET_ENDPOINT_H
#define NEAP_NET_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One worker after the other listens on the same address. The first makes sure
 * that nobody else does, which sharing would not tell. */
enum neap_sharing { NEAP_ALONE, NEAP_FIRST_OF_MANY, NEAP_ONE_OF_MANY };

typedef struct neap_fault {
  char text[160];
} neap_fault;

/* Of a socket in the file system; mode -1, owner and group NULL: as they come. */
typedef struct neap_socket_file {
  const char *path; /* "@name" is in the abstract namespace */
  int mode;
  const char *owner; /* a name or a number */
  const char *group;
} neap_socket_file;

/* The file that a socket is known by, as it was when it was made. */
typedef struct neap_socket_mark {
  char *path; /* NULL: there is none to remove */
  dev_t device;
  ino_t inode;
} neap_socket_mark;

/* host is a numeric address. "::" takes IPv4 too, unless only_v6. NEAP_EBUSY
 * when somebody listens there. */
int neap_endpoint_tcp(const char *host, uint16_t port, bool only_v6,
                      enum neap_sharing sharing, neap_fault *fault);

/* Replaces a socket that nobody answers on, and nothing else. It has its owner
 * and mode before anybody can connect. */
int neap_endpoint_unix(neap_socket_mark *mark, const neap_socket_file *file,
                       neap_fault *fault);

/* Checks a descriptor that another process has made: the same one, or a negative
 * status, with fd left open. */
int neap_endpoint_inherited(int fd, neap_fault *fault);

/* Removes the file, if it still is the one that was made. */
void neap_socket_mark_release(neap_socket_mark *mark);

/* What errno says, as a status, and its words. */
int neap_fault_of(int error, neap_fault *fault);

#endif
