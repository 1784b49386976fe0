#include "proto/http_scan.h"

#include "proto/status.h"

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static void begin_line(neap_http_scan *scan) {
  scan->stop = smaller(scan->len, scan->at + NEAP_HTTP_LINE_MAX);
}

void neap_http_scan_init(neap_http_scan *scan, neap_http_head *head,
                         const char *src, size_t len, size_t limit) {
  limit = smaller(limit, UINT16_MAX);
  *scan = (neap_http_scan){
    .head = head,
    .src = src,
    .len = smaller(len, limit),
    .full = len >= limit,
    .too_long = 414,
    .host = -1,
  };
  begin_line(scan);

  /* Not the fields: 800 bytes that nothing reads before they are written. */
  head->status = 0;
  head->error = NULL;
  head->method = head->target = head->reason = (neap_http_span){0, 0};
  head->minor = 0;
  head->chunked = head->expects_continue = false;
  head->content_length = -1;
  head->field_count = 0;
}

int neap_http_scan_refuse(neap_http_scan *scan, uint16_t status,
                          const char *text) {
  scan->head->error = text;
  if (scan->is_request)
    scan->head->status = status;
  return NEAP_EPROTO;
}

/* Nothing left to read: more may come, unless the limit is reached. */
static int await_more(neap_http_scan *scan) {
  if (!scan->full)
    return 0;
  return neap_http_scan_refuse(scan, scan->too_long,
                               scan->too_long == 414
                                 ? "The request line is over the limit."
                                 : "The head is over the limit.");
}

/* The cursor is at the stop: either the bytes end, or the line is too long,
 * unless just its end is left. */
int neap_http_scan_edge(neap_http_scan *scan) {
  if (scan->at == scan->len)
    return await_more(scan);
  if (scan->src[scan->at] == '\r')
    return 1;
  return neap_http_scan_refuse(scan, scan->too_long,
                               scan->too_long == 414
                                 ? "The first line is over 8 KiB."
                                 : "A header line is over 8 KiB.");
}

int neap_http_scan_crlf(neap_http_scan *scan, const char *otherwise) {
  char c = scan->src[scan->at];
  if (c == '\n')
    return neap_http_scan_refuse(scan, 400, "A line ends with LF, not CRLF.");
  if (c != '\r')
    return neap_http_scan_refuse(scan, 400, otherwise);
  if (scan->at + 1 == scan->len)
    return await_more(scan);
  if (scan->src[scan->at + 1] != '\n')
    return neap_http_scan_refuse(scan, 400, "A CR is not followed by LF.");
  scan->at += 2;
  begin_line(scan);
  return 1;
}

/* A digit where another one was due makes a version, if not one of ours. */
static int refuse_version(neap_http_scan *scan, char c, bool digit_due) {
  if (digit_due && neap_char_is_digit(c))
    return neap_http_scan_refuse(scan, 505,
                                 "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  return neap_http_scan_refuse(scan, 400, "The HTTP version is malformed.");
}

int neap_http_scan_version(neap_http_scan *scan) {
  static const char form[] = "HTTP/1.";
  for (size_t i = 0; i < sizeof form; i++, scan->at++) {
    int got = neap_http_scan_ready(scan);
    if (got <= 0)
      return got;
    char c = scan->src[scan->at];
    bool is_minor = form[i] == '\0';
    if (is_minor && (c == '0' || c == '1'))
      scan->head->minor = (uint8_t)(c - '0');
    else if (is_minor || c != form[i])
      return refuse_version(scan, c, is_minor || form[i] == '1');
  }
  return 1;
}
