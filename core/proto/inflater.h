/* proto/inflater.h - one decompressor: raw DEFLATE in, text out (RFC 1951).
 *
 * Fed with the payload of a message in any number of pieces; its window goes on
 * to the next message unless it is reset. */

#ifndef NEAP_PROTO_INFLATER_H
#define NEAP_PROTO_INFLATER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct neap_inflater neap_inflater;

/* bits is 8 to 15; NULL: no memory. */
neap_inflater *neap_inflater_new(uint8_t bits);
void neap_inflater_free(neap_inflater *inflater); /* NULL is fine */

/* The bytes that it holds, once it has its window. */
size_t neap_inflater_size(const neap_inflater *inflater);

/* Forgets the window and where it stands. */
void neap_inflater_reset(neap_inflater *inflater);

/* Lends it bytes; only when all that was lent before is used up. */
void neap_inflater_feed(neap_inflater *inflater, const uint8_t *bytes,
                        size_t len);

/* Writes at most room bytes (not 0) to dst. Returns how many; none: all that was
 * fed is used up. NEAP_EPROTO for what is no DEFLATE, NEAP_ENOMEM. */
int neap_inflater_next(neap_inflater *inflater, uint8_t *dst, int room);

/* Whether it stands between two blocks and at a byte, as it does behind the
 * 00 00 ff ff that a message lost (RFC 7692, section 7.2.1). */
bool neap_inflater_is_between(const neap_inflater *inflater);

#endif
