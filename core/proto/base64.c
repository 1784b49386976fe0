#include "proto/base64.h"

#include "proto/status.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789+/";

void neap_base64_encode(char *dst, const uint8_t *src, size_t len) {
  for (; len >= 3; src += 3, len -= 3) {
    *dst++ = letters[src[0] >> 2];
    *dst++ = letters[(src[0] & 0x03) << 4 | src[1] >> 4];
    *dst++ = letters[(src[1] & 0x0F) << 2 | src[2] >> 6];
    *dst++ = letters[src[2] & 0x3F];
  }
  if (len == 0)
    return;
  uint8_t second = len == 2 ? src[1] : 0;
  *dst++ = letters[src[0] >> 2];
  *dst++ = letters[(src[0] & 0x03) << 4 | second >> 4];
  *dst++ = len == 2 ? letters[(second & 0x0F) << 2] : '=';
  *dst = '=';
}

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Characters of the last four that are not padding: 2, 3 or 4. */
static int unpadded(const char *quad) {
  return quad[3] != '=' ? 4 : quad[2] != '=' ? 3 : 2;
}

/* Bytes written, or NEAP_EPROTO. */
static int decode_quad(uint8_t *dst, const char *quad, int used) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) {
    int value = i < used ? value_of(quad[i]) : 0;
    if (value < 0)
      return NEAP_EPROTO;
    bits = bits << 6 | (uint32_t)value;
  }
  uint32_t unused = used == 2 ? 0xFFFF : used == 3 ? 0xFF : 0;
  if (bits & unused)
    return NEAP_EPROTO;
  for (int i = 0; i < used - 1; i++)
    dst[i] = (uint8_t)(bits >> (16 - 8 * i));
  return used - 1;
}

int neap_base64_decode(uint8_t *dst, const char *src, size_t len) {
  int total = 0;
  if (len % 4 != 0)
    return NEAP_EPROTO;
  for (size_t at = 0; at < len; at += 4) {
    int used = at + 4 == len ? unpadded(src + at) : 4;
    int got = decode_quad(dst + total, src + at, used);
    if (got < 0)
      return got;
    total += got;
  }
  return total;
}
