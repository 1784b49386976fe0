/* net/http.h - what a connection knows while it speaks HTTP, request after
 * request, in memory that is lent to it until it speaks WebSocket. */

#ifndef NEAP_NET_HTTP_H
#define NEAP_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "proto/http_body.h"

enum neap_http_writing {
  NEAP_HTTP_SILENT,  /* no answer yet */
  NEAP_HTTP_CHUNKS,  /* the head is out, the body follows in chunks */
  NEAP_HTTP_BYTES,   /* or as it is, up to the end of the connection */
  NEAP_HTTP_NOTHING, /* or not at all: the answer to a HEAD */
  NEAP_HTTP_FILE,    /* the body is read from a file */
};

typedef struct neap_http {
  neap_buffer held; /* what came and waits to be read, its end is at */
  uint8_t *at;      /* the next byte to read; in held, or this turn's */
  size_t left;
  neap_http_body body;
  struct neap_http_file *file;
  uint32_t tag;    /* of the listener */
  uint32_t waited; /* milliseconds in which we waited for the body */
  int16_t failure; /* of the body: a status, for ever */
  uint8_t writing; /* enum neap_http_writing */
  bool is_old;     /* HTTP/1.0 */
  bool keeps;      /* another request may follow */
  bool is_last;    /* but not this time: the server drains */
  bool is_idle;    /* nothing has come since the last answer */
  bool owes_continue;
  bool wants_body; /* somebody waits for it */
  bool is_watched; /* the end of the peer ends the answer, too */
} neap_http;

#endif
