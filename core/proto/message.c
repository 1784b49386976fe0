#include "proto/message.h"

enum {
  EMPTY_FRAGMENTS_MAX = 1024, /* more than an honest peer has a use for */
  CAP_SLACK = 4096,           /* the buffer may be this much over the limit */
};

enum neap_failure neap_message_check(const neap_message *message,
                                     const neap_frame *frame) {
  bool continues = frame->opcode == NEAP_OP_CONTINUATION;
  bool open = neap_message_is_open(message);
  size_t before = open ? message->buffer.len : 0;
  bool deflated = open ? message->is_deflated : frame->rsv != 0;

  if (continues != open)
    return open ? NEAP_FAIL_NO_END : NEAP_FAIL_NO_START;
  if (message->limit > 0 && !deflated &&
      frame->length > message->limit - before)
    return NEAP_FAIL_TOO_BIG;
  return NEAP_FAIL_NONE;
}

enum neap_failure neap_message_begin(neap_message *message,
                                     const neap_frame *frame) {
  if (!neap_message_is_open(message)) {
    message->opcode = frame->opcode;
    message->is_deflated = frame->rsv != 0;
    message->utf8 = NEAP_UTF8_START;
    message->empty_fragments = 0;
    message->buffer.len = 0;
  }
  if (frame->length == 0 && !frame->fin &&
      ++message->empty_fragments > EMPTY_FRAGMENTS_MAX)
    return NEAP_FAIL_EMPTY_FRAGMENTS;
  return NEAP_FAIL_NONE;
}

/* Bytes that the buffer may have. */
static size_t most(const neap_message *message) {
  return message->limit > 0 && message->limit < SIZE_MAX - CAP_SLACK
           ? message->limit + CAP_SLACK
           : SIZE_MAX;
}

size_t neap_message_room(neap_message *message, size_t least, uint8_t **at) {
  neap_buffer *buffer = &message->buffer;
  if (neap_buffer_grow(buffer, least, most(message)))
    return 0;
  *at = buffer->data + buffer->len;
  return buffer->cap - buffer->len;
}

enum neap_failure neap_message_append(neap_message *message,
                                      const uint8_t *bytes, size_t len) {
  neap_buffer *buffer = &message->buffer;

  if (message->opcode == NEAP_OP_TEXT &&
      !neap_utf8_feed(&message->utf8, bytes, len))
    return NEAP_FAIL_TEXT;
  if (neap_message_has_room_at(message, bytes)) {
    buffer->len += len;
    return NEAP_FAIL_NONE;
  }
  if (neap_buffer_grow(buffer, len, most(message)) ||
      neap_buffer_append(buffer, bytes, len))
    return NEAP_FAIL_MEMORY;
  return NEAP_FAIL_NONE;
}

enum neap_failure neap_message_finish(neap_message *message) {
  bool broken =
    message->opcode == NEAP_OP_TEXT && message->utf8 != NEAP_UTF8_START;

  message->opcode = NEAP_OP_CONTINUATION;
  return broken ? NEAP_FAIL_TEXT : NEAP_FAIL_NONE;
}
