/* Compression: what one session compresses the other reads; and hostile input
 * never passes the limit, and is read as zlib reads it. */

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "proto/deflate.h"
#include "proto/deflater.h"
#include "proto/message.h"
#include "proto/session.h"

enum { LIMIT = 100000, SLACK = 4096 };

static neap_deflate *make(neap_deflate_pool *pool, uint8_t flags) {
  uint8_t bits = (uint8_t)(9 + (flags >> 2) % 7);
  bool takeover = flags & 2;
  neap_deflate_terms terms = {bits, bits, takeover, takeover};
  neap_deflate *deflate =
    neap_deflate_new(pool, &terms, 1, (uint8_t)(1 + flags % 9));
  FUZZ_CHECK(deflate != NULL);
  return deflate;
}

static bool take_key(uint8_t key[4]) {
  memcpy(key, "\x9a\x00\xff\x31", 4);
  return true;
}

/* -- there and back ------------------------------------------------------- */

static void send_one(neap_session *from, neap_session *to, const uint8_t *src,
                     size_t len, fuzz_random *random) {
  neap_buffer out = {0}, echo = {0};
  neap_event event;
  int got = 0;
  FUZZ_CHECK(neap_session_send(from, &out, NEAP_OP_BINARY, src, len) == 0);
  for (size_t at = 0, size; at < out.len; at += size) {
    FUZZ_CHECK(got == 0);
    size = random ? fuzz_cut(random, out.len - at) : out.len;
    neap_session_feed(to, out.data + at, size);
    got = neap_session_next(to, &event, &echo);
  }
  FUZZ_CHECK(got == 1 && event.len == len);
  FUZZ_CHECK(len == 0 || memcmp(event.data, src, len) == 0);
  FUZZ_CHECK(neap_session_next(to, &event, &echo) == 0);
  neap_buffer_release(&out);
  neap_buffer_release(&echo);
}

/* Each message begins with its length; a high bit repeats it, for more to look
 * back at. */
static void round_trip(fuzz_input in, uint8_t flags) {
  neap_deflate_pool pools[2] = {0};
  neap_session client, server;
  neap_intake intakes[2] = {0};
  fuzz_random random = {flags};
  neap_session_init(&client, NEAP_CLIENT, take_key);
  neap_session_init(&server, NEAP_SERVER, NULL);
  neap_session_lend(&client, &intakes[0], LIMIT);
  neap_session_lend(&server, &intakes[1], LIMIT);
  neap_session_use_deflate(&client, make(&pools[0], flags));
  neap_session_use_deflate(&server, make(&pools[1], flags));
  while (in.len > 0) {
    uint8_t size = fuzz_byte(&in);
    fuzz_input part = fuzz_take(&in, size & 127);
    neap_buffer text = {0};
    for (int i = 0; i < (size & 128 ? 300 : 1); i++)
      fuzz_note_bytes(&text, part.at, part.len);
    send_one(&client, &server, text.data, text.len, size & 64 ? &random : NULL);
    send_one(&server, &client, text.data, text.len, size & 32 ? &random : NULL);
    neap_buffer_release(&text);
  }
  neap_session_release(&client);
  neap_session_release(&server);
  neap_deflate_pool_release(&pools[0]);
  neap_deflate_pool_release(&pools[1]);
}

/* -- hostile input -------------------------------------------------------- */

/* In pieces, as fragments come. */
static enum neap_failure inflate_split(neap_deflate *deflate,
                                       neap_message *message, fuzz_input in,
                                       fuzz_random random) {
  enum neap_failure failure = NEAP_FAIL_NONE;
  while (in.len > 0 && !failure) {
    fuzz_input part = fuzz_take(&in, fuzz_cut(&random, in.len));
    failure = neap_deflate_append(deflate, message, part.at, part.len);
    FUZZ_CHECK(message->buffer.len <= LIMIT);
    FUZZ_CHECK(message->buffer.cap <= LIMIT + SLACK);
  }
  return failure ? failure : neap_deflate_finish(deflate, message);
}

/* What zlib makes of it with the four bytes that a sender takes off: the text,
 * or false when it is broken or over the limit. */
static bool inflate_reference(neap_buffer *text, fuzz_input in) {
  z_stream z = {0};
  FUZZ_CHECK(inflateInit2(&z, -15) == Z_OK);
  neap_buffer all = {0};
  fuzz_note_bytes(&all, in.at, in.len);
  fuzz_note_bytes(&all, "\0\0\xff\xff", 4);
  FUZZ_CHECK(neap_buffer_reserve(text, LIMIT + 1) == NEAP_OK);
  z.next_in = all.data;
  z.avail_in = (uInt)all.len;
  z.next_out = text->data;
  z.avail_out = LIMIT + 1;
  int got = inflate(&z, Z_SYNC_FLUSH);
  text->len = LIMIT + 1 - z.avail_out;
  bool is_whole = got == Z_OK && z.avail_in == 0 && text->len <= LIMIT;
  bool is_between = z.data_type & 128 && (z.data_type & 7) == 0;
  inflateEnd(&z);
  neap_buffer_release(&all);
  return is_whole && is_between;
}

static bool is_text(const uint8_t *data, size_t len, const neap_buffer *text) {
  return len == text->len && (len == 0 || memcmp(data, text->data, len) == 0);
}

static void hostile(fuzz_input in, uint8_t flags) {
  neap_deflate_pool pool = {0};
  neap_message message = {.limit = LIMIT, .opcode = NEAP_OP_BINARY};
  neap_buffer expected = {0};
  const uint8_t *text;
  size_t len;
  bool is_right = inflate_reference(&expected, in);
  neap_deflate *deflate = make(&pool, flags & 1 ? 2 | 6 << 2 : 6 << 2);
  if (neap_deflate_take(deflate, in.at, in.len, LIMIT, &text, &len)) {
    FUZZ_CHECK(len <= LIMIT);
    FUZZ_CHECK(!is_right || is_text(text, len, &expected));
  }
  enum neap_failure failure =
    inflate_split(deflate, &message, in, (fuzz_random){flags});
  if (is_right) {
    FUZZ_CHECK(failure == NEAP_FAIL_NONE);
    FUZZ_CHECK(is_text(message.buffer.data, message.buffer.len, &expected));
  }
  neap_deflate_free(deflate);
  neap_deflate_pool_release(&pool);
  neap_buffer_release(&message.buffer);
  neap_buffer_release(&expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t flags = fuzz_byte(&in);
  if (flags & 128)
    hostile(in, flags);
  else
    round_trip(in, flags);
  return 0;
}
