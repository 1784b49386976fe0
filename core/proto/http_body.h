/* proto/http_body.h - where the body of a request ends (RFC 9112, 6 and 7).
 *
 * Pure and strict: a chunked body is read byte by byte, and whatever two
 * readers could understand differently is refused. What came is decoded in
 * place; nothing is kept but numbers. */

#ifndef NEAP_PROTO_HTTP_BODY_H
#define NEAP_PROTO_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/http.h"

/* EXTRA_MAX: bytes of chunk extensions, beyond a few for each chunk, and of
 * trailers: what a peer may send that is no body. */
enum { NEAP_HTTP_EXTRA_MAX = 4096 };

typedef struct neap_http_body {
  const char *error; /* refused: one sentence, static; else NULL */
  uint64_t left;     /* of the body, or of the chunk that is being read */
  uint64_t received;
  uint64_t limit; /* 0: none; may be set anew at any time */
  uint32_t extra;
  uint8_t digits; /* of the chunk's size, or bytes of its extension */
  uint8_t state;
} neap_http_body;

void neap_http_body_init(neap_http_body *body, const neap_http_head *head);

/* Reads from src, whose first *used bytes are done with then. 1 a piece, which
 * stands in src · 0 nothing more in src · NEAP_EPROTO, or NEAP_ETOOBIG as soon
 * as the body is known to pass the limit; both for ever. */
int neap_http_body_next(neap_http_body *body, const uint8_t *src, size_t len,
                        size_t *used, const uint8_t **piece, size_t *size);

/* The body has ended: what follows is the next request. */
bool neap_http_body_is_done(const neap_http_body *body);

/* Bytes still to come; UINT64_MAX when only the peer knows. */
uint64_t neap_http_body_left(const neap_http_body *body);

#endif
