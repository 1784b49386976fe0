#include "proto/extension.h"

#include <string.h>

#include "proto/http_char.h"
#include "proto/status.h"

static const char field_name[] = "sec-websocket-extensions";

void neap_extensions_init(neap_extensions *reader, const neap_http_head *head,
                          const char *src) {
  *reader = (neap_extensions){.head = head, .src = src, .field = -1};
}

bool neap_extension_is(const neap_extension *extension, const char *name) {
  return extension->name_len == strlen(name) &&
         memcmp(extension->name, name, extension->name_len) == 0;
}

static void skip_blanks(neap_extensions *reader) {
  while (reader->at < reader->end && neap_char_is_blank(*reader->at))
    reader->at++;
}

/* True, and past it, when the next byte is c. */
static bool take(neap_extensions *reader, char c) {
  if (reader->at == reader->end || *reader->at != c)
    return false;
  reader->at++;
  return true;
}

static size_t take_token(neap_extensions *reader, const char **token) {
  *token = reader->at;
  size_t len = neap_char_span(reader->at, (size_t)(reader->end - reader->at),
                              NEAP_CHAR_TOKEN);
  reader->at += len;
  return len;
}

static void add_to_value(neap_extension *out, char c) {
  if (out->value_len < NEAP_EXTENSION_VALUE_MAX)
    out->value[out->value_len] = c;
  out->value_len++;
}

/* Behind the first quote. What stands between the two, once unescaped, has to
 * be a token like any other value. */
static bool take_quoted(neap_extensions *reader, neap_extension *out) {
  while (!take(reader, '"')) {
    take(reader, '\\');
    if (reader->at == reader->end ||
        !neap_char_is(*reader->at, NEAP_CHAR_TOKEN))
      return false;
    add_to_value(out, *reader->at++);
  }
  return out->value_len > 0;
}

static bool take_value(neap_extensions *reader, neap_extension *out) {
  out->has_value = true;
  skip_blanks(reader);
  if (take(reader, '"'))
    return take_quoted(reader, out);
  const char *token;
  size_t len = take_token(reader, &token);
  for (size_t i = 0; i < len; i++)
    add_to_value(out, token[i]);
  return len > 0;
}

static int take_param(neap_extensions *reader, neap_extension *out) {
  skip_blanks(reader);
  out->name_len = take_token(reader, &out->name);
  skip_blanks(reader);
  if (out->name_len == 0 || (take(reader, '=') && !take_value(reader, out)))
    return NEAP_EPROTO;
  return NEAP_EXTENSION_PARAM;
}

static int take_name(neap_extensions *reader, neap_extension *out) {
  out->name_len = take_token(reader, &out->name);
  if (out->name_len == 0)
    return NEAP_EPROTO;
  reader->inside = reader->named = true;
  return NEAP_EXTENSION_NAME;
}

/* The next field of that name, if there is one. */
static bool enter_field(neap_extensions *reader) {
  int next = neap_http_find(reader->head, reader->src, field_name,
                            sizeof field_name - 1, reader->field + 1);
  if (next < 0)
    return false;
  neap_http_span value = reader->head->fields[next].value;
  reader->field = next;
  reader->at = reader->src + value.at;
  reader->end = reader->at + value.len;
  reader->inside = false;
  return true;
}

int neap_extensions_next(neap_extensions *reader, neap_extension *out) {
  *out = (neap_extension){0};
  for (;;) {
    skip_blanks(reader);
    if (reader->at == reader->end) {
      if (enter_field(reader))
        continue;
      bool is_empty = reader->field >= 0 && !reader->named;
      return is_empty ? NEAP_EPROTO : NEAP_EXTENSION_END;
    }
    if (take(reader, ','))
      reader->inside = false;
    else if (!reader->inside)
      return take_name(reader, out);
    else
      return take(reader, ';') ? take_param(reader, out) : NEAP_EPROTO;
  }
}
