/* proto/answer.h - an HTTP/1.1 answer, written, and the chunks of its body.
 *
 * The caller has checked that headers hold no stray line ends. */

#ifndef NEAP_PROTO_ANSWER_H
#define NEAP_PROTO_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"

enum neap_http_length {
  NEAP_LENGTH_KNOWN,   /* Content-Length */
  NEAP_LENGTH_CHUNKED, /* Transfer-Encoding: the body follows in chunks */
  NEAP_LENGTH_TO_END,  /* neither: the body ends with the connection */
};

typedef struct neap_http_answer {
  int status;
  const char *headers; /* complete lines, each ended by CRLF */
  size_t headers_len;
  const char *body;
  size_t body_len; /* what Content-Length says, with or without the body */
  enum neap_http_length length;
  bool omits_body; /* the answer to a HEAD */
  bool closes;     /* "Connection: close" */
  bool keeps;      /* "Connection: keep-alive", which HTTP/1.0 waits for */
} neap_http_answer;

/* "Bad Request" for 400; "Status" for one that has no phrase here. */
const char *neap_http_reason(int status);

/* 1xx, 204 and 304 have no body, and say no length (RFC 9110, 8.6). */
bool neap_http_has_body(int status);

/* Appends the head, with what the answer says of length and connection. date
 * is the value of a Date header. NEAP_OK or NEAP_ENOMEM. */
int neap_http_write_head(neap_buffer *out, const neap_http_answer *answer,
                         const char *date);

enum { NEAP_HTTP_CHUNK_HEAD = 18 };

/* Writes the size line of a chunk, which "\r\n" ends behind its bytes, and the
 * last chunk is "0\r\n\r\n"; returns its length. */
size_t neap_http_write_chunk_head(char dst[NEAP_HTTP_CHUNK_HEAD], size_t len);

#endif
