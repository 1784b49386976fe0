/* proto/frame.h - the frame head of RFC 6455, section 5.2, to and from bytes.
 *
 * Pure functions: no allocation, no state, no I/O. What the head means in a
 * conversation is message.h's and session.h's business. */

#ifndef NEAP_PROTO_FRAME_H
#define NEAP_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NEAP_FRAME_HEAD_MAX = 14, NEAP_FRAME_CONTROL_MAX = 125 };
enum { NEAP_RSV1 = 4 };

enum neap_opcode {
  NEAP_OP_CONTINUATION = 0x0,
  NEAP_OP_TEXT = 0x1,
  NEAP_OP_BINARY = 0x2,
  NEAP_OP_CLOSE = 0x8,
  NEAP_OP_PING = 0x9,
  NEAP_OP_PONG = 0xA,
};

typedef struct neap_frame {
  uint64_t length; /* payload bytes that follow the head */
  uint8_t opcode;
  uint8_t rsv; /* RSV1 is bit 2, RSV3 is bit 0 */
  bool fin;
  bool masked;
  uint8_t key[4]; /* meaningful only when masked */
} neap_frame;

static inline bool neap_frame_is_control(const neap_frame *frame) {
  return (frame->opcode & 0x8) != 0;
}

/* Reads a head from the start of src. Returns its size in bytes, or
 * NEAP_EPROTO for a length or a control frame that section 5 forbids, or 0 when
 * src ends before the head does. From two bytes on, also with the last two
 * answers, all but length and key are set, and length is 0 until it is known. */
int neap_frame_read(neap_frame *frame, const uint8_t *src, size_t len);

/* Writes the shortest head for frame. dst has NEAP_FRAME_HEAD_MAX bytes.
 * Returns the number written. */
size_t neap_frame_write(const neap_frame *frame, uint8_t *dst);

#endif
