#include "proto/answer.h"

#include <stdio.h>

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
  X(402, "Payment Required")                \
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
  X(425, "Too Early")                       \
  X(426, "Upgrade Required")                \
  X(428, "Precondition Required")           \
  X(429, "Too Many Requests")               \
  X(431, "Request Header Fields Too Large") \
  X(451, "Unavailable For Legal Reasons")   \
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

bool neap_http_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

static const char *connection_line(const neap_http_answer *answer) {
  if (answer->closes)
    return "Connection: close\r\n";
  return answer->keeps ? "Connection: keep-alive\r\n" : "";
}

static void write_length(char *dst, size_t size,
                         const neap_http_answer *answer) {
  *dst = '\0';
  if (!neap_http_has_body(answer->status))
    return;
  if (answer->length == NEAP_LENGTH_KNOWN)
    snprintf(dst, size, "Content-Length: %zu\r\n", answer->body_len);
  else if (answer->length == NEAP_LENGTH_CHUNKED)
    snprintf(dst, size, "Transfer-Encoding: chunked\r\n");
}

int neap_http_write_head(neap_buffer *out, const neap_http_answer *answer,
                         const char *date) {
  char head[512], length[64];
  write_length(length, sizeof length, answer);
  int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s",
                   answer->status, neap_http_reason(answer->status), date,
                   connection_line(answer), length);
  int err = neap_buffer_append(out, head, (size_t)n);
  if (!err)
    err = neap_buffer_append(out, answer->headers, answer->headers_len);
  if (!err)
    err = neap_buffer_append(out, "\r\n", 2);
  return err;
}

size_t neap_http_write_chunk_head(char dst[NEAP_HTTP_CHUNK_HEAD], size_t len) {
  return (size_t)snprintf(dst, NEAP_HTTP_CHUNK_HEAD, "%zx\r\n", len);
}
