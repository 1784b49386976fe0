/* proto/deflate.h - the compression of one connection (RFC 7692).
 *
 * Contexts that no message carries over belong to the pool of a loop, and are
 * borrowed: an idle connection holds none. One that takes its context over, or
 * whose message is still under way, has its own. */

#ifndef NEAP_PROTO_DEFLATE_H
#define NEAP_PROTO_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/deflate_offer.h"
#include "proto/message.h"

enum neap_context { NEAP_CONTEXT_DEFLATE, NEAP_CONTEXT_INFLATE };

/* Told when a connection gets a context of its own, and when it loses it, with
 * what was tied to it. */
typedef void neap_context_note(void *arg, enum neap_context context, bool born,
                               size_t bytes, void *tied);

/* A zeroed pool is a valid one; it makes what it needs when it is needed. */
typedef struct neap_deflate_pool {
  neap_context_note *note; /* may be NULL */
  void *arg;
  struct neap_deflate_shared *shared;
} neap_deflate_pool;

void neap_deflate_pool_release(neap_deflate_pool *pool);

typedef struct neap_deflate neap_deflate;

/* min: bytes from which on a message is compressed. level: 1 (fast) to 9. The
 * pool outlives it. NULL: no memory. */
neap_deflate *neap_deflate_new(neap_deflate_pool *pool,
                               const neap_deflate_terms *terms, size_t min,
                               uint8_t level);
void neap_deflate_free(neap_deflate *deflate); /* NULL is fine */

/* -- sending */

/* Whether a message of that length is worth trying. */
bool neap_deflate_wants(const neap_deflate *deflate, size_t len);

/* Compresses a message to dst, which has room for len bytes and the
 * NEAP_DEFLATER_SLACK behind them. Returns a size below len, or 0 when it would
 * not shrink (or there is no memory): it goes as it is. */
size_t neap_deflate_compress(neap_deflate *deflate, uint8_t *dst,
                             const uint8_t *src, size_t len);

/* What can be sent to all connections of one class, compressed once; 0: this
 * one shares with nobody. */
unsigned neap_deflate_class(const neap_deflate *deflate);

/* What the caller ties to its context of what was sent; NULL: it has none. */
void **neap_deflate_tie(neap_deflate *deflate);

/* Gives up the context of what was sent; the next message makes a new one. */
void neap_deflate_drop_sender(neap_deflate *deflate);

/* -- receiving */

/* A message that came whole. 1 with the text in *text, borrowed until the pool
 * is used again; 0 when it is to be taken in pieces after all. */
int neap_deflate_take(neap_deflate *deflate, const uint8_t *bytes, size_t len,
                      size_t limit, const uint8_t **text, size_t *text_len);

/* Inflates a piece of an open message into it. */
enum neap_failure neap_deflate_append(neap_deflate *deflate,
                                      neap_message *message,
                                      const uint8_t *bytes, size_t len);

/* The last piece was appended. */
enum neap_failure neap_deflate_finish(neap_deflate *deflate,
                                      neap_message *message);

#endif
