#include "net/tls_records.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* TICKET_MAX: what of a ticket is passed over. BARREN_MAX: a peer that sends no
 * data wants nothing but to keep us busy. */
enum { TICKET_MAX = 128 * 1024, BARREN_MAX = 32 };

enum { KEY_LEN = 1, SIZE_MAX_SEALED = NEAP_TLS_PLAIN + 1 + NEAP_TLS_TAG };

void neap_tls_records_free(neap_tls_records *records) {
  if (records == NULL)
    return;
  neap_tls_way_release(&records->in);
  neap_tls_way_release(&records->out);
  neap_buffer_release(&records->rest);
  free(records);
}

static void fail(neap_tls_records *records, int alert) {
  if (records->alert == 0)
    records->alert = (uint8_t)alert;
}

/* ---- the way out */

uint8_t *neap_tls_records_room(neap_tls_records *records, size_t len,
                               neap_buffer *out) {
  if (neap_buffer_reserve(out, len + NEAP_TLS_OVERHEAD)) {
    fail(records, SSL_AD_INTERNAL_ERROR);
    return NULL;
  }
  return out->data + out->len + NEAP_TLS_HEADER;
}

static bool seal(neap_tls_records *records, size_t len, uint8_t type,
                 neap_buffer *out) {
  if (!neap_tls_way_seal(&records->out, out->data + out->len, len, type)) {
    fail(records, SSL_AD_INTERNAL_ERROR);
    return false;
  }
  out->len += len + NEAP_TLS_OVERHEAD;
  return true;
}

bool neap_tls_records_write(neap_tls_records *records, size_t len,
                            neap_buffer *out) {
  return records->alert == 0 &&
         seal(records, len, SSL3_RT_APPLICATION_DATA, out);
}

/* Something short of TLS itself. */
static bool say(neap_tls_records *records, const void *bytes, size_t len,
                uint8_t type, neap_buffer *out) {
  uint8_t *content = neap_tls_records_room(records, len, out);
  if (content == NULL)
    return false;
  memcpy(content, bytes, len);
  return seal(records, len, type, out);
}

void neap_tls_records_end(neap_tls_records *records, neap_buffer *out) {
  static const uint8_t alert[] = {SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY};
  say(records, alert, sizeof alert, SSL3_RT_ALERT, out);
}

/* ---- messages of TLS itself */

static void take_alert(neap_tls_records *records, const uint8_t *bytes,
                       size_t len) {
  if (len != 2)
    fail(records, SSL_AD_DECODE_ERROR);
  else if (bytes[1] == SSL_AD_CLOSE_NOTIFY)
    records->is_notified = true;
  else if (bytes[1] != SSL_AD_USER_CANCELLED) {
    records->is_theirs = true;
    fail(records, bytes[1]);
  }
}

/* The peer goes on with other keys, and may ask for the same. */
static void update(neap_tls_records *records, uint8_t wanted,
                   neap_buffer *out) {
  static const uint8_t answer[] = {SSL3_MT_KEY_UPDATE, 0, 0, KEY_LEN,
                                   SSL_KEY_UPDATE_NOT_REQUESTED};
  if (wanted > SSL_KEY_UPDATE_REQUESTED)
    fail(records, SSL_AD_ILLEGAL_PARAMETER);
  else if (!neap_tls_way_update(&records->in))
    fail(records, SSL_AD_INTERNAL_ERROR);
  else if (wanted &&
           say(records, answer, sizeof answer, SSL3_RT_HANDSHAKE, out) &&
           !neap_tls_way_update(&records->out))
    fail(records, SSL_AD_INTERNAL_ERROR);
}

/* Only these two may come now. A ticket is for who would come again with it. */
static void begin_message(neap_tls_records *records) {
  const uint8_t *head = records->head;
  uint32_t len = (uint32_t)(head[1] << 16 | head[2] << 8 | head[3]);
  bool is_ticket = head[0] == SSL3_MT_NEWSESSION_TICKET && records->is_client;
  if (!is_ticket && head[0] != SSL3_MT_KEY_UPDATE)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  else if (len == 0 || len > (is_ticket ? TICKET_MAX : KEY_LEN))
    fail(records, SSL_AD_DECODE_ERROR);
  records->body = len;
}

