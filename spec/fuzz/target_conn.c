/* A whole connection, server or client, with its deadlines and queues: the input
 * is a program that plays its peer, the clock and the script. */

#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "net/conn_internal.h"
#include "proto/handshake.h"
#include "script.h"

enum { IS_CLIENT = 1, DEFLATES = 2, KEEPS = 4, ECHOES = 8, READS_BODY = 16 };
enum { TAG = 7, ROOM = 128 * 1024, CORK = 256 * 1024, CONTEXTS = 400 * 1024 };

typedef struct world {
  neap_loop *loop;
  neap_pipe *pipe;
  neap_pipe_end *peer;
  script script;
  neap_buffer received; /* by the peer */
  size_t idle;          /* memory when all was made */
  bool is_stalled;
  bool is_gone;
} world;

/* -- the peer --------------------------------------------------------------- */

static void on_peer(void *owner, int events) {
  world *w = owner;
  uint8_t bytes[4096];
  ssize_t n = 0;
  (void)events;
  while (!w->is_stalled && !w->is_gone &&
         (n = neap_pipe_read(w->peer, bytes, sizeof bytes)) > 0)
    fuzz_note_bytes(&w->received, bytes, (size_t)n);
  if (n == 0 && !w->is_stalled)
    neap_pipe_watch(w->peer, 0);
}

static void close_peer(world *w) {
  if (!w->is_gone)
    neap_pipe_close(w->peer);
  w->is_gone = true;
}

static void write_peer(world *w, fuzz_input bytes) {
  struct iovec vector = {(void *)bytes.at, bytes.len};
  if (!w->is_gone && bytes.len > 0)
    neap_pipe_write(w->peer, &vector, 1);
}

static void stall(world *w) {
  w->is_stalled = !w->is_stalled;
  if (!w->is_gone)
    neap_pipe_watch(w->peer, w->is_stalled ? 0 : NEAP_READABLE);
}

/* -- the world -------------------------------------------------------------- */

static neap_settings *make_settings(uint8_t flags) {
  neap_settings values = {
    .header = 1024,
    .message = SCRIPT_MESSAGE_MAX,
    .queue = 8192,
    .handshake = 10000,
    .ping = 20000,
    .pong = 10000,
    .idle = flags & KEEPS ? 0 : 60000,
    .write = 30000,
    .close = 5000,
    .keepalive = flags & KEEPS ? 5000 : 0,
    .body = 10000,
    .deflates = flags & DEFLATES,
    .deflate = {.wish = {.takeover = flags & KEEPS, .window = 15},
                .level = 1,
                .min = 16,
                .idle = 1000},
  };
  neap_settings *settings = neap_settings_new(&values);
  FUZZ_CHECK(settings != NULL);
  return settings;
}

static neap_conn *make_server(world *w) {
  neap_conn *conn =
    neap_conn_make_on_pipe(w->loop, &w->pipe->ends[1], w->script.settings);
  conn->http->tag = TAG;
  conn->state = NEAP_CONN_HEAD;
  return conn;
}

static neap_conn *make_client(world *w) {
  neap_conn *conn =
    neap_conn_make_on_pipe(w->loop, &w->pipe->ends[0], w->script.settings);
  conn->is_client = true;
  FUZZ_CHECK(neap_handshake_write_request(&conn->http->held, "h", "/",
                                          script_key, "", 0) == NEAP_OK);
  return conn;
}

static void start(world *w, uint8_t flags) {
  *w = (world){0};
  FUZZ_CHECK(neap_loop_new(&w->loop) == NEAP_OK);
  w->loop->events = &script_events;
  w->pipe = neap_pipe_new(w->loop);
  w->script = (script){.settings = make_settings(flags),
                       .echoes = flags & ECHOES,
                       .deflates = flags & DEFLATES,
                       .reads_body = flags & READS_BODY};
  neap_conn *conn = flags & IS_CLIENT ? make_client(w) : make_server(w);
  conn->address.family = AF_UNIX;
  script_watch(&w->script, conn);
  w->peer = &w->pipe->ends[flags & IS_CLIENT ? 1 : 0];
  neap_pipe_open(w->peer, w, on_peer);
  neap_pipe_watch(w->peer, NEAP_READABLE);
  neap_conn_update_interest(conn);
  w->idle = fuzz_memory();
}

/* What the connection, and the loop for it, may hold beside the wire; and what
 * the parts of an answer gather in one turn (128 KiB, in a buffer that doubles). */
static void check_memory(const world *w) {
  size_t wire =
    w->received.cap + w->pipe->ends[0].in.cap + w->pipe->ends[1].in.cap;
  size_t room = ROOM + CORK + (w->script.deflates ? CONTEXTS : 0);
  FUZZ_CHECK(fuzz_memory() <= w->idle + wire + room);
}

