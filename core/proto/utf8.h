/* proto/utf8.h - UTF-8 checked as it arrives (RFC 3629, strict).
 *
 * Pure: no allocation. A check that has failed must not be fed again. */

#ifndef NEAP_PROTO_UTF8_H
#define NEAP_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the text stands. NEAP_UTF8_START: between two characters, so a text
 * may end here; a zeroed state is this one. */
typedef uint8_t neap_utf8;
enum { NEAP_UTF8_START = 0 };

/* False as soon as src has a byte that no valid text could have there. */
bool neap_utf8_feed(neap_utf8 *state, const uint8_t *src, size_t len);

/* The whole of src is a text that ends between two characters. */
bool neap_utf8_is_valid(const uint8_t *src, size_t len);

#endif
