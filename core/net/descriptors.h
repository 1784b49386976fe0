/* net/descriptors.h - the descriptors that a loop has opened, by their inodes.
 *
 * A number is used again as soon as it is free, an inode is not: so the audit
 * can tell neap's descriptor from another that took its number. Also those that
 * were closed are remembered, to find one that is open all the same. */

#ifndef NEAP_NET_DESCRIPTORS_H
#define NEAP_NET_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#define NEAP_INODE_BITS (UINT64_MAX >> 1)

typedef struct neap_descriptor {
  uint64_t inode : 63; /* 0: never the loop's */
  uint64_t is_open : 1;
} neap_descriptor;

typedef struct neap_descriptors {
  neap_descriptor *list; /* by number */
  int room;
  uint64_t missed; /* noted without memory: the audit cannot know them */
} neap_descriptors;

/* fd is the loop's from here on; nothing happens to a negative one. */
void neap_descriptor_note(neap_descriptors *descriptors, int fd);

/* Closes what was noted; harmless for a negative one. */
void neap_descriptor_close(neap_descriptors *descriptors, int fd);

void neap_descriptors_release(neap_descriptors *descriptors);

#endif
