/* The body of a request, chunked or by its length, in place: whole and in pieces
 * the same bytes; and where neap finds its end, llhttp finds the same. */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/http_body.h"
#include "proto/status.h"
#ifdef HAS_LLHTTP
#include "llhttp_record.h"
#endif

enum { LIMIT = 600 };

typedef struct run {
  neap_http_body body;
  neap_buffer text;
  size_t used; /* of the input */
  int status;
} run;

static void start(run *r, uint8_t kind) {
  neap_http_head head = {.chunked = kind % 2 == 0,
                         .content_length = kind % 2 ? kind / 2 : -1};
  *r = (run){0};
  neap_http_body_init(&r->body, &head);
  r->body.limit = LIMIT;
}

static void feed(run *r, const uint8_t *src, size_t len) {
  uint8_t *bytes = fuzz_copy(src, len);
  const uint8_t *piece;
  size_t at = 0, used, size;
  while ((r->status = neap_http_body_next(&r->body, bytes + at, len - at, &used,
                                          &piece, &size)) > 0) {
    FUZZ_CHECK(used <= len - at && size > 0);
    FUZZ_CHECK(piece >= bytes + at && piece + size <= bytes + at + used);
    fuzz_note_bytes(&r->text, piece, size);
    FUZZ_CHECK(r->text.len <= LIMIT);
    at += used;
  }
  FUZZ_CHECK(used <= len - at);
  at += used;
  FUZZ_CHECK(r->status || at == len || neap_http_body_is_done(&r->body));
  r->used += at;
  free(bytes);
}

static void check_failed(run *r) {
  uint8_t more[] = "0\r\n\r\n";
  const uint8_t *piece;
  size_t used = 0, size;
  FUZZ_CHECK(!neap_http_body_is_done(&r->body));
  FUZZ_CHECK(neap_http_body_next(&r->body, more, 5, &used, &piece, &size) ==
             r->status);
}

#ifdef HAS_LLHTTP
static void compare(const run *r, uint8_t kind, const uint8_t *src,
                    size_t len) {
  static llhttp_record record;
  neap_buffer request = {0};
  if (kind % 2 == 0)
    fuzz_note(&request,
              "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  else
    fuzz_note(&request, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
              kind / 2);
  size_t head = request.len;
  fuzz_note_bytes(&request, src, len);
  llhttp_record_read(&record, HTTP_REQUEST, 1, (char *)request.data,
                     request.len);
  neap_buffer_release(&request);
  /* Of the extensions of a chunk llhttp knows the plainest alone. */
  if (!record.is_complete && memchr(src, ';', r->used))
    return;
  FUZZ_CHECK(record.is_complete);
  neap_buffer body = {(uint8_t *)record.text + record.body, record.body_len, 0};
  FUZZ_CHECK(fuzz_is_same(&body, &r->text));
  FUZZ_CHECK(record.used == head + r->used);
}
#else
static void compare(const run *r, uint8_t kind, const uint8_t *src,
                    size_t len) {
  (void)r, (void)kind, (void)src, (void)len;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t kind = fuzz_byte(&in);
  fuzz_random random = {fuzz_byte(&in)};
  run whole, split;

  start(&whole, kind);
  feed(&whole, in.at, in.len);
  start(&split, kind);
  for (size_t at = 0, len; at < in.len && split.status == 0; at += len) {
    len = fuzz_cut(&random, in.len - at);
    feed(&split, in.at + at, len);
    if (neap_http_body_is_done(&split.body))
      break;
  }

  FUZZ_CHECK(whole.status == split.status);
  FUZZ_CHECK(neap_http_body_is_done(&whole.body) ==
             neap_http_body_is_done(&split.body));
  FUZZ_CHECK(fuzz_is_same(&whole.text, &split.text));
  if (whole.status < 0)
    check_failed(&whole);
  else if (neap_http_body_is_done(&whole.body))
    compare(&whole, kind, in.at, in.len);
  neap_buffer_release(&whole.text);
  neap_buffer_release(&split.text);
  return 0;
}
