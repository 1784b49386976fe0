/* proto/message.h - from frames to messages: what may follow what, the size
 * limit, and UTF-8 over fragments.
 *
 * A message that comes whole in one frame never touches the buffer. */

#ifndef NEAP_PROTO_MESSAGE_H
#define NEAP_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/frame.h"
#include "proto/utf8.h"

/* Every way for a conversation to fail: symbol, status, close code, words. */
#define NEAP_FAILURE_MAP(X)                                              \
  X(LENGTH, NEAP_EPROTO, 1002, "a frame length in a forbidden form")     \
  X(CONTROL, NEAP_EPROTO, 1002, "a fragmented or long control frame")    \
  X(RESERVED_BIT, NEAP_EPROTO, 1002, "a frame with a reserved bit")      \
  X(OPCODE, NEAP_EPROTO, 1002, "a frame with a reserved opcode")         \
  X(UNMASKED, NEAP_EPROTO, 1002, "a frame from a client without a mask") \
  X(MASKED, NEAP_EPROTO, 1002, "a frame from a server with a mask")      \
  X(NO_START, NEAP_EPROTO, 1002, "a continuation of no message")         \
  X(NO_END, NEAP_EPROTO, 1002, "a message inside a fragmented message")  \
  X(CLOSE_CODE, NEAP_EPROTO, 1002, "a close frame with a bad code")      \
  X(CLOSE_REASON, NEAP_EPROTO, 1007, "a close reason that is not UTF-8") \
  X(TEXT, NEAP_EPROTO, 1007, "a text message that is not UTF-8")         \
  X(DEFLATE, NEAP_EPROTO, 1007, "a compressed message that is broken")   \
  X(TOO_BIG, NEAP_ETOOBIG, 1009, "a message over the limit")             \
  X(EMPTY_FRAGMENTS, NEAP_ELIMIT, 1008, "too many empty fragments")      \
  X(MEMORY, NEAP_ENOMEM, 1011, "out of memory")                          \
  X(KEY, NEAP_EIO, 1011, "no random bytes for a mask")

enum neap_failure {
  NEAP_FAIL_NONE,
#define X(symbol, status, code, text) NEAP_FAIL_##symbol,
  NEAP_FAILURE_MAP(X)
#undef X
};

typedef struct neap_message {
  neap_buffer buffer; /* what has arrived of a message in pieces */
  size_t limit;       /* bytes of one message, 0 = no limit */
  uint16_t empty_fragments;
  uint8_t opcode; /* TEXT or BINARY while a message is open, else 0 */
  bool is_deflated;
  neap_utf8 utf8;
} neap_message;

static inline bool neap_message_is_open(const neap_message *message) {
  return message->opcode != NEAP_OP_CONTINUATION;
}

/* Whether a data frame with this head may come now. */
enum neap_failure neap_message_check(const neap_message *message,
                                     const neap_frame *frame);

/* Takes a frame that passed the check: opens a message or goes on with it. */
enum neap_failure neap_message_begin(neap_message *message,
                                     const neap_frame *frame);

/* How many bytes may be put at *at, behind what has arrived, to be appended from
 * there; at least least, or 0. It grows with what has arrived, not with what was
 * announced. */
size_t neap_message_room(neap_message *message, size_t least, uint8_t **at);

static inline bool neap_message_has_room_at(const neap_message *message,
                                            const uint8_t *at) {
  const neap_buffer *buffer = &message->buffer;
  return buffer->data && at == buffer->data + buffer->len;
}

/* Takes unmasked payload of that frame, in any number of pieces. */
enum neap_failure neap_message_append(neap_message *message,
                                      const uint8_t *bytes, size_t len);

/* Ends the message, which stays in the buffer until the next one begins. */
enum neap_failure neap_message_finish(neap_message *message);

#endif
