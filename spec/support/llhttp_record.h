/* llhttp_record.h - what llhttp reads in one head, and perhaps in the body
 * behind it: the oracle of specs and fuzz targets. */

#ifndef NEAP_LLHTTP_RECORD_H
#define NEAP_LLHTTP_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "llhttp.h"

enum { LLHTTP_TEXT_MAX = 1 << 17, LLHTTP_STRINGS_MAX = 256 };

/* Strings end to end in text; ends[i] is where string i stops. The last one is
 * being read. They are method and target, or the reason; version; then name and
 * value of each field. */
typedef struct llhttp_record {
  char text[LLHTTP_TEXT_MAX];
  uint32_t ends[LLHTTP_STRINGS_MAX];
  uint32_t last;
  int is_whole;    /* the head */
  int is_chunked;  /* what it says of the body */
  uint64_t length; /* Content-Length, 0 when there is none */
  uint16_t status; /* of a response */
  int reads_body;  /* go on behind the head */
  int is_complete; /* and the end of the body was there */
  size_t used;     /* bytes up to that end */
  size_t body_len; /* the body stands in text, from body on */
  uint32_t body;
} llhttp_record;

static inline uint32_t llhttp_record_start(const llhttp_record *r, uint32_t i) {
  return i > 0 ? r->ends[i - 1] : 0;
}

void llhttp_record_read(llhttp_record *r, llhttp_type_t type, int reads_body,
                        const char *src, size_t len);

#endif
