#include "net/descriptors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_MIN = 1024 };

static bool make_room(neap_descriptors *descriptors, int fd) {
  if (fd < descriptors->room)
    return true;
  int room = descriptors->room ? descriptors->room : ROOM_MIN;
  while (room <= fd)
    room *= 2;
  neap_descriptor *list =
    realloc(descriptors->list, (size_t)room * sizeof *list);
  if (list == NULL)
    return false;
  memset(list + descriptors->room, 0,
         (size_t)(room - descriptors->room) * sizeof *list);
  descriptors->list = list;
  descriptors->room = room;
  return true;
}

void neap_descriptor_note(neap_descriptors *descriptors, int fd) {
  struct stat st;
  if (fd < 0)
    return;
  if (!make_room(descriptors, fd) || fstat(fd, &st)) {
    descriptors->missed++;
    return;
  }
  descriptors->list[fd] = (neap_descriptor){st.st_ino & NEAP_INODE_BITS, true};
}

void neap_descriptor_close(neap_descriptors *descriptors, int fd) {
  if (fd < 0)
    return;
  if (fd < descriptors->room)
    descriptors->list[fd].is_open = false;
  close(fd);
}

void neap_descriptors_release(neap_descriptors *descriptors) {
  free(descriptors->list);
  *descriptors = (neap_descriptors){0};
}
