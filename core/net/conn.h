/* net/conn.h - one connection, from its socket to its last byte.
 *
 * States and deadlines as in the design: each state that waits for a peer has
 * one linked. The loop owns the connection and frees it at the end of the
 * turn, right after events->closed; until then every call below is safe in
 * any state, from any callback, and answers NEAP_ECLOSED where it is too late. */

#ifndef NEAP_NET_CONN_H
#define NEAP_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "net/address.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/output.h"
#include "net/settings.h"
#include "net/transport.h"
#include "proto/answer.h"
#include "proto/http.h"
#include "proto/session.h"

typedef struct neap_conn neap_conn;

enum neap_conn_state {
  NEAP_CONN_CONNECT,  /* client: nothing is sent yet */
  NEAP_CONN_PROXY,    /* a proxy is to say whom it speaks for */
  NEAP_CONN_TLS,      /* the TLS handshake, below what follows */
  NEAP_CONN_HEAD,     /* the head of a request, or answer, is being read */
  NEAP_CONN_ANSWER,   /* the binding decides; of the body, what it asks for */
  NEAP_CONN_DISCARD,  /* answered; the little that is left of a body is read */
  NEAP_CONN_OPEN,     /* WebSocket */
  NEAP_CONN_CLOSING,  /* closing handshake, or the last of an HTTP answer */
  NEAP_CONN_SHUTDOWN, /* our end is closed; waiting for the peer's */
  NEAP_CONN_CLOSED,   /* descriptor gone; freed at the end of the turn */
};

#define NEAP_CAUSE_MAP(X)           \
  X(CLOSED, "closed")               \
  X(EOF, "eof")                     \
  X(RESET, "reset")                 \
  X(NO_PONG, "no_pong")             \
  X(WRITE_TIMEOUT, "write_timeout") \
  X(KILLED, "killed")               \
  X(IDLE, "idle")                   \
  X(PROTOCOL, "protocol")           \
  X(TOO_BIG, "too_big")             \
  X(OVERFLOW, "overflow")           \
  X(RATE, "rate")                   \
  X(ERROR, "error")                 \
  X(CANCELLED, "cancelled")         \
  X(ABANDONED, "abandoned")         \
  X(DRAIN, "drain")

enum neap_cause {
  NEAP_CAUSE_NONE,
#define X(symbol, name) NEAP_CAUSE_##symbol,
  NEAP_CAUSE_MAP(X)
#undef X
};

enum neap_by { NEAP_BY_LOCAL, NEAP_BY_PEER, NEAP_BY_NET, NEAP_BY_SERVER };

enum { NEAP_REASON_MAX = 123 };

/* Why a connection closed; the first cause wins. Strings are borrowed. */
typedef struct neap_why {
  enum neap_cause cause;
  enum neap_by by;
  uint16_t code;
  bool clean; /* Close frames went both ways */
  int status; /* NEAP_EREFUSED, NEAP_ETLS: what failed before the handshake */
  const char *reason;
  size_t reason_len;
  uint64_t age;  /* milliseconds */
  uint64_t sent; /* messages */
  uint64_t received;
  uint64_t dropped;
} neap_why;

/* What the binding hears, always from the loop and never nested. */
typedef struct neap_conn_events {
  /* A whole head; src is borrowed. Answer it now or later; until that is done
   * no other comes. */
  void (*head)(neap_conn *conn, const neap_http_head *head, const char *src,
               size_t len);
  /* A server's peer failed in the TLS handshake; it is about to close. */
  void (*insecure)(neap_conn *conn, const char *fault);
  /* There may be messages: take them all with neap_conn_next. Of a request whose
   * body was waited for: there is more of it, or its failure. */
  void (*readable)(neap_conn *conn);
  void (*pong)(neap_conn *conn, const neap_event *event);
  /* Below the low mark again after it was above the high one or refused a
   * message, or empty after the socket had been full; of an answer in parts,
   * too. */
  void (*writable)(neap_conn *conn);
  /* Closing has begun: no message will come any more. */
  void (*closing)(neap_conn *conn);
  /* The last call: the descriptor is closed, nothing is linked and the memory
   * goes when it returns true. False: it could not be told, and is called once
   * more in the next turn. */
  bool (*closed)(neap_conn *conn, const neap_why *why);
} neap_conn_events;

