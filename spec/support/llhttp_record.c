#include "llhttp_record.h"

#include <string.h>

/* Behind the head there are trailers, which are left out. */
static int on_bytes(llhttp_t *parser, const char *at, size_t len) {
  llhttp_record *r = parser->data;
  if (r->is_whole)
    return 0;
  uint32_t *end = &r->ends[r->last];
  if (*end + len > LLHTTP_TEXT_MAX)
    return -1;
  memcpy(r->text + *end, at, len);
  *end += (uint32_t)len;
  return 0;
}

static int on_string(llhttp_t *parser) {
  llhttp_record *r = parser->data;
  if (r->is_whole)
    return 0;
  if (++r->last == LLHTTP_STRINGS_MAX)
    return -1;
  r->ends[r->last] = r->ends[r->last - 1];
  return 0;
}

/* llhttp keeps the white space behind a value. */
static int on_value(llhttp_t *parser) {
  llhttp_record *r = parser->data;
  if (r->is_whole)
    return 0;
  uint32_t *end = &r->ends[r->last];
  while (*end > llhttp_record_start(r, r->last) &&
         strchr(" \t", r->text[*end - 1]))
    (*end)--;
  return on_string(parser);
}

/* Unless it is asked for, what follows is not looked at. */
static int on_head(llhttp_t *parser) {
  llhttp_record *r = parser->data;
  r->is_whole = 1;
  r->is_chunked = (parser->flags & F_CHUNKED) != 0;
  r->length = parser->content_length;
  r->status = parser->status_code;
  r->body = r->ends[r->last];
  return r->reads_body ? 0 : HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
  llhttp_record *r = parser->data;
  if (r->body + r->body_len + len > LLHTTP_TEXT_MAX)
    return -1;
  memcpy(r->text + r->body + r->body_len, at, len);
  r->body_len += len;
  return 0;
}

static int on_complete(llhttp_t *parser) {
  llhttp_record *r = parser->data;
  r->is_complete = 1;
  return HPE_PAUSED;
}

void llhttp_record_read(llhttp_record *r, llhttp_type_t type, int reads_body,
                        const char *src, size_t len) {
  llhttp_settings_t settings;
  llhttp_t parser;

  llhttp_settings_init(&settings);
  if (type == HTTP_REQUEST) {
    settings.on_method = on_bytes;
    settings.on_method_complete = on_string;
    settings.on_url = on_bytes;
    settings.on_url_complete = on_string;
  } else {
    settings.on_status = on_bytes;
    settings.on_status_complete = on_string;
  }
  settings.on_version = on_bytes;
  settings.on_version_complete = on_string;
  settings.on_header_field = on_bytes;
  settings.on_header_field_complete = on_string;
  settings.on_header_value = on_bytes;
  settings.on_header_value_complete = on_value;
  settings.on_headers_complete = on_head;
  if (reads_body) {
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
  }

  llhttp_init(&parser, type, &settings);
  parser.data = r;
  r->ends[0] = r->last = 0;
  r->is_whole = r->is_chunked = r->is_complete = 0;
  r->length = r->used = r->body_len = 0;
  r->status = 0;
  r->reads_body = reads_body;
  llhttp_execute(&parser, src, len);
  if (r->is_complete)
    r->used = (size_t)(llhttp_get_error_pos(&parser) - src);
}
