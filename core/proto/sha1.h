/* proto/sha1.h - SHA-1 (RFC 3174), which the opening handshake asks for.
 *
 * No secret depends on it there; use it for nothing else. */

#ifndef NEAP_PROTO_SHA1_H
#define NEAP_PROTO_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { NEAP_SHA1_LEN = 20 };

void neap_sha1(uint8_t digest[NEAP_SHA1_LEN], const void *data, size_t len);

#endif
