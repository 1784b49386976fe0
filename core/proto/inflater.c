#include "proto/inflater.h"

#include <stdlib.h>
#include <zlib.h>

#include "proto/status.h"

struct neap_inflater {
  z_stream z;
  uint8_t bits;
  bool is_fresh; /* nothing was fed yet */
  bool is_ended; /* by a block that says that it is the last */
};

/* What zlib's data_type tells, and what its state weighs (zconf.h). */
enum { UNUSED_BITS = 63, BETWEEN_BLOCKS = 128, STATE_SIZE = 7 * 1024 };

neap_inflater *neap_inflater_new(uint8_t bits) {
  neap_inflater *inflater = calloc(1, sizeof *inflater);
  if (inflater == NULL)
    return NULL;
  if (inflateInit2(&inflater->z, -bits) != Z_OK) {
    free(inflater);
    return NULL;
  }
  inflater->bits = bits;
  inflater->is_fresh = true;
  return inflater;
}

void neap_inflater_free(neap_inflater *inflater) {
  if (inflater == NULL)
    return;
  inflateEnd(&inflater->z);
  free(inflater);
}

size_t neap_inflater_size(const neap_inflater *inflater) {
  return sizeof *inflater + STATE_SIZE + ((size_t)1 << inflater->bits);
}

void neap_inflater_reset(neap_inflater *inflater) {
  inflateReset(&inflater->z);
  inflater->z.avail_in = 0;
  inflater->is_fresh = true;
  inflater->is_ended = false;
}

void neap_inflater_feed(neap_inflater *inflater, const uint8_t *bytes,
                        size_t len) {
  inflater->z.next_in = (uint8_t *)(uintptr_t)bytes;
  inflater->z.avail_in = (unsigned)len;
  inflater->is_fresh &= len == 0;
}

bool neap_inflater_is_between(const neap_inflater *inflater) {
  int at = inflater->z.data_type;
  return inflater->is_fresh || inflater->is_ended ||
         ((at & BETWEEN_BLOCKS) && !(at & UNUSED_BITS));
}

/* A last block need not be the last of the message (section 7.2.3.4): what
 * follows goes on with the same window. What came before a fault is given first;
 * zlib tells the fault again. Between two blocks it is not asked without input:
 * it would no longer tell that it is there. */
int neap_inflater_next(neap_inflater *inflater, uint8_t *dst, int room) {
  z_stream *z = &inflater->z;
  int status;
  if (z->avail_in == 0 && neap_inflater_is_between(inflater))
    return 0;
  z->next_out = dst;
  z->avail_out = (unsigned)room;
  while ((status = inflate(z, Z_SYNC_FLUSH)) == Z_STREAM_END && z->avail_in)
    inflateResetKeep(z);
  inflater->is_ended = status == Z_STREAM_END;
  int got = room - (int)z->avail_out;
  if (got > 0 || status >= 0 || status == Z_BUF_ERROR)
    return got;
  return status == Z_MEM_ERROR ? NEAP_ENOMEM : NEAP_EPROTO;
}
