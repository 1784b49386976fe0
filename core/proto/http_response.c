#include "proto/http_scan.h"
#include "proto/status.h"

static int read_space(neap_http_scan *scan) {
  int got = neap_http_scan_ready(scan);
  if (got <= 0)
    return got;
  if (scan->src[scan->at] != ' ')
    return neap_http_scan_refuse(scan, 0, "The status line is malformed.");
  scan->at++;
  return 1;
}

static int read_status(neap_http_scan *scan) {
  uint16_t status = 0;
  for (int i = 0; i < 3; i++, scan->at++) {
    int got = neap_http_scan_ready(scan);
    if (got <= 0)
      return got;
    char c = scan->src[scan->at];
    if (!neap_char_is_digit(c) || (i == 0 && c == '0'))
      return neap_http_scan_refuse(scan, 0, "The status is not a number.");
    status = (uint16_t)(status * 10 + c - '0');
  }
  scan->head->status = status;
  return 1;
}

static int read_reason(neap_http_scan *scan) {
  size_t from = scan->at;
  int got = neap_http_scan_over(scan, NEAP_CHAR_TEXT);
  if (got <= 0)
    return got;
  scan->head->reason = neap_http_scan_since(scan, from);
  return neap_http_scan_crlf(scan, "The reason holds a control character.");
}

int neap_http_read_response(neap_http_head *head, const char *src, size_t len,
                            size_t limit) {
  static int (*const steps[])(neap_http_scan *) = {
    neap_http_scan_version, read_space, read_status, read_space, read_reason,
    neap_http_scan_fields,
  };
  neap_http_scan scan;
  neap_http_scan_init(&scan, head, src, len, limit);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    int got = steps[i](&scan);
    if (got <= 0)
      return got;
  }
  return (int)scan.at;
}