static void turn(world *w, int times) {
  while (times-- > 0)
    uv_run(&w->loop->uv, UV_RUN_NOWAIT);
  check_memory(w);
}

/* -- the program ------------------------------------------------------------ */

static void advance(world *w, uint8_t kind) {
  static const uint16_t lengths[] = {1,    50,   500,   1000,
                                     2000, 5000, 10000, 30000};
  neap_loop_advance(w->loop, lengths[kind % 8]);
  turn(w, 3);
}

static void send_message(neap_conn *conn, uint8_t kind) {
  static const char text[10000] = "a message";
  static const uint16_t sizes[] = {0, 9, 125, 126, 1000, 5000, 8192, 10000};
  size_t len = sizes[kind % 8];
  int sent = neap_conn_send(conn, kind & 8 ? NEAP_OP_TEXT : NEAP_OP_BINARY,
                            text, len, 0);
  FUZZ_CHECK(conn->is_websocket || sent == NEAP_ECLOSED);
}

static void close_conn(neap_conn *conn, uint8_t kind) {
  static const uint16_t codes[] = {0, 1000, 1001, 4999};
  neap_conn_close(conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, codes[kind % 4],
                  kind & 4 ? "a reason" : "", kind & 4 && kind % 4 ? 8 : 0);
}

/* The steps of the script, which needs a connection. */
static void act(world *w, uint8_t step, uint8_t kind) {
  script *s = &w->script;
  neap_conn *conn = s->conn;
  if (conn == NULL)
    return;
  switch (step) {
    case 0: send_message(conn, kind); break;
    case 1: close_conn(conn, kind); break;
    case 2: neap_conn_terminate(conn); break;
    case 3: neap_conn_pause(conn); break;
    case 4: neap_conn_resume(conn); break;
    case 5: neap_conn_ping(conn, "ping", kind % 5); break;
    case 6: script_go_on(s); break;
    case 7: script_end_answer(s); break;
    default: s->mode = kind % SCRIPT_MODES; break;
  }
}

static void play(world *w, fuzz_input in) {
  while (in.len > 0) {
    uint8_t op = fuzz_byte(&in), kind = op >> 4;
    switch (op & 15) {
      case 0:
      case 1: write_peer(w, fuzz_take(&in, fuzz_byte(&in))); break;
      case 2: turn(w, 1 + kind % 4); break;
      case 3: advance(w, kind); break;
      case 4: stall(w); break;
      case 5:
        if (!w->is_gone && kind % 2)
          neap_pipe_shutdown(w->peer);
        else
          close_peer(w);
        break;
      case 6: neap_pipe_cut(w->pipe, NEAP_CUT_FIN + kind % 5); break;
      case 7: neap_conns_let_go(w->loop, TAG); break;
      default: act(w, op & 7, kind); break;
      case 15: act(w, kind & 8 ? 7 : 8, kind); break;
    }
  }
}

/* -- the end ---------------------------------------------------------------- */

/* Whatever state it is in, time ends it; but a script that holds an answer back
 * has all the time it wants. */
static void finish(world *w) {
  if (w->script.conn)
    neap_conn_resume(w->script.conn);
  for (int i = 0; i < 300 && w->script.conn; i++) {
    if (i == 150)
      close_peer(w);
    if (w->script.conn->state == NEAP_CONN_ANSWER)
      script_end_answer(&w->script);
    neap_loop_advance(w->loop, 1000);
    turn(w, 3);
  }
  FUZZ_CHECK(w->script.conn == NULL && w->script.closed == 1);
  for (int class = 0; class < NEAP_CLASS_COUNT; class ++)
    FUZZ_CHECK(neap_census_live(&w->loop->census, class) == 0);
}

/* Behind one head there are frames; whole ones, if it ended well. */
static void check_output(const world *w, bool is_client) {
  const script *s = &w->script;
  const neap_buffer *out = &w->received;
  frames_seen seen;
  uint8_t *end = out->len ? memmem(out->data, out->len, "\r\n\r\n", 4) : NULL;
  if (end == NULL || s->opened_at != 1)
    return;
  size_t head = (size_t)(end + 4 - out->data);
  const char *fault =
    frames_check(out->data + head, out->len - head, is_client, s->has_deflate,
                 !s->is_clean || w->is_stalled || w->is_gone, &seen);
  if (fault)
    fuzz_fail(__FILE__, __LINE__, fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint8_t flags = fuzz_byte(&in);
  world w;
  start(&w, flags);
  play(&w, in);
  finish(&w);
  check_output(&w, flags & IS_CLIENT);
  close_peer(&w);
  neap_pipe_release(w.pipe);
  neap_settings_release(w.script.settings);
  neap_loop_close(w.loop);
  neap_buffer_release(&w.received);
  return 0;
}
