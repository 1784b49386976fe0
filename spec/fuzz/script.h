/* fuzz/script.h - what stands in for the binding: it answers requests, takes
 * messages and remembers how a connection ended. */

#ifndef NEAP_FUZZ_SCRIPT_H
#define NEAP_FUZZ_SCRIPT_H

#include "fuzz.h"
#include "net/conn.h"

enum { SCRIPT_MESSAGE_MAX = 1000 };

enum script_mode {
  SCRIPT_UPGRADE, /* or 200, where nothing asks for it */
  SCRIPT_ANSWER,
  SCRIPT_PARTS, /* an answer that is begun, and goes on at each step */
  SCRIPT_HOLD,  /* answered later */
  SCRIPT_MODES,
};

/* One connection at a time. */
typedef struct script {
  neap_conn *conn; /* NULL once it has ended */
  neap_settings *settings;
  uint8_t mode;
  bool echoes;
  bool deflates;
  bool reads_body;
  bool in_parts;
  bool is_full; /* the last part said so: it waits for room */
  size_t heads;
  size_t opened_at; /* the head that opened the WebSocket, 0 = none */
  bool has_deflate;
  size_t closed; /* how often its end was told */
  bool is_clean;
} script;

extern const neap_conn_events script_events;

/* The key that a client's request has. */
extern const char script_key[];

void script_watch(script *s, neap_conn *conn);

/* Goes on with an answer that is not complete: the body, a part, or the end. */
void script_go_on(script *s);
void script_end_answer(script *s);

#endif
