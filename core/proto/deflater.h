/* proto/deflater.h - one compressor: text in, the payload of a message out.
 *
 * What it writes has lost its trailing 00 00 ff ff (RFC 7692, section 7.2.1).
 * Its window goes on to the next message unless it is reset. */

#ifndef NEAP_PROTO_DEFLATER_H
#define NEAP_PROTO_DEFLATER_H

#include <stddef.h>
#include <stdint.h>

typedef struct neap_deflater neap_deflater;

/* What is written behind the room that was given, and not kept. */
enum { NEAP_DEFLATER_SLACK = 8 };

/* bits is 8 to 15, level 1 to 9; NULL: no memory. */
neap_deflater *neap_deflater_new(uint8_t bits, uint8_t level);
void neap_deflater_free(neap_deflater *deflater); /* NULL is fine */

/* The bytes that it holds. */
size_t neap_deflater_size(const neap_deflater *deflater);

/* A place for whatever its owner ties to it; NULL at first. */
void **neap_deflater_tie(neap_deflater *deflater);

/* Forgets the window: a sender may, whenever it likes. */
void neap_deflater_reset(neap_deflater *deflater);

/* Compresses a whole message to dst, which has room bytes and the slack behind
 * them. Returns the size; 0: it does not fit, and the window is forgotten. */
size_t neap_deflater_write(neap_deflater *deflater, uint8_t *dst, size_t room,
                           const uint8_t *src, size_t len);

#endif
