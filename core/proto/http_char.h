/* proto/http_char.h - classes of bytes in a head (RFC 9110, section 5.6).
 *
 * Free of the locale, which a script may change. */

#ifndef NEAP_PROTO_HTTP_CHAR_H
#define NEAP_PROTO_HTTP_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum neap_char {
  NEAP_CHAR_TOKEN = 1,   /* of a method or a field name */
  NEAP_CHAR_TARGET = 2,  /* visible, and not '#': a target has no fragment */
  NEAP_CHAR_TEXT = 4,    /* of a field value: no control character but tab */
  NEAP_CHAR_HOST = 8,    /* of a host name: letters, digits, '-', '.', '_' */
  NEAP_CHAR_ADDRESS = 16 /* of an address in brackets */
};

extern const uint8_t neap_char_classes[256];

static inline bool neap_char_is(char c, enum neap_char wanted) {
  return (neap_char_classes[(uint8_t)c] & wanted) != 0;
}

static inline bool neap_char_is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline bool neap_char_is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* How many bytes from the first on are of the class. */
size_t neap_char_span(const char *src, size_t len, enum neap_char wanted);

/* Equal but for the case of ASCII letters. */
bool neap_char_same(const char *a, const char *b, size_t len);

#endif
