#include "proto/proxy_header.h"

#include <stdbool.h>
#include <string.h>

#include "proto/status.h"

enum { TEXT_MAX = 107, FIXED = 16 };

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1: a line of text */

struct text {
  const char *at, *end;
};

static bool skip(struct text *t, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len) != 0)
    return false;
  t->at += len;
  return true;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* No sign and no zero ahead. */
static bool read_number(struct text *t, uint32_t most, uint32_t *out) {
  uint32_t n = 0;
  const char *start = t->at;
  while (t->at < t->end && is_digit(*t->at) && n <= most)
    n = n * 10 + (uint32_t)(*t->at++ - '0');
  *out = n;
  return t->at > start && n <= most && (*start != '0' || t->at == start + 1);
}

static bool read_ip4(struct text *t, uint8_t *bytes) {
  for (int i = 0; i < 4; i++) {
    uint32_t n;
    if ((i && !skip(t, ".")) || !read_number(t, 255, &n))
      return false;
    bytes[i] = (uint8_t)n;
  }
  return true;
}

static int hex_value(char c) {
  if (is_digit(c))
    return c - '0';
  char lower = (char)(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_group(struct text *t, uint8_t *bytes) {
  uint32_t n = 0;
  int digits = 0;
  while (t->at < t->end && hex_value(*t->at) >= 0 && digits++ < 4)
    n = n << 4 | (uint32_t)hex_value(*t->at++);
  bytes[0] = (uint8_t)(n >> 8);
  bytes[1] = (uint8_t)n;
  return digits > 0 && digits <= 4;
}

/* "1.2.3.4" may stand for the last two groups. */
static bool read_ip4_tail(struct text *t, uint8_t *bytes) {
  struct text tail = *t;
  if (!read_ip4(&tail, bytes))
    return false;
  *t = tail;
  return true;
}

/* Moves what stands behind "::" to the end. */
static void spread(uint8_t *bytes, int gap, int used) {
  memmove(bytes + 16 - (used - gap), bytes + gap, (size_t)(used - gap));
  memset(bytes + gap, 0, (size_t)(16 - used));
}

static bool read_ip6(struct text *t, uint8_t *bytes) {
  int used = 0, gap = skip(t, "::") ? 0 : -1;
  while (used < 16 && t->at < t->end && *t->at != ' ') {
    if (used <= 12 && read_ip4_tail(t, bytes + used)) {
      used += 4;
      break;
    }
    if (!read_group(t, bytes + used))
      return false;
    used += 2;
    if (gap < 0 && skip(t, "::"))
      gap = used;
    else if (t->at < t->end && *t->at == ':' && used < 16 && t->at++ &&
             (t->at == t->end || *t->at == ' '))
      return false;
  }
  if (gap < 0)
    return used == 16;
  if (used > 14)
    return false;
  spread(bytes, gap, used);
  return true;
}

static bool read_ip(struct text *t, bool is_ip6, uint8_t *bytes) {
  return is_ip6 ? read_ip6(t, bytes) : read_ip4(t, bytes);
}

static bool read_addresses(struct text *t, neap_proxy_header *header) {
  uint8_t to[16];
  uint32_t port, to_port;
  bool is_ip6 = header->family == NEAP_PROXY_IP6;
  if (!read_ip(t, is_ip6, header->bytes) || !skip(t, " ") ||
      !read_ip(t, is_ip6, to) || !skip(t, " ") ||
      !read_number(t, 65535, &port) || !skip(t, " ") ||
      !read_number(t, 65535, &to_port))
    return false;
  header->port = (uint16_t)port;
  return t->at == t->end;
}

static bool read_line(struct text *t, neap_proxy_header *header) {
  skip(t, "PROXY ");
  if (skip(t, "UNKNOWN")) /* whatever follows is not to be read */
    return t->at == t->end || *t->at == ' ';
  header->family = skip(t, "TCP4 ")   ? NEAP_PROXY_IP4
                   : skip(t, "TCP6 ") ? NEAP_PROXY_IP6
                                      : NEAP_PROXY_NONE;
  return header->family != NEAP_PROXY_NONE && read_addresses(t, header);
}

static int read_text(neap_proxy_header *out, const uint8_t *src, size_t len) {
  neap_proxy_header header = {.family = NEAP_PROXY_NONE};
  size_t most = len < TEXT_MAX ? len : TEXT_MAX;
  const uint8_t *cr = memchr(src, '\r', most);
  if (memchr(src, '\n', cr ? (size_t)(cr - src) : most))
    return NEAP_EPROTO;
  if (cr == NULL || cr + 1 == src + len)
    return most < TEXT_MAX ? 0 : NEAP_EPROTO;
  struct text t = {(const char *)src, (const char *)cr};
  if (cr + 1 == src + TEXT_MAX || cr[1] != '\n' || !read_line(&t, &header))
    return NEAP_EPROTO;
  *out = header;
  return (int)(cr + 2 - src);
}

/* ---- version 2: binary */

static size_t read_16(const uint8_t *at) {
  return (size_t)at[0] << 8 | at[1];
}

/* What follows the addresses is skipped, but has to add up. */
static bool is_sound(const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    if (end - at < 3 || (size_t)(end - at) < 3 + read_16(at + 1))
      return false;
    at += 3 + read_16(at + 1);
  }
  return true;
}

static bool read_binary_addresses(neap_proxy_header *header, uint8_t kind,
                                  const uint8_t *at, size_t size) {
  static const struct {
    uint8_t kind, ip;
    uint8_t size;
    enum neap_proxy_family family;
  } forms[] = {{0x00, 0, 0, NEAP_PROXY_NONE},
               {0x11, 4, 12, NEAP_PROXY_IP4},
               {0x21, 16, 36, NEAP_PROXY_IP6},
               {0x31, 0, 216, NEAP_PROXY_UNIX}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (forms[i].kind != kind)
      continue;
    if (size < forms[i].size ||
        (kind && !is_sound(at + forms[i].size, at + size)))
      return false;
    header->family = forms[i].family;
    memcpy(header->bytes, at, forms[i].ip);
    if (forms[i].ip)
      header->port = (uint16_t)read_16(at + 2 * forms[i].ip);
    return true;
  }
  return false; /* datagrams, and what nobody knows */
}

static int read_binary(neap_proxy_header *out, const uint8_t *src, size_t len) {
  neap_proxy_header header = {.family = NEAP_PROXY_NONE};
  if (len > 12 && src[12] != 0x20 && src[12] != 0x21)
    return NEAP_EPROTO;
  if (len < FIXED)
    return 0;
  size_t size = read_16(src + 14);
  if (FIXED + size > NEAP_PROXY_MAX)
    return NEAP_EPROTO;
  if (len < FIXED + size)
    return 0;
  bool is_local = src[12] == 0x20; /* the proxy's own: a check of health */
  if (!is_local && !read_binary_addresses(&header, src[13], src + FIXED, size))
    return NEAP_EPROTO;
  *out = header;
  return (int)(FIXED + size);
}

static bool begins_with(const uint8_t *src, size_t len, const void *word,
                        size_t size) {
  return memcmp(src, word, len < size ? len : size) == 0;
}

int neap_proxy_read(neap_proxy_header *out, const uint8_t *src, size_t len) {
  if (len == 0)
    return 0;
  if (begins_with(src, len, signature, sizeof signature))
    return read_binary(out, src, len);
  if (begins_with(src, len, "PROXY ", 6))
    return read_text(out, src, len);
  return NEAP_EPROTO;
}
