/* bind/file.h - a regular file that is open for reading: core.open_file. */

#ifndef NEAP_BIND_FILE_H
#define NEAP_BIND_FILE_H

#include "bind/runtime.h"

typedef struct neap_file_box {
  int fd; /* -1 once closed, or taken */
  neap_runtime *rt;
  neap_born born;
  uint64_t size;
  int64_t seconds; /* of its last change */
  long nanoseconds;
} neap_file_box;

neap_file_box *neap_file_check(lua_State *L, int index);

/* The descriptor, which is the caller's from here on. */
int neap_file_take(neap_file_box *box);

void neap_bind_file(lua_State *L);

#endif
