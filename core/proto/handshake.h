/* proto/handshake.h - the opening handshake of RFC 6455, section 4, both sides.
 *
 * Pure functions over heads and buffers; subprotocols and headers are chosen by
 * the caller. */

#ifndef NEAP_PROTO_HANDSHAKE_H
#define NEAP_PROTO_HANDSHAKE_H

#include "proto/buffer.h"
#include "proto/http.h"

enum { NEAP_KEY_LEN = 24, NEAP_ACCEPT_LEN = 28 };

/* True when the head asks for WebSocket (Upgrade lists it); such a request is
 * then held to neap_handshake_check(). */
bool neap_handshake_is_upgrade(const neap_http_head *head, const char *src);

/* The Sec-WebSocket-Accept value that answers a key. */
void neap_handshake_accept(const char key[NEAP_KEY_LEN],
                           char accept[NEAP_ACCEPT_LEN]);

/* Server: NEAP_OK and the Sec-WebSocket-Accept value, unless accept is NULL; or
 * NEAP_EPROTO with head->status (400, 405, 426) and head->error set. */
int neap_handshake_check(neap_http_head *head, const char *src, char *accept);

/* Server: appends the 101. protocol may be NULL, and is a token; extensions and
 * headers are further complete lines, each ended by CRLF, or empty. NEAP_EPROTO,
 * with nothing appended, when protocol could not stand in its line. */
int neap_handshake_write_answer(neap_buffer *out,
                                const char accept[NEAP_ACCEPT_LEN],
                                const char *protocol, size_t protocol_len,
                                const char *extensions, const char *headers,
                                size_t headers_len);

/* Client: the key of a nonce, the request, and the check of the answer to it
 * (NEAP_EPROTO with head->error set, head->status as the server gave it). The
 * request is NEAP_EPROTO, with nothing appended, when host is no host and port
 * or target no path. */
void neap_handshake_key(const uint8_t nonce[16], char key[NEAP_KEY_LEN]);
int neap_handshake_write_request(neap_buffer *out, const char *host,
                                 const char *target,
                                 const char key[NEAP_KEY_LEN],
                                 const char *headers, size_t headers_len);
int neap_handshake_check_answer(neap_http_head *head, const char *src,
                                const char key[NEAP_KEY_LEN]);

#endif
