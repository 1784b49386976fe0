#include "proto/intake.h"

#include <stdlib.h>

void neap_intake_clear(neap_intake *in) {
  free(in->held);
  free(in->control);
  neap_buffer_release(&in->message.buffer);
  in->input = in->held = in->control = NULL;
  in->input_len = 0;
  in->head_len = 0;
  in->message.opcode = NEAP_OP_CONTINUATION;
}
