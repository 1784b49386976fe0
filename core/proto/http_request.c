#include <string.h>

#include "proto/http_scan.h"
#include "proto/status.h"

enum { TLS_HANDSHAKE = 0x16 };

/* RFC 9112, section 2.2: one empty line may stand before the request line. */
static int skip_empty_line(neap_http_scan *scan) {
  int got = neap_http_scan_ready(scan);
  if (got <= 0 || scan->src[scan->at] != '\r')
    return got;
  return neap_http_scan_crlf(scan, NULL);
}

static const char *method_fault(char c) {
  if (c == TLS_HANDSHAKE)
    return "These bytes are TLS, but plain HTTP is spoken here.";
  if (c == '\n')
    return "A line ends with LF, not CRLF.";
  return "The request does not begin with a method and one space.";
}

static int read_method(neap_http_scan *scan) {
  size_t from = scan->at;
  int got = neap_http_scan_over(scan, NEAP_CHAR_TOKEN);
  if (got <= 0)
    return got;
  neap_http_span method = neap_http_scan_since(scan, from);
  if (method.len == 0 || scan->src[scan->at] != ' ')
    return neap_http_scan_refuse(scan, 400, method_fault(scan->src[scan->at]));
  if (method.len == 7 && memcmp(scan->src + from, "CONNECT", 7) == 0)
    return neap_http_scan_refuse(scan, 405, "This server is not a proxy.");
  scan->head->method = method;
  scan->at++;
  return 1;
}

/* Length of the scheme and "//", or 0 when it cannot become http or https. */
static size_t scheme_length(const char *src, size_t len) {
  bool secure = len > 4 && (src[4] == 's' || src[4] == 'S');
  const char *scheme = secure ? "https://" : "http://";
  size_t wanted = secure ? 8 : 7;
  return neap_char_same(src, scheme, len < wanted ? len : wanted) ? wanted : 0;
}

/* Whether these bytes begin a target in one of the three forms. */
static bool is_target_start(const char *src, size_t len) {
  if (len == 0 || src[0] == '/')
    return true;
  return src[0] == '*' ? len == 1 : scheme_length(src, len) > 0;
}

/* The target ended with this byte. */
static int refuse_target(neap_http_scan *scan) {
  char c = scan->src[scan->at];
  if (c == '\r') {
    int got = neap_http_scan_crlf(scan, NULL);
    if (got <= 0)
      return got;
    return neap_http_scan_refuse(
      scan, 505, "The request line names no version, as in HTTP/0.9.");
  }
  if (c == '\n')
    return neap_http_scan_crlf(scan, NULL);
  return neap_http_scan_refuse(
    scan, 400, "The target holds a byte that must be percent-encoded.");
}

static int read_target(neap_http_scan *scan) {
  size_t from = scan->at;
  int got = neap_http_scan_over(scan, NEAP_CHAR_TARGET);
  neap_http_span target = neap_http_scan_since(scan, from);
  if (!is_target_start(scan->src + from, target.len))
    return neap_http_scan_refuse(
      scan, 400, "The target is neither a path nor an http address.");
  if (got <= 0)
    return got;
  if (scan->src[scan->at] != ' ')
    return refuse_target(scan);
  if (target.len == 0)
    return neap_http_scan_refuse(scan, 400,
                                 "There is no target behind the one space.");
  scan->head->target = target;
  scan->at++;
  return 1;
}

/* '*' is for OPTIONS alone. Known no earlier than the version, since HTTP/2
 * opens with "PRI * HTTP/2.0" and is to get its 505. */
static int check_asterisk(neap_http_scan *scan) {
  const neap_http_head *head = scan->head;
  const char *method = scan->src + head->method.at;
  if (scan->src[head->target.at] != '*' ||
      (head->method.len == 7 && memcmp(method, "OPTIONS", 7) == 0))
    return 1;
  return neap_http_scan_refuse(scan, 400,
                               "Only OPTIONS may have '*' for its target.");
}

/* The host of an absolute target overrules Host (RFC 9112, section 3.2.2), so
 * they may not differ: who checks the one has checked the other. */
static int check_authority(neap_http_scan *scan) {
  neap_http_span target = scan->head->target;
  const char *src = scan->src + target.at;
  if (src[0] == '/' || src[0] == '*')
    return 1;

  size_t skip = scheme_length(src, target.len);
  size_t end = skip; /* past the target's end when the scheme is cut short */
  while (end < target.len && src[end] != '/' && src[end] != '?')
    end++;
  if (end > target.len || !neap_http_is_authority(src + skip, end - skip))
    return neap_http_scan_refuse(scan, 400, "The target names no host.");
  if (scan->host < 0)
    return 1;
  neap_http_span host = scan->head->fields[scan->host].value;
  if (host.len != end - skip ||
      !neap_char_same(scan->src + host.at, src + skip, host.len))
    return neap_http_scan_refuse(scan, 400,
                                 "Host and target name different hosts.");
  return 1;
}

static int check_host(neap_http_scan *scan) {
  if (scan->host < 0 && scan->head->minor > 0)
    return neap_http_scan_refuse(scan, 400, "There is no Host header.");
  return check_authority(scan);
}

static int end_line(neap_http_scan *scan) {
  int got = neap_http_scan_ready(scan);
  return got > 0 ? neap_http_scan_crlf(scan, "The HTTP version is malformed.")
                 : got;
}

int neap_http_read_request(neap_http_head *head, const char *src, size_t len,
                           size_t limit) {
  static int (*const steps[])(neap_http_scan *) = {
    skip_empty_line,        read_method, read_target,
    neap_http_scan_version, end_line,    check_asterisk,
    neap_http_scan_fields,  check_host,
  };
  neap_http_scan scan;
  neap_http_scan_init(&scan, head, src, len, limit);
  scan.is_request = true;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    int got = steps[i](&scan);
    if (got <= 0)
      return got;
  }
  return (int)scan.at;
}
