/* proto/proxy_header.h - the PROXY protocol, versions 1 and 2: what a proxy says
 * of the client it speaks for, ahead of all else. Pure. */

#ifndef NEAP_PROTO_PROXY_HEADER_H
#define NEAP_PROTO_PROXY_HEADER_H

#include <stddef.h>
#include <stdint.h>

/* The longest header that is taken; of version 1 it is 107 bytes. */
enum { NEAP_PROXY_MAX = 16 + 4096 };

enum neap_proxy_family {
  NEAP_PROXY_NONE, /* of its own, or not known: the socket's address stays */
  NEAP_PROXY_IP4,
  NEAP_PROXY_IP6,
  NEAP_PROXY_UNIX,
};

typedef struct neap_proxy_header {
  enum neap_proxy_family family;
  uint8_t bytes[16]; /* the client's address; IPv4: the first four */
  uint16_t port;
} neap_proxy_header;

/* The bytes that the header has · 0: not whole yet, and all of src is of it ·
 * NEAP_EPROTO: it is none. */
int neap_proxy_read(neap_proxy_header *out, const uint8_t *src, size_t len);

#endif
