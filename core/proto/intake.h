/* proto/intake.h - what a session needs while it is in the midst of something.
 *
 * Its owner lends it one to read with, and takes it back when it is empty, which
 * between two messages it is: so one intake serves all quiet sessions of a
 * loop. An empty one owns nothing, and may be lent again as it is. */

#ifndef NEAP_PROTO_INTAKE_H
#define NEAP_PROTO_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/message.h"

typedef struct neap_intake {
  uint8_t *input; /* fed bytes still to be read, borrowed, or in held */
  size_t input_len;
  uint8_t *held;    /* paused input, NULL when there is none */
  uint8_t *control; /* payload of a control frame that came in pieces */
  neap_message message;
  neap_frame frame; /* being read; its length counts down to zero */
  uint8_t head[NEAP_FRAME_HEAD_MAX]; /* a head that is not whole yet */
  uint8_t head_len;
  uint8_t control_len;
  uint8_t key_offset; /* of the next payload byte of frame */
} neap_intake;

/* Nothing is left to read or to put away: next() would answer 0. */
static inline bool neap_intake_is_settled(const neap_intake *in) {
  return in->input_len == 0 && in->held == NULL && in->control == NULL &&
         in->message.buffer.data == NULL;
}

/* Nor has anything begun: no head, no frame, no message. A control frame that
 * has begun has its place in control. */
static inline bool neap_intake_is_empty(const neap_intake *in) {
  return neap_intake_is_settled(in) && in->head_len == 0 &&
         !neap_message_is_open(&in->message);
}

/* Frees what it owns, and leaves it empty. */
void neap_intake_clear(neap_intake *in);

#endif
