#include "proto/deflate.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "proto/deflater.h"
#include "proto/inflater.h"
#include "proto/status.h"

/* TEXT_ROOM: what is inflated at a time. TAKE_MAX: a compressed message from
 * here on would most often not fit in it. */
enum { TEXT_ROOM = 64 * 1024, TAKE_MAX = 32 * 1024 };
enum { BITS_MAX = 15, LEVEL_MAX = 9 };

/* What a sender took off (RFC 7692, section 7.2.2), and behind it an empty last
 * block, since libdeflate reads to the end of a stream. */
static const uint8_t tail[] = {0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF};
enum { FLUSH_TAIL = 4 };

struct neap_deflate_shared {
  struct libdeflate_compressor *compressors[LEVEL_MAX + 1];
  struct libdeflate_decompressor *decompressor;
  neap_deflater *deflaters[BITS_MAX + 1][LEVEL_MAX + 1]; /* small windows */
  neap_inflater *spare; /* lent to a connection for one message in pieces */
  uint8_t input[TAKE_MAX + sizeof tail];
  uint8_t text[TEXT_ROOM];
};

struct neap_deflate {
  neap_deflate_pool *pool;
  neap_deflater *deflater; /* with take-over alone */
  neap_inflater *inflater; /* with take-over, or while a message comes */
  uint32_t min;
  neap_deflate_terms terms;
  uint8_t level;
};

/* -- the pool ------------------------------------------------------------ */

static struct neap_deflate_shared *make_shared(void) {
  struct neap_deflate_shared *shared = calloc(1, sizeof *shared);
  if (shared == NULL)
    return NULL;
  shared->decompressor = libdeflate_alloc_decompressor();
  if (shared->decompressor)
    return shared;
  free(shared);
  return NULL;
}

void neap_deflate_pool_release(neap_deflate_pool *pool) {
  struct neap_deflate_shared *shared = pool->shared;
  pool->shared = NULL;
  if (shared == NULL)
    return;
  for (int level = 0; level <= LEVEL_MAX; level++) {
    libdeflate_free_compressor(shared->compressors[level]);
    for (int bits = 0; bits <= BITS_MAX; bits++)
      neap_deflater_free(shared->deflaters[bits][level]);
  }
  libdeflate_free_decompressor(shared->decompressor);
  neap_inflater_free(shared->spare);
  free(shared);
}

static void note(const neap_deflate *deflate, enum neap_context context,
                 bool born, size_t bytes, void *tied) {
  const neap_deflate_pool *pool = deflate->pool;
  if (pool->note)
    pool->note(pool->arg, context, born, bytes, tied);
}

neap_deflate *neap_deflate_new(neap_deflate_pool *pool,
                               const neap_deflate_terms *terms, size_t min,
                               uint8_t level) {
  if (pool->shared == NULL)
    pool->shared = make_shared();
  neap_deflate *deflate = pool->shared ? malloc(sizeof *deflate) : NULL;
  if (deflate == NULL)
    return NULL;
  *deflate = (neap_deflate){
    .pool = pool,
    .min = min < UINT32_MAX ? (uint32_t)min : UINT32_MAX,
    .terms = *terms,
    .level = level,
  };
  return deflate;
}

void neap_deflate_drop_sender(neap_deflate *deflate) {
  neap_deflater *deflater = deflate->deflater;
  deflate->deflater = NULL;
  if (deflater == NULL)
    return;
  note(deflate, NEAP_CONTEXT_DEFLATE, false, neap_deflater_size(deflater),
       *neap_deflater_tie(deflater));
  neap_deflater_free(deflater);
}

/* An inflater that no message will go on with: back to the pool, if it has none,
 * or it is freed. */
static void drop_receiver(neap_deflate *deflate) {
  struct neap_deflate_shared *shared = deflate->pool->shared;
  neap_inflater *inflater = deflate->inflater;
  deflate->inflater = NULL;
  if (inflater == NULL)
    return;
  note(deflate, NEAP_CONTEXT_INFLATE, false, neap_inflater_size(inflater),
       NULL);
  if (deflate->terms.receive_takeover || shared->spare) {
    neap_inflater_free(inflater);
    return;
  }
  neap_inflater_reset(inflater);
  shared->spare = inflater;
}

void neap_deflate_free(neap_deflate *deflate) {
  if (deflate == NULL)
    return;
  neap_deflate_drop_sender(deflate);
  drop_receiver(deflate);
  free(deflate);
}

/* -- sending ------------------------------------------------------------- */

bool neap_deflate_wants(const neap_deflate *deflate, size_t len) {
  return len > 0 && len >= deflate->min;
}

unsigned neap_deflate_class(const neap_deflate *deflate) {
  if (deflate->terms.send_takeover)
    return 0;
  return (unsigned)deflate->terms.send_bits << 4 | deflate->level;
}

void **neap_deflate_tie(neap_deflate *deflate) {
  return deflate->deflater ? neap_deflater_tie(deflate->deflater) : NULL;
}

static neap_deflater *own_deflater(neap_deflate *deflate) {
  if (deflate->deflater)
    return deflate->deflater;
  deflate->deflater =
    neap_deflater_new(deflate->terms.send_bits, deflate->level);
  if (deflate->deflater)
    note(deflate, NEAP_CONTEXT_DEFLATE, true,
         neap_deflater_size(deflate->deflater), NULL);
  return deflate->deflater;
}

static neap_deflater *shared_deflater(const neap_deflate *deflate) {
  neap_deflater **place =
    &deflate->pool->shared->deflaters[deflate->terms.send_bits][deflate->level];
  if (*place == NULL)
    *place = neap_deflater_new(deflate->terms.send_bits, deflate->level);
  else
    neap_deflater_reset(*place);
  return *place;
}

