/* proto/mask.h - the masking of RFC 6455, section 5.3.
 *
 * Masking and unmasking are the same. offset is the position of the first byte
 * in its frame's payload; only its last two bits matter. */

#ifndef NEAP_PROTO_MASK_H
#define NEAP_PROTO_MASK_H

#include <stddef.h>
#include <stdint.h>

void neap_mask(const uint8_t key[4], size_t offset, uint8_t *data, size_t len);

/* dst and src do not overlap. */
void neap_mask_copy(const uint8_t key[4], size_t offset, uint8_t *dst,
                    const uint8_t *src, size_t len);

#endif