/* Takes up to len bytes of a message's body; returns how many. */
static size_t take_body(neap_tls_records *records, const uint8_t *bytes,
                        size_t len, neap_buffer *out) {
  size_t n = len < records->body ? len : records->body;
  records->body -= (uint32_t)n;
  if (records->body)
    return n;
  records->head_len = 0;
  if (records->head[0] != SSL3_MT_KEY_UPDATE)
    return n;
  if (n < len) /* what comes behind it must have the new key */
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  else
    update(records, bytes[0], out);
  return n;
}

/* Messages may be cut, and several may share a record. */
static void take_handshake(neap_tls_records *records, const uint8_t *bytes,
                           size_t len, neap_buffer *out) {
  if (len == 0)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  while (len > 0 && records->alert == 0) {
    size_t n = 1;
    if (records->head_len == sizeof records->head) {
      n = take_body(records, bytes, len, out);
    } else {
      records->head[records->head_len++] = *bytes;
      if (records->head_len == sizeof records->head)
        begin_message(records);
    }
    bytes += n;
    len -= n;
  }
}

/* ---- the way in */

/* Of the record that begins here; 0 when it is not whole, or has failed. */
static size_t measure(neap_tls_records *records, const uint8_t *bytes,
                      size_t len) {
  if (len > 0 && bytes[0] != SSL3_RT_APPLICATION_DATA)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  if (len < NEAP_TLS_HEADER || records->alert)
    return 0;
  size_t size = (size_t)(bytes[3] << 8 | bytes[4]);
  if (size > SIZE_MAX_SEALED)
    fail(records, SSL_AD_RECORD_OVERFLOW);
  else if (size < 1 + NEAP_TLS_TAG)
    fail(records, SSL_AD_BAD_RECORD_MAC);
  size += NEAP_TLS_HEADER;
  return records->alert || size > len ? 0 : size;
}

/* Returns how much plaintext is at dst then. */
static size_t take_record(neap_tls_records *records, uint8_t *dst,
                          uint8_t *record, size_t size, neap_buffer *out) {
  uint8_t type = 0, *content = record + NEAP_TLS_HEADER;
  if (dst + size <= content) /* it need not be moved afterwards */
    content = dst;
  int n = neap_tls_way_open(&records->in, record, size, content, &type);
  if (n < 0)
    fail(records, -n);
  else if (records->head_len && type != SSL3_RT_HANDSHAKE)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE); /* in the midst of a message */
  else if (type == SSL3_RT_ALERT)
    take_alert(records, content, (size_t)n);
  else if (type == SSL3_RT_HANDSHAKE)
    take_handshake(records, content, (size_t)n, out);
  else if (type != SSL3_RT_APPLICATION_DATA)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  bool is_data = n > 0 && type == SSL3_RT_APPLICATION_DATA && !records->alert;
  records->barren = is_data ? 0 : records->barren + 1;
  if (records->barren > BARREN_MAX)
    fail(records, SSL_AD_UNEXPECTED_MESSAGE);
  if (!is_data)
    return 0;
  if (content != dst)
    memmove(dst, content, (size_t)n);
  return (size_t)n;
}

size_t neap_tls_records_read(neap_tls_records *records, uint8_t *dst,
                             uint8_t *bytes, size_t len, neap_buffer *out) {
  size_t total = 0, size;
  if (records->rest.len) {
    bytes -= records->rest.len;
    len += records->rest.len;
    memcpy(bytes, records->rest.data, records->rest.len);
    neap_buffer_release(&records->rest);
  }
  while (!records->is_notified && (size = measure(records, bytes, len)) > 0) {
    total += take_record(records, dst + total, bytes, size, out);
    bytes += size;
    len -= size;
  }
  if (records->is_notified || records->alert)
    len = 0;
  if (neap_buffer_append(&records->rest, bytes, len))
    fail(records, SSL_AD_INTERNAL_ERROR);
  if (records->alert && !records->is_theirs) {
    uint8_t alert[] = {SSL3_AL_FATAL, records->alert};
    say(records, alert, sizeof alert, SSL3_RT_ALERT, out);
  }
  return total;
}
