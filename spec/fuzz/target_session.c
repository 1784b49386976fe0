/* A session, fed with whatever a peer sends: as server and as client, with and
 * without compression. Whole and in pieces it tells the same. */

#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "fuzz.h"
#include "proto/session.h"

enum { IS_CLIENT = 1, DEFLATES = 2, TAKES_OVER = 4, LIMIT_SHIFT = 4 };
enum { SLACK = 4096 };

typedef struct run {
  neap_session session;
  neap_intake intake;
  neap_buffer out;
  neap_buffer log;
  neap_deflate_pool pool;
  size_t limit;
  size_t idle; /* memory when all was made */
  bool is_client;
  bool deflates;
  int status;
  size_t told; /* of the log: the events, without how it ended */
} run;

static bool take_key(uint8_t key[4]) {
  memcpy(key, "\x11\x22\x33\x44", 4);
  return true;
}

static void start(run *r, uint8_t flags) {
  static const size_t limits[] = {1000, 126, 70000, 0};
  *r = (run){.limit = limits[flags >> LIMIT_SHIFT & 3],
             .is_client = flags & IS_CLIENT,
             .deflates = flags & DEFLATES};
  neap_session_init(&r->session, r->is_client ? NEAP_CLIENT : NEAP_SERVER,
                    take_key);
  if (r->deflates) {
    bool takeover = flags & TAKES_OVER;
    neap_deflate_terms terms = {15, 15, takeover, takeover};
    neap_deflate *deflate = neap_deflate_new(&r->pool, &terms, 1, 1);
    FUZZ_CHECK(deflate != NULL);
    neap_session_use_deflate(&r->session, deflate);
  }
  r->idle = fuzz_memory();
}

static void note_event(run *r, const neap_event *event) {
  bool is_text = event->opcode == NEAP_OP_TEXT;
  FUZZ_CHECK(event->data != NULL || event->len == 0);
  FUZZ_CHECK(!is_text || neap_utf8_is_valid(event->data, event->len));
  FUZZ_CHECK(r->limit == 0 || event->len <= r->limit || event->opcode & 8);
  fuzz_note(&r->log, "%d %d %zu:", event->opcode, event->code, event->len);
  fuzz_note_bytes(&r->log, event->data, event->len);
}

/* More than the limit and a little is never held, whatever a head declares; own
 * is the harness's. What is compressed takes contexts besides: zlib's weigh
 * 50 KB, and an old one may stand in the pool beside one of a message. */
static void check_memory(const run *r, size_t own) {
  own += r->out.cap + r->log.cap;
  size_t held = fuzz_memory() - r->idle;
  size_t contexts = r->deflates ? 100 * 1024 : 0;
  if (r->limit)
    FUZZ_CHECK(held <= own + r->limit + SLACK + contexts);
}

static void lend(run *r) {
  if (r->session.intake == NULL)
    neap_session_lend(&r->session, &r->intake, r->limit);
}

/* As a loop does: lends what is needed, and takes back what is not. What is taken
 * back has nothing to tell. */
static void take_back(run *r) {
  neap_intake *intake = neap_session_take_back(&r->session);
  if (intake)
    memset(intake, 0, sizeof *intake);
}

/* The bytes are a copy: neap changes them in place. A pause may keep another. */
static void feed(run *r, const uint8_t *src, size_t len, bool pauses) {
  uint8_t *bytes = fuzz_copy(src, len);
  neap_event event;
  lend(r);
  neap_session_feed(&r->session, bytes, len);
  while ((r->status = neap_session_next(&r->session, &event, &r->out)) > 0) {
    note_event(r, &event);
    check_memory(r, 2 * len + 1);
    if (pauses) {
      FUZZ_CHECK(neap_session_pause(&r->session) == NEAP_OK);
      memset(bytes, 0xA5, len);
    }
  }
  free(bytes);
  check_memory(r, 0);
  if (neap_intake_is_settled(&r->intake))
    FUZZ_CHECK(r->intake.message.buffer.cap == 0);
  take_back(r);
}

/* Once it has failed nothing changes that, and nothing more is said. */
static void check_failed(run *r) {
  size_t said = r->out.len;
  uint8_t more[] = {0x81, 0x80, 0, 0, 0, 0, 0x81, 0};
  neap_event event;
  FUZZ_CHECK(neap_session_is_done(&r->session));
  FUZZ_CHECK(neap_session_fail_code(&r->session) != 0);
  lend(r);
  neap_session_feed(&r->session, more, sizeof more);
  FUZZ_CHECK(neap_session_next(&r->session, &event, &r->out) == r->status);
  FUZZ_CHECK(neap_session_send(&r->session, &r->out, NEAP_OP_TEXT, "a", 1) ==
             NEAP_ECLOSED);
  FUZZ_CHECK(neap_session_close(&r->session, &r->out, 1000, "", 0) ==
             NEAP_ECLOSED);
  FUZZ_CHECK(r->out.len == said);
}

/* Takes up what the input says last, and checks all that was written. */
static void finish(run *r, const uint8_t *src, size_t len) {
  frames_seen seen;
  if (r->status < 0)
    check_failed(r);
  neap_session_send(&r->session, &r->out, NEAP_OP_TEXT, src, len);
  neap_session_send(&r->session, &r->out, NEAP_OP_BINARY, src, len);
  neap_session_send(&r->session, &r->out, NEAP_OP_PING, src, len);
  unsigned code = len < 2 ? 0 : (unsigned)(src[0] << 8 | src[1]);
  neap_session_close(&r->session, &r->out, (uint16_t)code, (const char *)src,
                     len);
  const char *fault = frames_check(r->out.data, r->out.len, r->is_client,
                                   r->deflates, false, &seen);
  if (fault)
    fuzz_fail(__FILE__, __LINE__, fault);
  FUZZ_CHECK(seen.has_close == neap_session_close_sent(&r->session));
  r->told = r->log.len;
  fuzz_note(&r->log, "%d %d", r->status, neap_session_fail_code(&r->session));
}

static void release(run *r) {
  neap_session_release(&r->session);
  neap_deflate_pool_release(&r->pool);
  neap_buffer_release(&r->out);
  neap_buffer_release(&r->log);
}

/* A message that comes whole is inflated by libdeflate, which knows a meaning for
 * codes that never occur (RFC 1951, section 3.2.6: 286 and 287; of distances 30
 * and 31). In pieces zlib refuses them; what came before must be the same. */
static bool is_refused_by_zlib(const run *whole, const run *split) {
  return split->deflates && split->session.failure == NEAP_FAIL_DEFLATE &&
         split->told <= whole->told &&
         (split->told == 0 ||
          memcmp(split->log.data, whole->log.data, split->told) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t flags = fuzz_byte(&in);
  fuzz_random random = {fuzz_byte(&in)};
  run whole, split;

  start(&whole, flags);
  feed(&whole, in.at, in.len, false);
  finish(&whole, in.at, in.len);

  start(&split, flags);
  for (size_t at = 0, len; at < in.len; at += len) {
    len = fuzz_cut(&random, in.len - at);
    feed(&split, in.at + at, len, random.state >> 30 == 0);
  }
  finish(&split, in.at, in.len);

  FUZZ_CHECK(fuzz_is_same(&whole.log, &split.log) ||
             is_refused_by_zlib(&whole, &split));
  FUZZ_CHECK(whole.deflates || fuzz_is_same(&whole.out, &split.out));
  release(&whole);
  release(&split);
  return 0;
}
