/* proto/base64.h - base64 as RFC 4648, section 4, writes it: one form only. */

#ifndef NEAP_PROTO_BASE64_H
#define NEAP_PROTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define NEAP_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes NEAP_BASE64_LEN(len) characters and no NUL. */
void neap_base64_encode(char *dst, const uint8_t *src, size_t len);

/* Writes at most len / 4 * 3 bytes and returns how many, or NEAP_EPROTO: a
 * foreign character, wrong padding, or padded bits that are not zero. len is
 * at most INT_MAX. */
int neap_base64_decode(uint8_t *dst, const char *src, size_t len);

#endif