struct neap_conn {
  neap_transport transport;
  neap_born born;
  neap_loop *loop;
  neap_settings *settings;
  void *peer; /* the binding's; NULL when it has let go */
  uint64_t id;
  union {
    neap_http *http;      /* before, or for ever */
    neap_session session; /* from OPEN on */
  };
  neap_output *output; /* never NULL; while it needs none, neap_output_none */
  neap_link dirty;     /* of the loop; when CLOSED, in its list of the dead */
  struct neap_subscriptions *subscriptions; /* NULL: none */
  struct neap_conduct *conduct; /* NULL: nothing is asked of the peer */
  neap_deadline deadline;       /* handshake, ping and pong, close, shutdown */
  uint64_t sent;
  uint64_t received;
  neap_address address;
  uint32_t dropped; /* messages that a full queue did not take, or gave up */
  uint16_t code;
  uint8_t state;
  uint8_t cause;
  unsigned by : 2;
  unsigned interest : 3; /* what is polled for */
  bool is_client : 1;
  bool is_admitted : 1; /* counts among the connections of the process */
  bool is_websocket : 1;
  bool wants_upgrade : 1; /* its head asks for one: without a peer, no answer */
  bool is_paused : 1;     /* the binding has no room: read nothing */
  bool is_lingering : 1;  /* the binding still delivers what was received */
  bool is_reading : 1;    /* inside the loop over received bytes */
  bool is_resumed : 1;    /* has room again: read on at the end of the turn */
  bool is_overflowing : 1; /* to be closed for it at the end of the turn */
  bool is_lost : 1; /* the same for a peer that is gone, or out of sight */
  bool is_backlogged : 1; /* the socket was full; writable is owed at its end */
  bool owes_writable : 1; /* already below the low mark */
  bool is_pinged : 1;     /* a ping is out, and nothing was heard since */
  bool is_eof : 1;        /* the peer has closed its end */
  bool is_clean : 1;      /* Close frames went both ways */
  bool is_numbered : 1;   /* counted among those of its address */
  bool is_refused : 1;    /* it lingers only to have read why */
  signed failure : 6;     /* what reason is about, before the handshake */
};

/* Takes over an accepted descriptor, also when it fails. tag names the
 * listener to the binding. */
int neap_conn_new(neap_conn **out, neap_loop *loop, int fd,
                  neap_settings *settings, uint32_t tag,
                  const neap_address *address);

/* Client: takes over a connected descriptor, also when it fails, and sends
 * request (copied); the head of the answer comes as the head event. NEAP_OK or
 * NEAP_ENOMEM. */
int neap_conn_dial(neap_conn **out, neap_loop *loop, int fd,
                   neap_settings *settings, const void *request, size_t size);

/* The same in memory, for tests: both ends of pipe get a connection, the server's
 * as if the listener of that tag had accepted it under its settings. */
int neap_conn_dial_pipe(neap_conn **out, neap_loop *loop, neap_pipe *pipe,
                        neap_settings *server_settings, uint32_t tag,
                        neap_settings *settings, const void *request,
                        size_t size);

/* Right after a connection was made: its peer has to do a TLS handshake before
 * all else, under the same deadline. A client demands a certificate for host,
 * unless the context takes any. NEAP_OK, NEAP_ENOMEM, or NEAP_ETLS for a host
 * that no certificate can be for. */
int neap_conn_secure(neap_conn *conn, neap_tls_context *context,
                     const char *host);

/* Client: the answer was right, the WebSocket is open. deflate is what was
 * agreed on, or NULL. */
int neap_conn_join(neap_conn *conn, const neap_deflate_terms *deflate);

/* What a 101 says. */
typedef struct neap_upgrade {
  const char *accept;
  const char *protocol; /* may be NULL */
  size_t protocol_len;
  const char *extra; /* further header lines */
  size_t extra_len;
  const char *extensions;            /* a whole header line, or empty */
  const neap_deflate_terms *deflate; /* what it says, or NULL */
} neap_upgrade;

/* HEAD is over: writes the 101 and opens the WebSocket under settings.
 * NEAP_ECLOSED when the peer is gone. */
int neap_conn_upgrade(neap_conn *conn, neap_settings *settings,
                      const neap_upgrade *upgrade);

/* Writes an HTTP answer (headers: further lines; Date, Content-Length and
 * Connection are added); then the next request is read, or the connection
 * ends. NEAP_ECLOSED when there is an answer already, or no peer. */
int neap_conn_answer(neap_conn *conn, const neap_http_answer *answer);

