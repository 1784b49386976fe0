#include "proto/answer.h"

#include <stdio.h>
#include <string.h>

#include "proto/status.h"

#define REASON_MAP(X)                       \
  X(101, "Switching Protocols")             \
  X(200, "OK")                              \
  X(201, "Created")                         \
  X(202, "Accepted")                        \
  X(204, "No Content")                      \
  X(206, "Partial Content")                 \
  X(301, "Moved Permanently")               \
  X(302, "Found")                           \
  X(303, "See Other")                       \
  X(304, "Not Modified")                    \
  X(307, "Temporary Redirect")              \
  X(308, "Permanent Redirect")              \
  X(400, "Bad Request")                     \
  X(401, "Unauthorized")                    \
  X(403, "Forbidden")                       \
  X(404, "Not Found")                       \
  X(405, "Method Not Allowed")              \
  X(406, "Not Acceptable")                  \
  X(408, "Request Timeout")                 \
  X(409, "Conflict")                        \
  X(410, "Gone")                            \
  X(411, "Length Required")                 \
  X(412, "Precondition Failed")             \
  X(413, "Content Too Large")               \
  X(414, "URI Too Long")                    \
  X(415, "Unsupported Media Type")          \
  X(416, "Range Not Satisfiable")           \
  X(417, "Expectation Failed")              \
  X(421, "Misdirected Request")             \
  X(422, "Unprocessable Content")           \
  X(426, "Upgrade Required")                \
  X(429, "Too Many Requests")               \
  X(431, "Request Header Fields Too Large") \
  X(500, "Internal Server Error")           \
  X(501, "Not Implemented")                 \
  X(502, "Bad Gateway")                     \
  X(503, "Service Unavailable")             \
  X(504, "Gateway Timeout")                 \
  X(505, "HTTP Version Not Supported")

const char *neap_http_reason(int status) {
  switch (status) {
#define X(number, phrase) \
  case number: return phrase;
    REASON_MAP(X)
#undef X
  }
  return "Status";
}

/* 1xx, 204 and 304 have no body and say no length (RFC 9110, 8.6). */
static bool has_length(int status) {
  return status >= 200 && status != 204 && status != 304;
}

int neap_http_write_answer(neap_buffer *out, const neap_http_answer *answer,
                           const char *date) {
  char head[512];
  const char *reason =
    answer->reason ? answer->reason : neap_http_reason(answer->status);
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 %d %.200s\r\nDate: %s\r\nConnection: close\r\n",
                   answer->status, reason, date);
  char length[64] = "";
  if (has_length(answer->status))
    snprintf(length, sizeof length, "Content-Length: %zu\r\n",
             answer->body_len);
  size_t body =
    answer->omits_body || !has_length(answer->status) ? 0 : answer->body_len;
  int err = neap_buffer_append(out, head, (size_t)n);
  if (!err)
    err = neap_buffer_append(out, length, strlen(length));
  if (!err)
    err = neap_buffer_append(out, answer->headers, answer->headers_len);
  if (!err)
    err = neap_buffer_append(out, "\r\n", 2);
  if (!err)
    err = neap_buffer_append(out, answer->body, body);
  return err;
}
