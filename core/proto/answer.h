/* proto/answer.h - an HTTP/1.1 answer, written.
 *
 * The caller has checked that reason and headers hold no stray line ends. */

#ifndef NEAP_PROTO_ANSWER_H
#define NEAP_PROTO_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"

typedef struct neap_http_answer {
  int status;
  const char *reason;  /* NULL: the standard phrase */
  const char *headers; /* complete lines, each ended by CRLF */
  size_t headers_len;
  const char *body;
  size_t body_len;
  bool omits_body; /* the answer to a HEAD */
} neap_http_answer;

/* "Bad Request" for 400; "Status" for one that has no phrase here. */
const char *neap_http_reason(int status);

/* Appends the answer, its Content-Length and "Connection: close". date is the
 * value of a Date header. NEAP_OK or NEAP_ENOMEM. */
int neap_http_write_answer(neap_buffer *out, const neap_http_answer *answer,
                           const char *date);

#endif
