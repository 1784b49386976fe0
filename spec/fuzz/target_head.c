/* The head of a request: any start of it tells nothing, or the same; and what
 * neap accepts, llhttp accepts, with the same meaning. */

#include "heads.h"

static int read(neap_http_head *head, const char *src, size_t len) {
  return neap_http_read_request(head, src, len, HEADS_LIMIT);
}

#ifdef HAS_LLHTTP
/* Of methods that llhttp has not heard of it says nothing. */
static bool is_known(const neap_http_head *head, const char *src) {
  static const char *const methods[] = {"GET",  "POST",  "PUT",    "DELETE",
                                        "HEAD", "PATCH", "OPTIONS"};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (heads_is(src, head->method, methods[i], strlen(methods[i])))
      return true;
  return false;
}

static void compare(const neap_http_head *head, const char *src, size_t len) {
  static llhttp_record r;
  if (!is_known(head, src))
    return;
  llhttp_record_read(&r, HTTP_REQUEST, 0, src, len);
  FUZZ_CHECK(r.is_whole);
  FUZZ_CHECK(heads_string_is(&r, 0, src, head->method));
  FUZZ_CHECK(heads_string_is(&r, 1, src, head->target));
  heads_compare_fields(&r, 3, head, src);
  FUZZ_CHECK(r.is_chunked == head->chunked);
  FUZZ_CHECK(head->content_length < 0 ||
             r.length == (uint64_t)head->content_length);
}
#else
static void compare(const neap_http_head *head, const char *src, size_t len) {
  (void)head, (void)src, (void)len;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  neap_http_head head;
  char *src = (char *)fuzz_copy(data, size);
  int used = heads_check(&head, src, size, read);
  if (used > 0)
    compare(&head, src, (size_t)used);
  if (used < 0)
    FUZZ_CHECK(head.status >= 400 && head.status < 600 && head.error != NULL);
  free(src);
  return 0;
}