/* The same with a body from the file, from at on; takes over fd, also when it
 * fails. A file that turns out to be shorter breaks the connection. */
int neap_conn_answer_file(neap_conn *conn, const neap_http_answer *answer,
                          int fd, uint64_t at);

/* The same in parts: the head first (is_watched: a peer that closes its end
 * ends the request), then any number of writes, then the end. A write is never
 * refused for want of room, but answers 1 when the socket is full. */
int neap_conn_begin_answer(neap_conn *conn, neap_http_answer *answer,
                           bool is_watched);
int neap_conn_write_part(neap_conn *conn, const void *data, size_t len);
int neap_conn_end_answer(neap_conn *conn);

enum neap_body { NEAP_BODY_END, NEAP_BODY_PIECE, NEAP_BODY_WAIT };

/* Before the answer is complete: the next bytes of the request's body, borrowed
 * until the next call or turn. NEAP_BODY_WAIT: the readable event comes when
 * there may be more. NEAP_EPROTO, NEAP_ETOOBIG (over limit, 0 is none),
 * NEAP_ETIMEOUT: for ever, and neap_conn_body_error says why. */
int neap_conn_read_body(neap_conn *conn, size_t limit, const uint8_t **data,
                        size_t *len);
const char *neap_conn_body_error(const neap_conn *conn);

/* Of a listener's connections: no request is read behind the one that is being
 * answered, and those without one end now. Returns how many are being answered. */
size_t neap_conns_let_go(neap_loop *loop, uint32_t tag);

/* NEAP_OK · 1 queued, the socket is full · NEAP_ECLOSED, NEAP_ETOOBIG (over
 * limits.queue, nothing sent), NEAP_EOVERFLOW, NEAP_EPROTO (text not UTF-8). key
 * is a hash of its name, for NEAP_OVERFLOW_LATEST. */
int neap_conn_send(neap_conn *conn, enum neap_opcode opcode, const void *data,
                   size_t len, uint64_t key);
/* The same, never compressed. */
int neap_conn_send_plain(neap_conn *conn, enum neap_opcode opcode,
                         const void *data, size_t len, uint64_t key);
/* The same under a policy of its own, compressed where that can be. */
int neap_conn_send_under(neap_conn *conn, enum neap_opcode opcode,
                         const void *data, size_t len,
                         enum neap_overflow overflow, uint64_t key);
/* The same for a frame that others send too, under a policy of its own. It calls
 * nobody and ends nothing: a publish may be walking over connections. */
int neap_conn_send_frame(neap_conn *conn, neap_frame_buffer *frame,
                         enum neap_overflow overflow, uint64_t key);
int neap_conn_ping(neap_conn *conn, const void *data, size_t len);

/* Whether a message of len bytes would be queued; if not, events->writable is
 * owed once there is room. */
bool neap_conn_may_queue(neap_conn *conn, size_t len);

/* Starts the closing handshake with a code; code 0 is an empty Close. The
 * cause is remembered only if it is the first. Never fails. */
void neap_conn_close(neap_conn *conn, enum neap_cause cause, enum neap_by by,
                     uint16_t code, const char *reason, size_t reason_len);
void neap_conn_terminate(neap_conn *conn);

/* Inside of events->readable: 1 and a TEXT or BINARY message, borrowed until the
 * next call; 0 when there is none, or the binding is full. Control frames are
 * served on the way. */
int neap_conn_next(neap_conn *conn, neap_event *event);

/* The binding is full, or has room again. */
void neap_conn_pause(neap_conn *conn);
void neap_conn_resume(neap_conn *conn);

/* While set, the end of a closing handshake waits (until its deadline). */
void neap_conn_linger(neap_conn *conn, bool lingering);

/* Bytes that have not left this process. */
size_t neap_conn_buffered(const neap_conn *conn);

/* Writes "127.0.0.1:5000", "[::1]:5000" or "unix"; returns its length. */
size_t neap_conn_remote(const neap_conn *conn, char *dst, size_t size);

const char *neap_cause_name(enum neap_cause cause);
const char *neap_by_name(enum neap_by by);

/* For loop.c. */
void neap_conn_flush_all(neap_loop *loop);
/* Tells and frees what was released; at dispatch depth 0 only. */
void neap_conn_bury_all(neap_loop *loop);
void neap_conn_on_deadline(neap_deadline *deadline,
                           enum neap_deadline_kind kind);

#endif
