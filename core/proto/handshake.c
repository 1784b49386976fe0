#include "proto/handshake.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/deflate_offer.h"
#include "proto/http_char.h"
#include "proto/sha1.h"

static int refuse(neap_http_head *head, uint16_t status, const char *text) {
  head->status = status;
  head->error = text;
  return NEAP_EPROTO;
}

/* Refuses an answer, whose own status stays readable. */
static int reject(neap_http_head *head, const char *text) {
  return refuse(head, head->status, text);
}

static bool span_is(const char *src, neap_http_span span, const char *text) {
  return span.len == strlen(text) && memcmp(src + span.at, text, span.len) == 0;
}

/* The value of the one field of that name; NULL when there is none, or two. */
static const neap_http_span *find_only(const neap_http_head *head,
                                       const char *src, const char *name) {
  size_t len = strlen(name);
  int i = neap_http_find(head, src, name, len, 0);
  if (i < 0 || neap_http_find(head, src, name, len, i + 1) >= 0)
    return NULL;
  return &head->fields[i].value;
}

/* Section 4.2.2, point 5.4: the digest of key and a fixed GUID. */
void neap_handshake_accept(const char key[NEAP_KEY_LEN],
                           char accept[NEAP_ACCEPT_LEN]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[NEAP_KEY_LEN + sizeof guid - 1];
  uint8_t digest[NEAP_SHA1_LEN];

  memcpy(text, key, NEAP_KEY_LEN);
  memcpy(text + NEAP_KEY_LEN, guid, sizeof guid - 1);
  neap_sha1(digest, text, sizeof text);
  neap_base64_encode(accept, digest, sizeof digest);
}

bool neap_handshake_is_upgrade(const neap_http_head *head, const char *src) {
  return neap_http_has_token(head, src, "upgrade", "websocket");
}

/* What has to be true before the key is looked at. */
static int check_upgrade(neap_http_head *head, const char *src) {
  if (!span_is(src, head->method, "GET"))
    return refuse(head, 405, "A WebSocket is opened with GET.");
  if (head->minor == 0)
    return refuse(head, 400, "A WebSocket is opened with HTTP/1.1.");
  if (!neap_http_has_token(head, src, "connection", "upgrade"))
    return refuse(head, 400, "The Connection header does not list upgrade.");
  if (!neap_handshake_is_upgrade(head, src))
    return refuse(head, 400, "The Upgrade header does not list websocket.");
  if (head->chunked || head->content_length > 0)
    return refuse(head, 400, "A request for a WebSocket has no body.");
  return NEAP_OK;
}

int neap_handshake_check(neap_http_head *head, const char *src, char *accept) {
  int err = check_upgrade(head, src);
  if (err)
    return err;

  const neap_http_span *version = find_only(head, src, "sec-websocket-version");
  if (!version || !span_is(src, *version, "13"))
    return refuse(head, 426, "Sec-WebSocket-Version has to be 13, once.");

  const neap_http_span *key = find_only(head, src, "sec-websocket-key");
  uint8_t nonce[NEAP_KEY_LEN / 4 * 3];
  if (!key || key->len != NEAP_KEY_LEN ||
      neap_base64_decode(nonce, src + key->at, key->len) != 16)
    return refuse(head, 400,
                  "Sec-WebSocket-Key has to be 16 bytes in base64, once.");
  if (!neap_deflate_is_well_formed(head, src))
    return refuse(head, 400, "Sec-WebSocket-Extensions is malformed.");
  if (accept)
    neap_handshake_accept(src + key->at, accept);
  return NEAP_OK;
}

void neap_handshake_key(const uint8_t nonce[16], char key[NEAP_KEY_LEN]) {
  neap_base64_encode(key, nonce, 16);
}

int neap_handshake_check_answer(neap_http_head *head, const char *src,
                                const char key[NEAP_KEY_LEN]) {
  if (head->status != 101)
    return reject(head, "The server does not switch to WebSocket.");
  if (head->minor == 0)
    return reject(head, "The server answers in HTTP/1.0.");

  const neap_http_span *upgrade = find_only(head, src, "upgrade");
  if (!upgrade || upgrade->len != 9 ||
      !neap_char_same(src + upgrade->at, "websocket", 9))
    return reject(head, "The answer's Upgrade header is not websocket.");
  if (!neap_http_has_token(head, src, "connection", "upgrade"))
    return reject(head, "The answer's Connection header lists no upgrade.");

  char wanted[NEAP_ACCEPT_LEN];
  neap_handshake_accept(key, wanted);
  const neap_http_span *accept = find_only(head, src, "sec-websocket-accept");
  if (!accept || accept->len != NEAP_ACCEPT_LEN ||
      memcmp(src + accept->at, wanted, NEAP_ACCEPT_LEN) != 0)
    return reject(head, "Sec-WebSocket-Accept does not answer the key.");
  return NEAP_OK;
}
