#include "heads.h"

static void check_span(neap_http_span span, int used) {
  FUZZ_CHECK(span.at + span.len <= used);
}

static void check_spans(const neap_http_head *head, int used) {
  FUZZ_CHECK(head->field_count <= NEAP_HTTP_FIELDS_MAX);
  FUZZ_CHECK(!head->chunked || head->content_length < 0);
  for (int i = 0; i < head->field_count; i++) {
    check_span(head->fields[i].name, used);
    check_span(head->fields[i].value, used);
  }
}

/* At each place while it is short, then at some. */
static void check_starts(int used, const char *error, const char *src,
                         size_t len, heads_read *read) {
  static neap_http_head head;
  size_t step = len < 64 ? 1 : len / 32;
  for (size_t at = 0; at < len; at += step) {
    char *start = (char *)fuzz_copy(src, at);
    int got = read(&head, start, at);
    FUZZ_CHECK(got == 0 || got == used);
    FUZZ_CHECK(got >= 0 || strcmp(head.error, error) == 0);
    FUZZ_CHECK(got <= (int)at);
    free(start);
  }
}

int heads_check(neap_http_head *head, const char *src, size_t len,
                heads_read *read) {
  int used = read(head, src, len);
  FUZZ_CHECK(used <= (int)len && used <= HEADS_LIMIT);
  FUZZ_CHECK(used >= 0 || used == NEAP_EPROTO);
  FUZZ_CHECK(used != 0 || len < HEADS_LIMIT);
  if (used > 0)
    check_spans(head, used);
  check_starts(used, head->error, src, len, read);
  return used;
}

bool heads_is(const char *src, neap_http_span span, const char *text,
              size_t len) {
  return span.len == len && memcmp(src + span.at, text, len) == 0;
}

#ifdef HAS_LLHTTP
bool heads_string_is(const llhttp_record *r, uint32_t i, const char *src,
                     neap_http_span span) {
  uint32_t start = llhttp_record_start(r, i);
  return i < r->last &&
         heads_is(src, span, r->text + start, r->ends[i] - start);
}

void heads_compare_fields(const llhttp_record *r, uint32_t from,
                          const neap_http_head *head, const char *src) {
  FUZZ_CHECK(r->last == from + 2u * head->field_count);
  for (uint32_t i = 0; i < head->field_count; i++) {
    FUZZ_CHECK(heads_string_is(r, from + 2 * i, src, head->fields[i].name));
    FUZZ_CHECK(
      heads_string_is(r, from + 2 * i + 1, src, head->fields[i].value));
  }
}
#endif
