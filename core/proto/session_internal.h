/* proto/session_internal.h - what the reading half of a session asks of the
 * writing half. For session.c and session_write.c alone. */

#ifndef NEAP_PROTO_SESSION_INTERNAL_H
#define NEAP_PROTO_SESSION_INTERNAL_H

#include "proto/session.h"

/* NEAP_OK, NEAP_ENOMEM or NEAP_EIO; whether the frame may go out now is for the
 * caller to know. */
int neap_session_append(const neap_session *s, neap_buffer *out,
                        enum neap_opcode op, const void *data, size_t len);

/* Code 0 is an empty Close; the reason fits. Sets close_sent when it worked. */
int neap_session_append_close(neap_session *s, neap_buffer *out, uint16_t code,
                              const char *reason, size_t len);

#endif
