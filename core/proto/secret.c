#include "proto/secret.h"

/* What the compiler can't see through it can't cut short. */
static unsigned char load(const volatile char *at) {
  return (unsigned char)*at;
}

bool neap_secret_is_same(const char *secret, size_t len, const char *given,
                         size_t given_len) {
  static const char nothing[1] = "";
  volatile size_t differs = len ^ given_len;
  size_t at = 0;
  if (len == 0) {
    secret = nothing;
    len = 1;
  }
  for (size_t i = 0; i < given_len; i++) {
    differs |= (size_t)(load(secret + at) ^ load(given + i));
    at = at + 1 == len ? 0 : at + 1;
  }
  return differs == 0;
}
