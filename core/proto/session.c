#include "proto/session.h"

#include <stdlib.h>
#include <string.h>

#include "proto/close_code.h"
#include "proto/mask.h"
#include "proto/session_internal.h"
#include "proto/status.h"

/* The direction towards us. close_sent is the state of the other one. */
enum reading {
  READ_HEAD,
  READ_PAYLOAD, /* of the frame, which did not come whole */
  READ_CLOSED,  /* by the peer's Close: whatever follows is not looked at */
  READ_FAILED,
};

/* What is left of a payload that is worth a place of its own. */
enum { LARGE = 64 * 1024 };

/* Stands in for the payload of a frame without one, which has no address. */
static uint8_t nothing[1];

void neap_session_init(neap_session *s, enum neap_role role,
                       neap_mask_source *mask) {
  *s = (neap_session){
    .mask = mask,
    .role = (uint8_t)role,
    .reading = READ_HEAD,
  };
}

/* Whatever is under way ends here. */
static void let_go(neap_session *s) {
  if (s->intake)
    neap_intake_clear(s->intake);
  neap_deflate_free(s->deflate);
  s->deflate = NULL;
}

void neap_session_release(neap_session *s) {
  let_go(s);
  s->intake = NULL;
}

void neap_session_use_deflate(neap_session *s, neap_deflate *deflate) {
  s->deflate = deflate;
}

/* -- failing ------------------------------------------------------------- */

