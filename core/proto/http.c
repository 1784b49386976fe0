#include "proto/http.h"

#include <string.h>

#include "proto/http_char.h"

int neap_http_find(const neap_http_head *head, const char *src,
                   const char *name, size_t name_len, int from) {
  for (int i = from < 0 ? 0 : from; i < head->field_count; i++) {
    neap_http_span span = head->fields[i].name;
    if (span.len == name_len && neap_char_same(src + span.at, name, name_len))
      return i;
  }
  return -1;
}

/* Length of the list element that src begins with: up to a comma that stands
 * outside quotes. */
static size_t element_length(const char *src, size_t len) {
  bool quoted = false;
  size_t i = 0;
  for (; i < len && (quoted || src[i] != ','); i++) {
    if (src[i] == '"')
      quoted = !quoted;
    else if (quoted && src[i] == '\\' && i + 1 < len)
      i++;
  }
  return i;
}

static bool is_element(const char *src, size_t len, const char *token,
                       size_t token_len) {
  while (len > 0 && neap_char_is_blank(*src)) {
    src++;
    len--;
  }
  while (len > 0 && neap_char_is_blank(src[len - 1]))
    len--;
  return len == token_len && neap_char_same(src, token, len);
}

static bool list_has(const char *src, size_t len, const char *token,
                     size_t token_len) {
  for (;;) {
    size_t element = element_length(src, len);
    if (is_element(src, element, token, token_len))
      return true;
    if (element == len)
      return false;
    src += element + 1;
    len -= element + 1;
  }
}

bool neap_http_has_token(const neap_http_head *head, const char *src,
                         const char *name, const char *token) {
  size_t name_len = strlen(name);
  size_t token_len = strlen(token);
  int i = -1;
  while ((i = neap_http_find(head, src, name, name_len, i + 1)) >= 0) {
    neap_http_span value = head->fields[i].value;
    if (list_has(src + value.at, value.len, token, token_len))
      return true;
  }
  return false;
}
