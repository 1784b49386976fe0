/* Sec-WebSocket-Extensions as a client sends it: read word by word, and what the
 * server chooses of it. A line break in the input begins a second header. */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/deflate_offer.h"
#include "proto/extension.h"
#include "proto/status.h"

static void make_head(neap_buffer *out, const char *first, fuzz_input value) {
  const char *name = "Sec-WebSocket-Extensions: ";
  fuzz_note(out, "%s%s", first, name);
  for (size_t i = 0; i < value.len; i++) {
    if (value.at[i] == '\n')
      fuzz_note(out, "\r\n%s", name);
    else
      fuzz_note_bytes(out, &value.at[i], 1);
  }
  fuzz_note(out, "\r\n\r\n");
}

/* Whether the grammar holds, up to the end. */
static bool read_all(const neap_http_head *head, const char *src) {
  neap_extensions reader;
  neap_extension word;
  int kind;
  neap_extensions_init(&reader, head, src);
  while ((kind = neap_extensions_next(&reader, &word)) > 0) {
    FUZZ_CHECK(word.name_len > 0);
    FUZZ_CHECK(word.name >= src);
    FUZZ_CHECK(word.has_value || word.value_len == 0);
    FUZZ_CHECK(!word.has_value || kind == NEAP_EXTENSION_PARAM);
  }
  return kind == NEAP_EXTENSION_END;
}

/* What the server says, the client must understand: the same terms, seen from
 * the other side. */
static void check_line(const char *line, const neap_deflate_wish *wish,
                       const neap_deflate_terms *terms) {
  neap_http_head head;
  neap_buffer answer = {0};
  neap_deflate_terms theirs;
  neap_deflate_wish any = {.takeover = true, .window = 15};
  fuzz_note(&answer, "HTTP/1.1 101 \r\n%s\r\n", line);
  const char *src = (const char *)answer.data;
  FUZZ_CHECK(neap_http_read_response(&head, src, answer.len, 2048) > 0);
  FUZZ_CHECK(neap_deflate_check_answer(&head, src, &any, &theirs) == 1);
  FUZZ_CHECK(terms->send_bits <= wish->window && terms->send_bits >= 8);
  FUZZ_CHECK(theirs.receive_bits >= terms->send_bits);
  FUZZ_CHECK(theirs.receive_takeover || !terms->send_takeover);
  FUZZ_CHECK(terms->receive_takeover || !theirs.send_takeover);
  neap_buffer_release(&answer);
}

static void accept_offer(const neap_http_head *head, const char *src,
                         uint8_t flags) {
  char line[NEAP_DEFLATE_HEADER_MAX] = "";
  neap_deflate_terms terms;
  neap_deflate_wish wish = {.takeover = flags & 1,
                            .sends_alone = flags & 2,
                            .window = (uint8_t)(9 + (flags >> 2) % 7)};
  bool is_read = read_all(head, src);
  int got = neap_deflate_accept(head, src, &wish, &terms, line);
  bool is_sound = neap_deflate_is_well_formed(head, src);
  FUZZ_CHECK(is_sound == is_read);
  FUZZ_CHECK((got == NEAP_EPROTO) == !is_sound);
  if (got == 1)
    check_line(line, &wish, &terms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t flags = fuzz_byte(&in);
  neap_http_head head;
  neap_buffer text = {0};
  make_head(&text, "GET / HTTP/1.1\r\nHost: h\r\n", in);
  char *src = (char *)fuzz_copy(text.data, text.len);
  if (neap_http_read_request(&head, src, text.len, 8192) == (int)text.len)
    accept_offer(&head, src, flags);
  free(src);
  neap_buffer_release(&text);
  return 0;
}
