#include "proto/http_scan.h"
#include "proto/status.h"

/* Why a field line cannot begin with this byte, or NULL. */
static const char *name_fault(const neap_http_scan *scan, char c) {
  if (neap_char_is_blank(c))
    return scan->head->field_count == 0
             ? "White space stands before the first header."
             : "A header is folded over two lines.";
  if (c == ':')
    return "A header has no name.";
  if (c == '\n')
    return "A line ends with LF, not CRLF.";
  if (!neap_char_is(c, NEAP_CHAR_TOKEN))
    return "A header name holds a character that no name may have.";
  return NULL;
}

static const char *colon_fault(char c) {
  if (neap_char_is_blank(c))
    return "White space stands between a header's name and its colon.";
  if (c == '\r' || c == '\n')
    return "A header line has no colon.";
  return "A header name holds a character that no name may have.";
}

static int read_name(neap_http_scan *scan, neap_http_span *name) {
  size_t from = scan->at;
  const char *fault = name_fault(scan, scan->src[from]);
  if (fault)
    return neap_http_scan_refuse(scan, 400, fault);
  if (scan->head->field_count == NEAP_HTTP_FIELDS_MAX)
    return neap_http_scan_refuse(scan, 431, "There are over 100 headers.");

  int got = neap_http_scan_over(scan, NEAP_CHAR_TOKEN);
  if (got <= 0)
    return got;
  if (scan->src[scan->at] != ':')
    return neap_http_scan_refuse(scan, 400, colon_fault(scan->src[scan->at]));
  *name = neap_http_scan_since(scan, from);
  scan->at++;
  return 1;
}

/* A value and the CRLF behind it, without the white space around the value. */
static int read_value(neap_http_scan *scan, neap_http_span *value) {
  while (scan->at < scan->stop && neap_char_is_blank(scan->src[scan->at]))
    scan->at++;
  size_t from = scan->at;
  int got = neap_http_scan_over(scan, NEAP_CHAR_TEXT);
  if (got <= 0)
    return got;
  *value = neap_http_scan_since(scan, from);
  while (value->len > 0 &&
         neap_char_is_blank(scan->src[value->at + value->len - 1]))
    value->len--;
  return neap_http_scan_crlf(scan, "A header value holds a control character.");
}

static bool is_port(const char *src, size_t len) {
  uint32_t port = 0;
  for (size_t i = 0; i < len; i++) {
    if (!neap_char_is_digit(src[i]) || i == 5)
      return false;
    port = port * 10 + (uint32_t)(src[i] - '0');
  }
  return len > 0 && port <= UINT16_MAX;
}

/* Narrower than the grammar, which lets a name hold a comma: whoever compares
 * hosts behind this gets names and addresses alone. */
bool neap_http_is_authority(const char *src, size_t len) {
  size_t host;
  if (len > 0 && src[0] == '[') {
    size_t inner = neap_char_span(src + 1, len - 1, NEAP_CHAR_ADDRESS);
    if (inner < 2 || inner + 1 == len || src[inner + 1] != ']')
      return false;
    host = inner + 2;
  } else {
    host = neap_char_span(src, len, NEAP_CHAR_HOST);
  }
  if (host == 0 || host == len)
    return host > 0;
  return src[host] == ':' && is_port(src + host + 1, len - host - 1);
}

static int take_host(neap_http_scan *scan, neap_http_span value) {
  if (!scan->is_request)
    return 1;
  if (scan->host >= 0)
    return neap_http_scan_refuse(scan, 400, "There are two Host headers.");
  if (!neap_http_is_authority(scan->src + value.at, value.len))
    return neap_http_scan_refuse(scan, 400, "The Host header names no host.");
  scan->host = scan->head->field_count;
  return 1;
}

/* The number that the digits make, or -1 when they make none that fits. */
static int64_t read_number(const char *src, size_t len) {
  int64_t value = 0;
  for (size_t i = 0; i < len; i++) {
    if (!neap_char_is_digit(src[i]))
      return -1;
    int digit = src[i] - '0';
    if (value > (INT64_MAX - digit) / 10)
      return -1;
    value = value * 10 + digit;
  }
  return len > 0 ? value : -1;
}

static int take_length(neap_http_scan *scan, neap_http_span value) {
  neap_http_head *head = scan->head;
  if (head->content_length >= 0)
    return neap_http_scan_refuse(scan, 400, "Content-Length is repeated.");
  if (head->chunked)
    return neap_http_scan_refuse(
      scan, 400, "Content-Length and Transfer-Encoding exclude each other.");
  head->content_length = read_number(scan->src + value.at, value.len);
  if (head->content_length < 0)
    return neap_http_scan_refuse(scan, 400, "Content-Length is not a number.");
  return 1;
}

static int take_coding(neap_http_scan *scan, neap_http_span value) {
  neap_http_head *head = scan->head;
  if (head->minor == 0)
    return neap_http_scan_refuse(scan, 400,
                                 "HTTP/1.0 has no Transfer-Encoding.");
  if (head->chunked)
    return neap_http_scan_refuse(scan, 400, "Transfer-Encoding is repeated.");
  if (head->content_length >= 0)
    return neap_http_scan_refuse(
      scan, 400, "Content-Length and Transfer-Encoding exclude each other.");
  if (value.len != 7 || !neap_char_same(scan->src + value.at, "chunked", 7))
    return neap_http_scan_refuse(scan, 501,
                                 "No Transfer-Encoding but chunked is known.");
  head->chunked = true;
  return 1;
}

/* HTTP/1.0 knows no Expect, and whoever speaks it may send anything there. */
static int take_expect(neap_http_scan *scan, neap_http_span value) {
  if (!scan->is_request || scan->head->minor == 0)
    return 1;
  if (value.len != 12 ||
      !neap_char_same(scan->src + value.at, "100-continue", 12))
    return neap_http_scan_refuse(scan, 417,
                                 "Nothing but 100-continue can be expected.");
  scan->head->expects_continue = true;
  return 1;
}

/* The fields that say where a message goes, where it ends and how it is sent;
 * the length of a name tells them apart. */
static int take_field(neap_http_scan *scan, const neap_http_field *field) {
  const char *name = scan->src + field->name.at;
  switch (field->name.len) {
    case 4:
      return neap_char_same(name, "host", 4) ? take_host(scan, field->value)
                                             : 1;
    case 6:
      return neap_char_same(name, "expect", 6) ? take_expect(scan, field->value)
                                               : 1;
    case 14:
      return neap_char_same(name, "content-length", 14)
               ? take_length(scan, field->value)
               : 1;
    case 17:
      return neap_char_same(name, "transfer-encoding", 17)
               ? take_coding(scan, field->value)
               : 1;
    default: return 1;
  }
}

static int read_field(neap_http_scan *scan) {
  neap_http_field *field = &scan->head->fields[scan->head->field_count];
  int got = read_name(scan, &field->name);
  if (got > 0)
    got = read_value(scan, &field->value);
  if (got > 0)
    got = take_field(scan, field);
  if (got > 0)
    scan->head->field_count++;
  return got;
}

int neap_http_scan_fields(neap_http_scan *scan) {
  scan->too_long = 431;
  for (;;) {
    int got = neap_http_scan_ready(scan);
    if (got > 0 && scan->src[scan->at] == '\r')
      return neap_http_scan_crlf(scan, NULL);
    if (got > 0)
      got = read_field(scan);
    if (got <= 0)
      return got;
  }
}
