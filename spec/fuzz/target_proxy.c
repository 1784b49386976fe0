/* What a proxy says of its client (PROXY protocol): any start of a header tells
 * nothing, or what the whole tells. */

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/proxy_header.h"
#include "proto/status.h"

static int read(neap_proxy_header *header, const uint8_t *src, size_t len) {
  uint8_t *copy = fuzz_copy(src, len);
  memset(header, 0, sizeof *header);
  int used = neap_proxy_read(header, copy, len);
  FUZZ_CHECK(used == NEAP_EPROTO || used >= 0);
  FUZZ_CHECK(used <= (int)len && used <= NEAP_PROXY_MAX);
  FUZZ_CHECK(used != 0 || len < NEAP_PROXY_MAX);
  FUZZ_CHECK(used <= 0 || header->family <= NEAP_PROXY_UNIX);
  free(copy);
  return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  neap_proxy_header whole, start;
  int used = read(&whole, data, size);
  size_t step = size < 300 ? 1 : size / 100;
  for (size_t at = 0; at < size; at += step) {
    int got = read(&start, data, at);
    FUZZ_CHECK(got == 0 || got == used);
    FUZZ_CHECK(got <= 0 || memcmp(&start, &whole, sizeof start) == 0);
    FUZZ_CHECK(used <= 0 || (int)at < used || got == used);
  }
  return 0;
}
