/* llhttp_oracle - what llhttp reads in request heads, to compare with.
 *
 * stdin holds heads, each behind its length in 4 bytes, most significant first.
 * For each, stdout gets a count in the same form, 0 when llhttp refuses, and
 * that many strings, each behind its length: method, target, version ("1.1"),
 * then name and value of every field. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llhttp.h"

enum { TEXT_MAX = 1 << 17, STRINGS_MAX = 256 };

/* Strings end to end in text; ends[i] is where string i stops. The last one is
 * being read. */
typedef struct record {
  char text[TEXT_MAX];
  uint32_t ends[STRINGS_MAX];
  uint32_t last;
  int is_whole;
} record;

static uint32_t start_of(const record *r, uint32_t i) {
  return i > 0 ? r->ends[i - 1] : 0;
}

static int on_bytes(llhttp_t *parser, const char *at, size_t len) {
  record *r = parser->data;
  uint32_t *end = &r->ends[r->last];
  if (*end + len > TEXT_MAX)
    return -1;
  memcpy(r->text + *end, at, len);
  *end += (uint32_t)len;
  return 0;
}

static int on_string(llhttp_t *parser) {
  record *r = parser->data;
  if (++r->last == STRINGS_MAX)
    return -1;
  r->ends[r->last] = r->ends[r->last - 1];
  return 0;
}

/* llhttp keeps the white space behind a value. */
static int on_value(llhttp_t *parser) {
  record *r = parser->data;
  uint32_t *end = &r->ends[r->last];
  while (*end > start_of(r, r->last) && strchr(" \t", r->text[*end - 1]))
    (*end)--;
  return on_string(parser);
}

/* What follows is the body or the next request. */
static int on_whole(llhttp_t *parser) {
  record *r = parser->data;
  r->is_whole = 1;
  return HPE_PAUSED;
}

static void read_head(record *r, const char *head, size_t len) {
  llhttp_settings_t settings;
  llhttp_t parser;

  llhttp_settings_init(&settings);
  settings.on_method = on_bytes;
  settings.on_method_complete = on_string;
  settings.on_url = on_bytes;
  settings.on_url_complete = on_string;
  settings.on_version = on_bytes;
  settings.on_version_complete = on_string;
  settings.on_header_field = on_bytes;
  settings.on_header_field_complete = on_string;
  settings.on_header_value = on_bytes;
  settings.on_header_value_complete = on_value;
  settings.on_headers_complete = on_whole;

  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = r;
  r->ends[0] = 0;
  r->last = 0;
  r->is_whole = 0;
  llhttp_execute(&parser, head, len);
}

static int read_number(uint32_t *number) {
  uint8_t bytes[4];
  if (fread(bytes, 1, 4, stdin) != 4)
    return 0;
  *number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
            (uint32_t)bytes[2] << 8 | bytes[3];
  return 1;
}

static void write_number(uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8)
    putchar((int)(number >> shift & 0xFF));
}

static void write_record(const record *r) {
  uint32_t count = r->is_whole ? r->last : 0;
  write_number(count);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t start = start_of(r, i);
    write_number(r->ends[i] - start);
    fwrite(r->text + start, 1, r->ends[i] - start, stdout);
  }
}

int main(void) {
  static record r;
  static char head[TEXT_MAX];
  uint32_t len;

  while (read_number(&len)) {
    if (len > sizeof head || fread(head, 1, len, stdin) != len)
      return EXIT_FAILURE;
    read_head(&r, head, len);
    write_record(&r);
  }
  return EXIT_SUCCESS;
}