static const struct {
  int status;
  uint16_t code;
  const char *text;
} failures[] = {[NEAP_FAIL_NONE] = {NEAP_OK, 0, NULL},
#define X(symbol, status, code, text) \
  [NEAP_FAIL_##symbol] = {status, code, text},
                NEAP_FAILURE_MAP(X)
#undef X
};

uint16_t neap_session_fail_code(const neap_session *s) {
  return failures[s->failure].code;
}

const char *neap_session_fail_text(const neap_session *s) {
  return failures[s->failure].text;
}

static int fail(neap_session *s, neap_buffer *out, enum neap_failure failure) {
  let_go(s);
  s->failure = (uint8_t)failure;
  s->reading = READ_FAILED;
  /* Where even this frame fails there is nothing left to tell the peer. */
  if (!s->close_sent)
    neap_session_append_close(s, out, failures[failure].code, NULL, 0);
  s->close_sent = true;
  return failures[failure].status;
}

/* A frame that we owe the peer could not be written. */
static int fail_write(neap_session *s, neap_buffer *out, int err) {
  return fail(s, out, err == NEAP_EIO ? NEAP_FAIL_KEY : NEAP_FAIL_MEMORY);
}

/* -- reading ------------------------------------------------------------- */

static uint8_t *take_input(neap_session *s, size_t n) {
  neap_intake *in = s->intake;
  uint8_t *bytes = in->input;
  in->input += n;
  in->input_len -= n;
  return bytes;
}

/* 1000 to 4999, NEAP_CLOSE_NO_CODE for none, 0 for a payload that is wrong. */
static uint16_t read_close_code(const uint8_t *payload, size_t len) {
  if (len == 0)
    return NEAP_CLOSE_NO_CODE;
  if (len == 1)
    return 0;
  uint16_t code = (uint16_t)(payload[0] << 8 | payload[1]);
  return neap_close_code_is_valid(code) ? code : 0;
}

static int serve_close(neap_session *s, neap_event *event, neap_buffer *out,
                       const uint8_t *payload, size_t len) {
  uint16_t code = read_close_code(payload, len);
  size_t skip = len == 0 ? 0 : 2;

  if (code == 0)
    return fail(s, out, NEAP_FAIL_CLOSE_CODE);
  if (!neap_utf8_is_valid(payload + skip, len - skip))
    return fail(s, out, NEAP_FAIL_CLOSE_REASON);
  if (!s->close_sent) {
    int err = neap_session_append_close(s, out, len == 0 ? 0 : code, NULL, 0);
    if (err)
      return fail_write(s, out, err);
  }
  s->reading = READ_CLOSED;
  s->intake->input_len = 0;
  *event = (neap_event){NEAP_OP_CLOSE, code, payload + skip, len - skip};
  return 1;
}

static int serve_control(neap_session *s, neap_event *event, neap_buffer *out,
                         enum neap_opcode op, const uint8_t *payload,
                         size_t len) {
  if (op == NEAP_OP_CLOSE)
    return serve_close(s, event, out, payload, len);
  if (op == NEAP_OP_PING && !s->close_sent) {
    int err = neap_session_append(s, out, NEAP_OP_PONG, payload, len);
    if (err)
      return fail_write(s, out, err);
  }
  *event = (neap_event){op, 0, payload, len};
  return 1;
}

/* Unmasked payload of the open message. */
static enum neap_failure append_payload(neap_session *s, const uint8_t *bytes,
                                        size_t len) {
  neap_message *message = &s->intake->message;
  return message->is_deflated
           ? neap_deflate_append(s->deflate, message, bytes, len)
           : neap_message_append(message, bytes, len);
}

/* The last byte of a frame that is part of the message buffer is in. */
static int end_fragment(neap_session *s, neap_event *event, neap_buffer *out,
                        bool fin) {
  neap_message *message = &s->intake->message;
  enum neap_opcode op = message->opcode;

  if (!fin)
    return 0;
  enum neap_failure failure = NEAP_FAIL_NONE;
  if (message->is_deflated)
    failure = neap_deflate_finish(s->deflate, message);
  if (!failure)
    failure = neap_message_finish(message);
  if (failure)
    return fail(s, out, failure);
  const uint8_t *data = message->buffer.data;
  *event = (neap_event){op, 0, data ? data : nothing, message->buffer.len};
  return 1;
}

/* Whether the frame is a whole message, that is now at *payload. One that was
 * compressed may be too large for the pool's own memory. */
static bool is_at_hand(neap_session *s, const neap_frame *frame,
                       const uint8_t **payload, size_t *len) {
  const neap_message *message = &s->intake->message;
  if (!frame->fin || neap_message_is_open(message))
    return false;
  return frame->rsv == 0 || neap_deflate_take(s->deflate, *payload, *len,
                                              message->limit, payload, len);
}

/* A frame that is whole in the fed bytes: nothing of it is copied, unless it is
 * a fragment. */
static int take_whole(neap_session *s, neap_event *event, neap_buffer *out,
                      const neap_frame *frame) {
  size_t len = (size_t)frame->length;
  uint8_t *bytes = take_input(s, len);
  const uint8_t *payload = bytes;

  if (frame->masked)
    neap_mask(frame->key, 0, bytes, len);
  if (neap_frame_is_control(frame))
    return serve_control(s, event, out, frame->opcode, payload, len);
  if (is_at_hand(s, frame, &payload, &len)) {
    if (frame->opcode == NEAP_OP_TEXT && !neap_utf8_is_valid(payload, len))
      return fail(s, out, NEAP_FAIL_TEXT);
    *event = (neap_event){frame->opcode, 0, payload, len};
    return 1;
  }

  enum neap_failure failure = neap_message_begin(&s->intake->message, frame);
  if (!failure)
    failure = append_payload(s, payload, len);
  if (failure)
    return fail(s, out, failure);
  return end_fragment(s, event, out, frame->fin);
}

/* A frame whose payload is still under way: what there is goes on from here in
 * read_payload(). */
static int begin_payload(neap_session *s, neap_buffer *out,
                         const neap_frame *frame) {
  neap_intake *in = s->intake;
  in->frame = *frame;
  s->reading = READ_PAYLOAD;
  in->key_offset = 0;
  if (!neap_frame_is_control(frame)) {
    enum neap_failure failure = neap_message_begin(&in->message, frame);
    return failure ? fail(s, out, failure) : 0;
  }
  in->control_len = 0;
  if (in->control == NULL)
    in->control = malloc(NEAP_FRAME_CONTROL_MAX);
  return in->control ? 0 : fail(s, out, NEAP_FAIL_MEMORY);
}

static enum neap_failure keep_payload(neap_session *s, const uint8_t *bytes,
                                      size_t len) {
  neap_intake *in = s->intake;
  if (!neap_frame_is_control(&in->frame))
    return append_payload(s, bytes, len);
  memcpy(in->control + in->control_len, bytes, len);
  in->control_len = (uint8_t)(in->control_len + len);
  return NEAP_FAIL_NONE;
}

/* Where the next bytes of a payload go unmasked: a message's, behind what has
 * arrived of it. There is room then for as much again, if the frame goes on, so
 * that most of it is never moved; but not for what is only announced. */
static uint8_t *place_for(neap_session *s, uint8_t *bytes, size_t len) {
  neap_intake *in = s->intake;
  neap_message *message = &in->message;
  if (neap_frame_is_control(&in->frame) || message->is_deflated ||
      neap_message_has_room_at(message, bytes))
    return bytes;
  size_t more = message->buffer.len + len;
  if (more > in->frame.length - len)
    more = (size_t)in->frame.length - len;
  uint8_t *at;
  return neap_message_room(message, len + more, &at) ? at : bytes;
}

static uint8_t *unmask(neap_session *s, uint8_t *bytes, size_t len) {
  neap_intake *in = s->intake;
  uint8_t *at = place_for(s, bytes, len);
  if (at == bytes)
    neap_mask(in->frame.key, in->key_offset, bytes, len);
  else
    neap_mask_copy(in->frame.key, in->key_offset, at, bytes, len);
  return at;
}

static int read_payload(neap_session *s, neap_event *event, neap_buffer *out) {
  neap_intake *in = s->intake;
  neap_frame *frame = &in->frame;
  size_t len =
    frame->length < in->input_len ? (size_t)frame->length : in->input_len;
  uint8_t *bytes = take_input(s, len);

  if (frame->masked)
    bytes = unmask(s, bytes, len);
  in->key_offset = (uint8_t)((in->key_offset + len) & 3);
  frame->length -= len;
  enum neap_failure failure = keep_payload(s, bytes, len);
  if (failure)
    return fail(s, out, failure);
  if (frame->length > 0)
    return 0;

  s->reading = READ_HEAD;
  if (neap_frame_is_control(frame))
    return serve_control(s, event, out, frame->opcode, in->control,
                         in->control_len);
  return end_fragment(s, event, out, frame->fin);
}

/* Reads a head, part of which may have come earlier. Returns as
 * neap_frame_read() does, and takes from the input what it used. */
static int read_head(neap_session *s, neap_frame *frame) {
  neap_intake *in = s->intake;
  if (in->head_len == 0) {
    int size = neap_frame_read(frame, in->input, in->input_len);
    if (size > 0) {
      take_input(s, (size_t)size);
      return size;
    }
  }

  size_t before = in->head_len;
  size_t more = NEAP_FRAME_HEAD_MAX - before;
  if (more > in->input_len)
    more = in->input_len;
  memcpy(in->head + before, in->input, more);
  int size = neap_frame_read(frame, in->head, before + more);
  in->head_len = size > 0 ? 0 : (uint8_t)(before + more);
  take_input(s, size > 0 ? (size_t)size - before : more);
  return size;
}

/* RSV1 says that a message is compressed, on its first frame (RFC 7692, section
 * 6.2). */
static bool is_reserved_right(const neap_session *s, const neap_frame *frame) {
  bool begins =
    frame->opcode == NEAP_OP_TEXT || frame->opcode == NEAP_OP_BINARY;
  return frame->rsv == 0 || (frame->rsv == NEAP_RSV1 && s->deflate && begins);
}

/* Of a head that may lack its length and key, but has its first two bytes. */
static enum neap_failure check_head(const neap_session *s,
                                    const neap_frame *frame) {
  if (!is_reserved_right(s, frame))
    return NEAP_FAIL_RESERVED_BIT;
  if (frame->masked != (s->role == NEAP_SERVER))
    return frame->masked ? NEAP_FAIL_MASKED : NEAP_FAIL_UNMASKED;
  if (neap_frame_is_control(frame))
    return frame->opcode <= NEAP_OP_PONG ? NEAP_FAIL_NONE : NEAP_FAIL_OPCODE;
  if (frame->opcode > NEAP_OP_BINARY)
    return NEAP_FAIL_OPCODE;
  return neap_message_check(&s->intake->message, frame);
}

/* A head that is wrong already or not whole yet. */
static int refuse_head(neap_session *s, neap_buffer *out,
                       const neap_frame *frame, int size) {
  enum neap_failure failure = NEAP_FAIL_NONE;

  if (size < 0)
    failure =
      neap_frame_is_control(frame) ? NEAP_FAIL_CONTROL : NEAP_FAIL_LENGTH;
  else if (s->intake->head_len >= 2)
    failure = check_head(s, frame);
  return failure ? fail(s, out, failure) : 0;
}

static int read_frame(neap_session *s, neap_event *event, neap_buffer *out) {
  neap_frame frame;
  int size = read_head(s, &frame);

  if (size <= 0)
    return refuse_head(s, out, &frame, size);
  enum neap_failure failure = check_head(s, &frame);
  if (failure)
    return fail(s, out, failure);
  if (frame.length <= s->intake->input_len)
    return take_whole(s, event, out, &frame);
  return begin_payload(s, out, &frame);
}

static void release(uint8_t **bytes) {
  free(*bytes);
  *bytes = NULL;
}

/* Everything fed has been read: an idle session keeps no memory. */
static int settle(neap_session *s) {
  neap_intake *in = s->intake;
  bool in_control =
    s->reading == READ_PAYLOAD && neap_frame_is_control(&in->frame);

  if (in->held)
    release(&in->held);
  if (in->control && !in_control)
    release(&in->control);
  if (in->message.buffer.data && !neap_message_is_open(&in->message))
    neap_buffer_release(&in->message.buffer);
  return failures[s->failure].status;
}

void neap_session_feed(neap_session *s, uint8_t *bytes, size_t len) {
  s->intake->input = bytes;
  s->intake->input_len = s->reading < READ_CLOSED ? len : 0;
}

size_t neap_session_room(neap_session *s, uint8_t **at) {
  neap_intake *in = s->intake;
  if (s->reading != READ_PAYLOAD || in->input_len > 0 ||
      in->frame.length < LARGE || neap_frame_is_control(&in->frame) ||
      in->message.is_deflated)
    return 0;
  size_t room = neap_message_room(&in->message, LARGE, at);
  return room < in->frame.length ? room : (size_t)in->frame.length;
}

int neap_session_next(neap_session *s, neap_event *event, neap_buffer *out) {
  neap_intake *in = s->intake;
  while (in->input_len > 0) {
    int got = s->reading == READ_PAYLOAD ? read_payload(s, event, out)
                                         : read_frame(s, event, out);
    if (got != 0)
      return got;
  }
  return settle(s);
}

int neap_session_pause(neap_session *s) {
  neap_intake *in = s->intake;
  if (in == NULL || in->held || in->input_len == 0)
    return NEAP_OK;
  in->held = malloc(in->input_len);
  if (in->held == NULL)
    return NEAP_ENOMEM;
  memcpy(in->held, in->input, in->input_len);
  in->input = in->held;
  return NEAP_OK;
}

bool neap_session_is_done(const neap_session *s) {
  return s->reading == READ_FAILED ||
         (s->reading == READ_CLOSED && s->close_sent);
}

bool neap_session_close_sent(const neap_session *s) {
  return s->close_sent;
}

bool neap_session_close_received(const neap_session *s) {
  return s->reading == READ_CLOSED;
}
