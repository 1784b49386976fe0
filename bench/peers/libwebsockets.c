/* The bench's jobs for libwebsockets: libwebsockets PORT [tls|deflate]. A
   message is written by reference to all that it is for, when libwebsockets
   says that the socket takes it. */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536

struct message {
  size_t length, room, references;
  enum lws_write_protocol kind;
  unsigned char *bytes; /* behind the LWS_PRE bytes of the frame's header */
};

struct session {
  enum { ECHO, FEED, PUBLISH } role;
  struct message *incoming; /* not yet whole */
  struct message **queue;   /* a ring of what is to be written */
  size_t first, queued, room;
  struct session *next; /* of the feed */
  struct lws *wsi;
};

static struct session *feed;

static void *must(void *memory) {
  if (!memory)
    abort();
  return memory;
}

static void append(struct message *message, const void *bytes, size_t length) {
  size_t need = message->length + length;
  if (need > message->room) {
    message->room = need < 2 * message->room ? 2 * message->room : need;
    message->bytes = must(realloc(message->bytes, LWS_PRE + message->room));
  }
  memcpy(message->bytes + LWS_PRE + message->length, bytes, length);
  message->length += length;
}

static void drop(struct message *message) {
  if (message && --message->references == 0) {
    free(message->bytes);
    free(message);
  }
}

static void enqueue(struct session *session, struct message *message) {
  if (session->queued == session->room) {
    size_t room = session->room ? 2 * session->room : 4;
    struct message **queue = must(malloc(room * sizeof *queue));
    for (size_t i = 0; i < session->queued; i++)
      queue[i] = session->queue[(session->first + i) % session->room];
    free(session->queue);
    session->queue = queue, session->first = 0, session->room = room;
  }
  session->queue[(session->first + session->queued++) % session->room] =
    message;
  message->references++;
  lws_callback_on_writable(session->wsi);
}

static int write_queued(struct session *session) {
  while (session->queued && !lws_send_pipe_choked(session->wsi)) {
    struct message *message = session->queue[session->first];
    session->first = (session->first + 1) % session->room, session->queued--;
    int written = lws_write(session->wsi, message->bytes + LWS_PRE,
                            message->length, message->kind);
    int is_short = written < (int)message->length;
    drop(message);
    if (is_short)
      return -1;
  }
  if (session->queued)
    lws_callback_on_writable(session->wsi);
  return 0;
}

static void receive(struct session *session, void *bytes, size_t length) {
  if (!session->incoming) {
    session->incoming = must(calloc(1, sizeof *session->incoming));
    session->incoming->references = 1;
    session->incoming->kind =
      lws_frame_is_binary(session->wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
  }
  append(session->incoming, bytes, length);
  if (!lws_is_final_fragment(session->wsi))
    return;
  if (session->role == PUBLISH) {
    for (struct session *reader = feed; reader; reader = reader->next)
      enqueue(reader, session->incoming);
  } else if (session->role == ECHO) {
    enqueue(session, session->incoming);
  }
  drop(session->incoming);
  session->incoming = NULL;
}

static void begin(struct session *session, struct lws *wsi) {
  char path[64] = "";
  lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
  session->wsi = wsi;
  session->role = !strcmp(path, "/feed")      ? FEED
                  : !strcmp(path, "/publish") ? PUBLISH
                                              : ECHO;
  if (session->role == FEED)
    session->next = feed, feed = session;
}

static void end(struct session *session) {
  struct session **link = &feed;
  while (*link && *link != session)
    link = &(*link)->next;
  if (*link)
    *link = session->next;
  for (size_t i = 0; i < session->queued; i++)
    drop(session->queue[(session->first + i) % session->room]);
  drop(session->incoming);
  free(session->queue);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason,
                    void *user, void *bytes, size_t length) {
  switch (reason) {
    case LWS_CALLBACK_ESTABLISHED: begin(user, wsi); return 0;
    case LWS_CALLBACK_RECEIVE: receive(user, bytes, length); return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE: return write_queued(user);
    case LWS_CALLBACK_CLOSED: end(user); return 0;
    default: return lws_callback_http_dummy(wsi, reason, user, bytes, length);
  }
}

int main(int argc, char **argv) {
  const char *extra = argc > 2 ? argv[2] : "";
  struct lws_protocols protocols[] = {
    {"bench", on_event, sizeof(struct session), CHUNK, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0}};
  struct lws_extension extensions[] = {
    {"permessage-deflate", lws_extension_callback_pm_deflate,
     "permessage-deflate; server_no_context_takeover; "
     "client_no_context_takeover"},
    {NULL, NULL, NULL}};
  struct lws_context_creation_info info = {0};
  lws_set_log_level(LLL_ERR, NULL);
  info.iface = "127.0.0.1";
  info.port = argc > 1 ? atoi(argv[1]) : 9001;
  info.protocols = protocols;
  info.pt_serv_buf_size = CHUNK;
  if (!strcmp(extra, "deflate"))
    info.extensions = extensions;
  if (!strcmp(extra, "tls")) {
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.ssl_cert_filepath = "build/bench/cert.pem";
    info.ssl_private_key_filepath = "build/bench/key.pem";
  }
  struct lws_context *context = lws_create_context(&info);
  while (context && lws_service(context, 0) >= 0)
    ;
  return 1;
}
