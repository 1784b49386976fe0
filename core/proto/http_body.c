#include "proto/http_body.h"

#include "proto/http_char.h"
#include "proto/status.h"

/* DIGITS_MAX: a size of 60 bits, zeros in front included. FREE: what a chunk's
 * size line may hold beside the digits before it counts as extra. */
enum { DIGITS_MAX = 15, FREE = 16 };

enum state {
  LENGTH, /* left more bytes, then it is done */
  SIZE,
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER, /* at the start of a line */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  END_LF,
  DONE,
  TOO_BIG,
  FAILED,
};

void neap_http_body_init(neap_http_body *body, const neap_http_head *head) {
  *body = (neap_http_body){.state = SIZE};
  if (head->chunked)
    return;
  body->left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
  body->state = body->left ? LENGTH : DONE;
}

bool neap_http_body_is_done(const neap_http_body *body) {
  return body->state == DONE;
}

uint64_t neap_http_body_left(const neap_http_body *body) {
  bool is_known = body->state == LENGTH || body->state == DONE;
  return is_known ? body->left : UINT64_MAX;
}

static int refuse(neap_http_body *body, const char *text) {
  body->error = text;
  body->state = FAILED;
  return NEAP_EPROTO;
}

/* What is still to come of the length, or of this chunk, is known. */
static int check_limit(neap_http_body *body) {
  if (body->limit == 0 || (body->received <= body->limit &&
                           body->left <= body->limit - body->received))
    return NEAP_OK;
  body->error = "The body is over the limit.";
  body->state = TOO_BIG;
  return NEAP_ETOOBIG;
}

static int count_extra(neap_http_body *body) {
  if (++body->extra <= NEAP_HTTP_EXTRA_MAX)
    return NEAP_OK;
  return refuse(body, "Chunk extensions or trailers are over the limit.");
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_size(neap_http_body *body, char c) {
  int digit = digit_of(c);
  if (digit < 0) {
    if (body->digits == 0 || (c != '\r' && c != ';'))
      return refuse(body, "A chunk's size is not a hexadecimal number.");
    body->digits = 0;
    body->state = c == ';' ? EXTENSION : SIZE_LF;
    return NEAP_OK;
  }
  if (++body->digits > DIGITS_MAX)
    return refuse(body, "A chunk's size has too many digits.");
  body->left = body->left * 16 + (uint64_t)digit;
  return NEAP_OK;
}

static int read_extension(neap_http_body *body, char c) {
  if (c == '\r') {
    body->digits = 0;
    body->state = SIZE_LF;
    return NEAP_OK;
  }
  if (!neap_char_is(c, NEAP_CHAR_TEXT))
    return refuse(body, "A chunk extension holds a control character.");
  if (body->digits == FREE)
    return count_extra(body);
  body->digits++;
  return NEAP_OK;
}

/* A name, its colon and a value; what they say is of no interest here. */
static int read_trailer(neap_http_body *body, char c) {
  if (body->state == TRAILER && c == '\r') {
    body->state = END_LF;
    return NEAP_OK;
  }
  if (body->state == TRAILER_VALUE && c == '\r') {
    body->state = TRAILER_LF;
    return NEAP_OK;
  }
  if (body->state == TRAILER_NAME && c == ':') {
    body->state = TRAILER_VALUE;
    return count_extra(body);
  }
  if (!neap_char_is(c, body->state == TRAILER_VALUE ? NEAP_CHAR_TEXT
                                                    : NEAP_CHAR_TOKEN))
    return refuse(body, "A trailer line is malformed.");
  if (body->state == TRAILER)
    body->state = TRAILER_NAME;
  return count_extra(body);
}

static int expect(neap_http_body *body, char c, char wanted, enum state next) {
  if (c != wanted)
    return refuse(body, "A chunked body's line end is not CRLF.");
  body->state = (uint8_t)next;
  return NEAP_OK;
}

static int end_size(neap_http_body *body, char c) {
  int err = expect(body, c, '\n', body->left ? DATA : TRAILER);
  return err ? err : check_limit(body);
}

static int read_byte(neap_http_body *body, char c) {
  switch (body->state) {
    case SIZE: return read_size(body, c);
    case EXTENSION: return read_extension(body, c);
    case SIZE_LF: return end_size(body, c);
    case DATA_CR: return expect(body, c, '\r', DATA_LF);
    case DATA_LF: return expect(body, c, '\n', SIZE);
    case TRAILER_LF: return expect(body, c, '\n', TRAILER);
    case END_LF: return expect(body, c, '\n', DONE);
    default: return read_trailer(body, c);
  }
}

static int take_piece(neap_http_body *body, const uint8_t *src, size_t len,
                      size_t *used, const uint8_t **piece, size_t *size) {
  size_t n = len - *used;
  n = n < body->left ? n : (size_t)body->left;
  *piece = src + *used;
  *size = n;
  *used += n;
  body->left -= n;
  body->received += n;
  if (body->left == 0)
    body->state = body->state == LENGTH ? DONE : DATA_CR;
  return 1;
}

static bool is_in_data(const neap_http_body *body) {
  return body->state == LENGTH || body->state == DATA;
}

int neap_http_body_next(neap_http_body *body, const uint8_t *src, size_t len,
                        size_t *used, const uint8_t **piece, size_t *size) {
  *used = 0;
  int err = body->state == FAILED    ? NEAP_EPROTO
            : body->state == TOO_BIG ? NEAP_ETOOBIG
            : is_in_data(body)       ? check_limit(body)
                                     : NEAP_OK;
  while (!err && *used < len && body->state != DONE) {
    if (is_in_data(body))
      return take_piece(body, src, len, used, piece, size);
    err = read_byte(body, (char)src[(*used)++]);
  }
  return err;
}
