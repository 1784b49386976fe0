/* proto/session.h - one WebSocket conversation, memory to memory (RFC 6455).
 *
 * Pull, never push: feed bytes, take events until next() answers 0, write out
 * what it and the senders appended to out. No I/O, no clock, no callback.
 * Fed bytes are borrowed until the next call on the session, and so are the
 * slices of an event: until the next call on any that shares its compression. */

#ifndef NEAP_PROTO_SESSION_H
#define NEAP_PROTO_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/deflate.h"
#include "proto/frame.h"
#include "proto/intake.h"

enum neap_role { NEAP_SERVER, NEAP_CLIENT };

/* Four random bytes for each frame of a client; false fails the send with
 * NEAP_EIO (section 10.3: a key must not be predictable). */
typedef bool neap_mask_source(uint8_t key[4]);

typedef struct neap_event {
  enum neap_opcode opcode; /* TEXT BINARY PING PONG CLOSE; never CONTINUATION */
  uint16_t code;       /* CLOSE: the code received, 1005 when there is none */
  const uint8_t *data; /* payload; CLOSE: the reason */
  size_t len;
} neap_event;

/* The fields are the session's own; it is open so that it can be embedded. */
typedef struct neap_session {
  neap_intake *intake;    /* lent by the owner; NULL: nothing is under way */
  neap_deflate *deflate;  /* NULL: not agreed on */
  neap_mask_source *mask; /* clients only */
  uint8_t role;
  uint8_t reading;
  uint8_t failure; /* enum neap_failure */
  bool close_sent; /* or failed: nothing more is written */
} neap_session;

void neap_session_init(neap_session *s, enum neap_role role,
                       neap_mask_source *mask);
/* What it was lent is empty after this, and no longer its. */
void neap_session_release(neap_session *s);

/* Lends it an empty intake, for messages of at most limit bytes (0: any). */
static inline void neap_session_lend(neap_session *s, neap_intake *intake,
                                     size_t limit) {
  intake->message.limit = limit;
  s->intake = intake;
}

/* Takes it, before the first byte. */
void neap_session_use_deflate(neap_session *s, neap_deflate *deflate);

/* Takes it back if it is empty; NULL: it is still needed, or there is none. */
static inline neap_intake *neap_session_take_back(neap_session *s) {
  neap_intake *intake = s->intake;
  if (intake == NULL || !neap_intake_is_empty(intake))
    return NULL;
  s->intake = NULL;
  return intake;
}

/* Lends the session bytes to read and to unmask in place. Only when it has an
 * intake, and the last next() answered 0 (or nothing was fed yet). */
void neap_session_feed(neap_session *s, uint8_t *bytes, size_t len);

/* While a large payload is under way: how many of its next bytes may be put at
 * *at, in the message's own memory, and be fed from there, which spares a copy; 0
 * when there is no such place. Valid until the next call on the session. */
size_t neap_session_room(neap_session *s, uint8_t **at);

/* Only when it has an intake. 1 an event · 0 nothing more: what remained was
 * copied out of the fed bytes · negative: failed, for ever; the Close frame that
 * says so is in out already. Pings are answered and a Close is echoed into out. */
int neap_session_next(neap_session *s, neap_event *event, neap_buffer *out);

/* Copies the rest of the fed bytes out, so that they may be reused before
 * next() has answered 0. NEAP_OK or NEAP_ENOMEM. */
int neap_session_pause(neap_session *s);

/* Appends one frame: TEXT, BINARY, PING or PONG. NEAP_ECLOSED once a Close has
 * been sent or the session has failed, NEAP_EPROTO for text that is not UTF-8, a
 * control payload over 125 bytes or another opcode, NEAP_EIO for want of a mask,
 * NEAP_ENOMEM. Nothing is appended then, and the session goes on. */
int neap_session_send(neap_session *s, neap_buffer *out, enum neap_opcode op,
                      const void *data, size_t len);

/* The same, never compressed. */
int neap_session_send_plain(neap_session *s, neap_buffer *out,
                            enum neap_opcode op, const void *data, size_t len);

/* Whether send would try to compress a message of that length. */
static inline bool neap_session_deflates(const neap_session *s, size_t len) {
  return s->deflate && neap_deflate_wants(s->deflate, len);
}

/* Appends the head alone, for a server that writes the payload from where it
 * is (or a frame that many connections share). Same answers as send, but TEXT is
 * not read: it must be UTF-8. A client must not call it. */
int neap_session_send_head(neap_session *s, neap_buffer *out,
                           enum neap_opcode op, size_t len);

/* Starts the closing handshake; code 0 sends an empty Close. NEAP_EPROTO for a
 * code that may not be sent or a reason over 123 bytes or not UTF-8,
 * NEAP_ECLOSED when a Close is out already. */
int neap_session_close(neap_session *s, neap_buffer *out, uint16_t code,
                       const char *reason, size_t len);

/* Close frames have gone both ways, or the session failed. */
bool neap_session_is_done(const neap_session *s);
bool neap_session_close_sent(const neap_session *s);
bool neap_session_close_received(const neap_session *s);

/* Of a failed session: the close code (1002 1007 1008 1009 1011) and a few words
 * for people, static; 0 and NULL of one that has not failed. */
uint16_t neap_session_fail_code(const neap_session *s);
const char *neap_session_fail_text(const neap_session *s);

#endif
