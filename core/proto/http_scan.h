/* proto/http_scan.h - how the parts of the head parser walk over the bytes.
 *
 * For proto/http_*.c alone. A step answers 1 when it is done, 0 when the bytes
 * end too early, or NEAP_EPROTO with the refusal written into the head. */

#ifndef NEAP_PROTO_HTTP_SCAN_H
#define NEAP_PROTO_HTTP_SCAN_H

#include "proto/http.h"
#include "proto/http_char.h"

typedef struct neap_http_scan {
  neap_http_head *head;
  const char *src;
  size_t at;         /* the next byte */
  size_t stop;       /* at most NEAP_HTTP_LINE_MAX behind the line's start */
  size_t len;        /* bytes there are, never past the limit */
  bool full;         /* len is the limit: a head that goes on is too large */
  bool is_request;   /* refusals then carry the status to answer with */
  uint16_t too_long; /* that status: 414 in the first line, 431 behind it */
  int host;          /* index of the Host field, or -1 */
} neap_http_scan;

void neap_http_scan_init(neap_http_scan *scan, neap_http_head *head,
                         const char *src, size_t len, size_t limit);

/* Returns NEAP_EPROTO. The text is static. */
int neap_http_scan_refuse(neap_http_scan *scan, uint16_t status,
                          const char *text);

int neap_http_scan_edge(neap_http_scan *scan);

/* 1 when the byte at the cursor can be looked at. */
static inline int neap_http_scan_ready(neap_http_scan *scan) {
  return scan->at < scan->stop ? 1 : neap_http_scan_edge(scan);
}

/* Moves over the bytes of a class and looks at the one behind them. */
static inline int neap_http_scan_over(neap_http_scan *scan,
                                      enum neap_char wanted) {
  size_t at = scan->at;
  while (at < scan->stop && neap_char_is(scan->src[at], wanted))
    at++;
  scan->at = at;
  return neap_http_scan_ready(scan);
}

static inline neap_http_span neap_http_scan_since(const neap_http_scan *scan,
                                                  size_t from) {
  return (neap_http_span){(uint16_t)from, (uint16_t)(scan->at - from)};
}

/* CRLF, and the next line begins; any other byte but CR and LF is refused with
 * the text. The cursor must be on a byte. */
int neap_http_scan_crlf(neap_http_scan *scan, const char *otherwise);

/* HTTP/1.0 or HTTP/1.1; another version of the same form is a 505. */
int neap_http_scan_version(neap_http_scan *scan);

/* Field lines up to and with the empty line; http_field.c. */
int neap_http_scan_fields(neap_http_scan *scan);

#endif
