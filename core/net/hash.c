#include "net/hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

static uv_once_t once = UV_ONCE_INIT;
static uint64_t secret[2]; /* written once, before anybody reads it */

static void draw_secret(void) {
  if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
    secret[0] = (uint64_t)time(NULL); /* without a kernel's help: the clock */
}

struct state {
  uint64_t a, b, c, d;
};

static inline uint64_t rotate(uint64_t n, int by) {
  return n << by | n >> (64 - by);
}

static inline void stir(struct state *s) {
  s->a += s->b;
  s->b = rotate(s->b, 13) ^ s->a;
  s->a = rotate(s->a, 32);
  s->c += s->d;
  s->d = rotate(s->d, 16) ^ s->c;
  s->a += s->d;
  s->d = rotate(s->d, 21) ^ s->a;
  s->c += s->b;
  s->b = rotate(s->b, 17) ^ s->c;
  s->c = rotate(s->c, 32);
}

static inline void take(struct state *s, uint64_t word) {
  s->d ^= word;
  stir(s);
  s->a ^= word;
}

uint64_t neap_hash(const void *bytes, size_t len) {
  const uint8_t *at = bytes;
  uint64_t word;
  uv_once(&once, draw_secret);
  struct state s = {
    secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
    secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
  size_t left = len;
  for (; left >= 8; left -= 8, at += 8) {
    memcpy(&word, at, 8);
    take(&s, word);
  }
  word = 0;
  if (left)
    memcpy(&word, at, left);
  take(&s, word | (uint64_t)len << 56);
  s.c ^= 0xff;
  for (int i = 0; i < 3; i++)
    stir(&s);
  return s.a ^ s.b ^ s.c ^ s.d;
}
