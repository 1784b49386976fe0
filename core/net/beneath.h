/* net/beneath.h - opens files that lie beneath a directory, and no others.
 *
 * Not through "..", not through a symbolic link, whoever put it there and when:
 * the kernel decides while it opens. Only regular files and directories. */

#ifndef NEAP_NET_BENEATH_H
#define NEAP_NET_BENEATH_H

#include <sys/stat.h>

/* A descriptor to read from, and what it is; NEAP_EREFUSED when there is no such
 * file, or none that may be read, NEAP_ELIMIT for want of descriptors, NEAP_EIO. */
int neap_open_beneath(const char *root, const char *path, struct stat *st);

/* The same without openat2, which older kernels and some sandboxes lack. */
int neap_open_beneath_by_walking(const char *root, const char *path,
                                 struct stat *st);

#endif
