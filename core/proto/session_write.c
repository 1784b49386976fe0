#include "proto/session_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/close_code.h"
#include "proto/deflater.h"
#include "proto/mask.h"
#include "proto/status.h"

/* The head of a frame of len bytes, with the key of a client's. */
static int make_head(const neap_session *s, neap_frame *frame,
                     enum neap_opcode op, size_t len) {
  *frame = (neap_frame){
    .length = len,
    .opcode = (uint8_t)op,
    .fin = true,
    .masked = s->role == NEAP_CLIENT,
  };
  return frame->masked && !s->mask(frame->key) ? NEAP_EIO : NEAP_OK;
}

/* Appends the head of a frame of len bytes and makes room for more behind it.
 * Sets the key of a client's frame. */
static int append_head(const neap_session *s, neap_buffer *out,
                       enum neap_opcode op, size_t len, size_t more,
                       uint8_t key[4]) {
  neap_frame frame;

  if (make_head(s, &frame, op, len))
    return NEAP_EIO;
  if (frame.masked)
    memcpy(key, frame.key, 4);
  if (more > SIZE_MAX - NEAP_FRAME_HEAD_MAX ||
      neap_buffer_reserve(out, NEAP_FRAME_HEAD_MAX + more))
    return NEAP_ENOMEM;
  out->len += neap_frame_write(&frame, out->data + out->len);
  return NEAP_OK;
}

int neap_session_append(const neap_session *s, neap_buffer *out,
                        enum neap_opcode op, const void *data, size_t len) {
  uint8_t key[4];
  int err = append_head(s, out, op, len, len, key);

  if (err || len == 0)
    return err;
  if (s->role == NEAP_CLIENT)
    neap_mask_copy(key, 0, out->data + out->len, data, len);
  else
    memcpy(out->data + out->len, data, len);
  out->len += len;
  return NEAP_OK;
}

int neap_session_append_close(neap_session *s, neap_buffer *out, uint16_t code,
                              const char *reason, size_t len) {
  uint8_t payload[NEAP_FRAME_CONTROL_MAX] = {(uint8_t)(code >> 8),
                                             (uint8_t)code};
  size_t size = code == 0 ? 0 : 2 + len;

  if (len > 0)
    memcpy(payload + 2, reason, len);
  int err = neap_session_append(s, out, NEAP_OP_CLOSE, payload, size);
  if (!err)
    s->close_sent = true;
  return err;
}

/* 1 when the message was appended, compressed; 0 when it would not shrink. The
 * key comes first: what is compressed has to be sent. */
static int append_deflated(const neap_session *s, neap_buffer *out,
                           enum neap_opcode op, const void *data, size_t len) {
  neap_frame frame;
  size_t extra = NEAP_FRAME_HEAD_MAX + NEAP_DEFLATER_SLACK;

  if (len > SIZE_MAX - extra || neap_buffer_reserve(out, len + extra))
    return NEAP_ENOMEM;
  if (make_head(s, &frame, op, len))
    return NEAP_EIO;
  uint8_t *head = out->data + out->len;
  uint8_t *payload = head + NEAP_FRAME_HEAD_MAX;
  size_t size = neap_deflate_compress(s->deflate, payload, data, len);
  if (size == 0)
    return 0;
  if (frame.masked)
    neap_mask(frame.key, 0, payload, size);
  frame.length = size;
  frame.rsv = NEAP_RSV1;
  size_t head_size = neap_frame_write(&frame, head);
  memmove(head + head_size, payload, size);
  out->len += head_size + size;
  return 1;
}

static int check_send(const neap_session *s, enum neap_opcode op, size_t len) {
  if (s->close_sent)
    return NEAP_ECLOSED;
  if (op == NEAP_OP_TEXT || op == NEAP_OP_BINARY)
    return NEAP_OK;
  bool is_control = op == NEAP_OP_PING || op == NEAP_OP_PONG;
  return is_control && len <= NEAP_FRAME_CONTROL_MAX ? NEAP_OK : NEAP_EPROTO;
}

static int send(neap_session *s, neap_buffer *out, enum neap_opcode op,
                const void *data, size_t len, bool deflates) {
  int err = check_send(s, op, len);

  if (err)
    return err;
  if (op == NEAP_OP_TEXT && !neap_utf8_is_valid(data, len))
    return NEAP_EPROTO;
  int appended = deflates ? append_deflated(s, out, op, data, len) : 0;
  if (appended != 0)
    return appended < 0 ? appended : NEAP_OK;
  return neap_session_append(s, out, op, data, len);
}

int neap_session_send(neap_session *s, neap_buffer *out, enum neap_opcode op,
                      const void *data, size_t len) {
  bool is_message = op == NEAP_OP_TEXT || op == NEAP_OP_BINARY;
  return send(s, out, op, data, len,
              is_message && neap_session_deflates(s, len));
}

int neap_session_send_plain(neap_session *s, neap_buffer *out,
                            enum neap_opcode op, const void *data, size_t len) {
  return send(s, out, op, data, len, false);
}

int neap_session_send_head(neap_session *s, neap_buffer *out,
                           enum neap_opcode op, size_t len) {
  assert(s->role == NEAP_SERVER);
  int err = check_send(s, op, len);
  return err ? err : append_head(s, out, op, len, 0, NULL);
}

int neap_session_close(neap_session *s, neap_buffer *out, uint16_t code,
                       const char *reason, size_t len) {
  if (s->close_sent)
    return NEAP_ECLOSED;
  if (code == 0 ? len > 0 : !neap_close_code_is_valid(code))
    return NEAP_EPROTO;
  if (len > NEAP_CLOSE_REASON_MAX ||
      !neap_utf8_is_valid((const uint8_t *)reason, len))
    return NEAP_EPROTO;
  return neap_session_append_close(s, out, code, reason, len);
}
