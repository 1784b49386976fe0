/* proto/http.h - a strict HTTP/1.1 head (RFC 9112), read in place.
 *
 * Pure: no allocation, no state. Positions are offsets from the head's first
 * byte, so the bytes can be moved; a head is at most 65,535 bytes. */

#ifndef NEAP_PROTO_HTTP_H
#define NEAP_PROTO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NEAP_HTTP_FIELDS_MAX = 100, NEAP_HTTP_LINE_MAX = 8192 };

typedef struct neap_http_span {
  uint16_t at;
  uint16_t len;
} neap_http_span;

typedef struct neap_http_field {
  neap_http_span name;
  neap_http_span value; /* without the white space around it */
} neap_http_field;

typedef struct neap_http_head {
  uint16_t status;       /* response: its status; refused request: the answer */
  const char *error;     /* refused: one sentence, static; else NULL */
  neap_http_span method; /* request */
  neap_http_span target; /* request: as it came, query included */
  neap_http_span reason; /* response */
  uint8_t minor;         /* of HTTP/1.x */
  bool chunked;
  bool expects_continue;  /* "Expect: 100-continue", which HTTP/1.0 has not */
  int64_t content_length; /* -1 when there is none */
  uint16_t field_count;
  neap_http_field fields[NEAP_HTTP_FIELDS_MAX];
} neap_http_head;

/* How much of a head is in use: what a copy of it needs. */
static inline size_t neap_http_head_size(const neap_http_head *head) {
  return offsetof(neap_http_head, fields) +
         head->field_count * sizeof head->fields[0];
}

/* Bytes used, the empty line included · 0 when src ends before the head does ·
 * NEAP_EPROTO: refused, with status (400 405 414 417 431 501 505) and error. */
int neap_http_read_request(neap_http_head *head, const char *src, size_t len,
                           size_t limit);
int neap_http_read_response(neap_http_head *head, const char *src, size_t len,
                            size_t limit);

/* The index of the first field of that name at or after from, or -1. Case is
 * ignored. */
int neap_http_find(const neap_http_head *head, const char *src,
                   const char *name, size_t name_len, int from);

/* Whether a comma-separated list field holds the token; case is ignored. */
bool neap_http_has_token(const neap_http_head *head, const char *src,
                         const char *name, const char *token);

/* host [":" port], as Host holds it: a name of letters, digits, '-', '.' and
 * '_', or an address in brackets. */
bool neap_http_is_authority(const char *src, size_t len);

#endif