static size_t compress_with(neap_deflater *deflater, uint8_t *dst,
                            const uint8_t *src, size_t len) {
  return deflater ? neap_deflater_write(deflater, dst, len - 1, src, len) : 0;
}

/* A stream that ends: its last block says so, and the empty block that follows
 * has lost all but its first byte (section 7.2.3.4). */
static size_t compress_whole(const neap_deflate *deflate, uint8_t *dst,
                             const uint8_t *src, size_t len) {
  struct libdeflate_compressor **place =
    &deflate->pool->shared->compressors[deflate->level];
  if (*place == NULL)
    *place = libdeflate_alloc_compressor(deflate->level);
  if (*place == NULL || len < 3)
    return 0;
  size_t size = libdeflate_deflate_compress(*place, src, len, dst, len - 2);
  if (size == 0)
    return 0;
  dst[size] = 0;
  return size + 1;
}

/* A message that fits in the window can't look back beyond it. */
size_t neap_deflate_compress(neap_deflate *deflate, uint8_t *dst,
                             const uint8_t *src, size_t len) {
  const neap_deflate_terms *terms = &deflate->terms;
  if (terms->send_takeover)
    return compress_with(own_deflater(deflate), dst, src, len);
  if (terms->send_bits == BITS_MAX || len <= (size_t)1 << terms->send_bits)
    return compress_whole(deflate, dst, src, len);
  return compress_with(shared_deflater(deflate), dst, src, len);
}

/* -- receiving ----------------------------------------------------------- */

/* Whether the stream that ended after used bytes is the whole message: with our
 * own last block, or with the sender's and the first byte of an empty one. */
static bool is_whole(const uint8_t *bytes, size_t len, size_t used) {
  return used == len + sizeof tail || (used == len - 1 && bytes[len - 1] == 0);
}

int neap_deflate_take(neap_deflate *deflate, const uint8_t *bytes, size_t len,
                      size_t limit, const uint8_t **text, size_t *text_len) {
  struct neap_deflate_shared *shared = deflate->pool->shared;
  size_t room = limit && limit < TEXT_ROOM ? limit : TEXT_ROOM;
  size_t used, size;
  if (deflate->terms.receive_takeover || len == 0 || len > TAKE_MAX)
    return 0;
  memcpy(shared->input, bytes, len);
  memcpy(shared->input + len, tail, sizeof tail);
  enum libdeflate_result result = libdeflate_deflate_decompress_ex(
    shared->decompressor, shared->input, len + sizeof tail, shared->text, room,
    &used, &size);
  if (result != LIBDEFLATE_SUCCESS || !is_whole(bytes, len, used))
    return 0;
  *text = shared->text;
  *text_len = size;
  return 1;
}

static neap_inflater *own_inflater(neap_deflate *deflate) {
  struct neap_deflate_shared *shared = deflate->pool->shared;
  bool is_kept = deflate->terms.receive_takeover;
  if (deflate->inflater)
    return deflate->inflater;
  if (!is_kept && shared->spare) {
    deflate->inflater = shared->spare;
    shared->spare = NULL;
  } else {
    deflate->inflater =
      neap_inflater_new(is_kept ? deflate->terms.receive_bits : BITS_MAX);
  }
  if (deflate->inflater)
    note(deflate, NEAP_CONTEXT_INFLATE, true,
         neap_inflater_size(deflate->inflater), NULL);
  return deflate->inflater;
}

/* Bytes that the message may still take. */
static size_t room_left(const neap_message *message) {
  return message->limit ? message->limit - message->buffer.len : SIZE_MAX;
}

/* Moves what the inflater gives into the message, as long as it may grow. The
 * first byte that is wrong decides what is wrong, however the peer cut them. */
static enum neap_failure drain(neap_deflate *deflate, neap_message *message) {
  uint8_t *text = deflate->pool->shared->text;
  enum neap_failure failure = NEAP_FAIL_NONE;
  int got;
  do {
    got = neap_inflater_next(deflate->inflater, text, TEXT_ROOM);
    if (got < 0)
      return got == NEAP_ENOMEM ? NEAP_FAIL_MEMORY : NEAP_FAIL_DEFLATE;
    size_t room = room_left(message);
    bool fits = (size_t)got <= room;
    failure = neap_message_append(message, text, fits ? (size_t)got : room);
    if (!failure && !fits)
      failure = NEAP_FAIL_TOO_BIG;
  } while (!failure && got > 0);
  return failure;
}

enum neap_failure neap_deflate_append(neap_deflate *deflate,
                                      neap_message *message,
                                      const uint8_t *bytes, size_t len) {
  if (len == 0)
    return NEAP_FAIL_NONE;
  neap_inflater *inflater = own_inflater(deflate);
  if (inflater == NULL)
    return NEAP_FAIL_MEMORY;
  neap_inflater_feed(inflater, bytes, len);
  return drain(deflate, message);
}

/* Some peers leave the marker of the last flush where it is, or send nothing at
 * all for an empty message: then nothing is missing. */
enum neap_failure neap_deflate_finish(neap_deflate *deflate,
                                      neap_message *message) {
  neap_inflater *inflater = deflate->inflater;
  if (inflater && !neap_inflater_is_between(inflater)) {
    neap_inflater_feed(inflater, tail, FLUSH_TAIL);
    enum neap_failure failure = drain(deflate, message);
    if (failure)
      return failure;
    if (!neap_inflater_is_between(inflater))
      return NEAP_FAIL_DEFLATE;
  }
  if (!deflate->terms.receive_takeover)
    drop_receiver(deflate);
  return NEAP_FAIL_NONE;
}
