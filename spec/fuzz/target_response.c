/* What a server answers to a client: the head, and whether it opens a WebSocket
 * or a tunnel. What neap accepts, llhttp accepts with the same meaning. */

#include "heads.h"
#include "proto/deflate_offer.h"
#include "proto/handshake.h"

static int read(neap_http_head *head, const char *src, size_t len) {
  return neap_http_read_response(head, src, len, HEADS_LIMIT);
}

#ifdef HAS_LLHTTP
static void compare(const neap_http_head *head, const char *src, size_t len) {
  static llhttp_record r;
  llhttp_record_read(&r, HTTP_RESPONSE, 0, src, len);
  FUZZ_CHECK(r.is_whole);
  FUZZ_CHECK(r.status == head->status);
  uint32_t before = 2; /* the version and, unless it is empty, the reason */
  FUZZ_CHECK(heads_string_is(&r, 1, src, head->reason));
  heads_compare_fields(&r, before, head, src);
}
#else
static void compare(const neap_http_head *head, const char *src, size_t len) {
  (void)head, (void)src, (void)len;
}
#endif

static void check_terms(neap_http_head *head, const char *src) {
  neap_deflate_terms terms;
  neap_deflate_wish wish = {.takeover = true, .window = 15};
  int got = neap_deflate_check_answer(head, src, &wish, &terms);
  FUZZ_CHECK(got == 0 || got == 1 || got == NEAP_EPROTO);
  if (got == 1) {
    FUZZ_CHECK(terms.send_bits >= 8 && terms.send_bits <= 15);
    FUZZ_CHECK(terms.receive_bits >= 8 && terms.receive_bits <= 15);
  }
  if (neap_deflate_check_answer(head, src, NULL, &terms) >= 0)
    FUZZ_CHECK(got <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
  neap_http_head head;
  char *src = (char *)fuzz_copy(data, size);
  int used = heads_check(&head, src, size, read);
  if (used > 0) {
    uint16_t status = head.status;
    compare(&head, src, (size_t)used);
    if (neap_handshake_check_answer(&head, src, key) == NEAP_OK) {
      FUZZ_CHECK(status == 101 && head.minor == 1);
      check_terms(&head, src);
    } else {
      FUZZ_CHECK(head.error != NULL && head.status == status);
    }
  }
  free(src);
  return 0;
}
