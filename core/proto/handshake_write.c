#include <string.h>

#include "proto/handshake.h"
#include "proto/http_char.h"

typedef struct piece {
  const char *text;
  size_t len;
} piece;

#define LITERAL(text) \
  { text, sizeof text - 1 }

/* All of them or, when there is no memory, none. */
static int append(neap_buffer *out, const piece *pieces, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++)
    total += pieces[i].len;
  int err = neap_buffer_reserve(out, total);
  for (size_t i = 0; !err && i < count; i++)
    err = neap_buffer_append(out, pieces[i].text, pieces[i].len);
  return err;
}

int neap_handshake_write_answer(neap_buffer *out,
                                const char accept[NEAP_ACCEPT_LEN],
                                const char *protocol, size_t protocol_len,
                                const char *extensions, const char *headers,
                                size_t headers_len) {
  bool named = protocol != NULL;
  if (named &&
      (protocol_len == 0 ||
       neap_char_span(protocol, protocol_len, NEAP_CHAR_TOKEN) != protocol_len))
    return NEAP_EPROTO;

  const piece pieces[] = {
    LITERAL("HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: "),
    {accept, NEAP_ACCEPT_LEN},
    {"\r\nSec-WebSocket-Protocol: ", named ? 26 : 0},
    {protocol, named ? protocol_len : 0},
    LITERAL("\r\n"),
    {extensions, strlen(extensions)},
    {headers, headers_len},
    LITERAL("\r\n"),
  };
  return append(out, pieces, sizeof pieces / sizeof *pieces);
}

/* Only bytes of the class, and at least one. */
static bool is_all(const char *text, enum neap_char wanted) {
  size_t len = strlen(text);
  return len > 0 && neap_char_span(text, len, wanted) == len;
}

int neap_handshake_write_request(neap_buffer *out, const char *host,
                                 const char *target,
                                 const char key[NEAP_KEY_LEN],
                                 const char *headers, size_t headers_len) {
  if (!neap_http_is_authority(host, strlen(host)) || target[0] != '/' ||
      !is_all(target, NEAP_CHAR_TARGET))
    return NEAP_EPROTO;

  const piece pieces[] = {
    LITERAL("GET "),
    {target, strlen(target)},
    LITERAL(" HTTP/1.1\r\nHost: "),
    {host, strlen(host)},
    LITERAL("\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: "),
    {key, NEAP_KEY_LEN},
    LITERAL("\r\nSec-WebSocket-Version: 13\r\n"),
    {headers, headers_len},
    LITERAL("\r\n"),
  };
  return append(out, pieces, sizeof pieces / sizeof *pieces);
}
