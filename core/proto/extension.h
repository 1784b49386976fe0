/* proto/extension.h - Sec-WebSocket-Extensions (RFC 6455, section 9.1), read
 * word by word.
 *
 * Pure: no allocation, the head is borrowed. */

#ifndef NEAP_PROTO_EXTENSION_H
#define NEAP_PROTO_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/http.h"

enum neap_extension_kind {
  NEAP_EXTENSION_END,
  NEAP_EXTENSION_NAME,  /* an extension begins */
  NEAP_EXTENSION_PARAM, /* a parameter of the one that began last */
};

enum { NEAP_EXTENSION_VALUE_MAX = 8 };

typedef struct neap_extension {
  const char *name;
  size_t name_len;
  bool has_value;
  size_t value_len; /* its full length; only the first bytes are kept */
  char value[NEAP_EXTENSION_VALUE_MAX]; /* without quotes and escapes */
} neap_extension;

/* Over all fields of that name in a head, as if they were one. */
typedef struct neap_extensions {
  const neap_http_head *head;
  const char *src;
  const char *at; /* in the field's value */
  const char *end;
  int field;   /* -1 before the first */
  bool inside; /* an extension: a parameter may follow */
  bool named;  /* one at least was there */
} neap_extensions;

void neap_extensions_init(neap_extensions *reader, const neap_http_head *head,
                          const char *src);

/* What comes next, or NEAP_EPROTO when the grammar is broken: a header field
 * without any extension is. */
int neap_extensions_next(neap_extensions *reader, neap_extension *out);

bool neap_extension_is(const neap_extension *extension, const char *name);

#endif
