/* llhttp_oracle - what llhttp reads in request heads, to compare with.
 *
 * stdin holds heads, each behind its length in 4 bytes, most significant first.
 * For each, stdout gets a count in the same form, 0 when llhttp refuses, and
 * that many strings, each behind its length: method, target, version ("1.1"),
 * then name and value of every field. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "llhttp_record.h"

static int read_number(uint32_t *number) {
  uint8_t bytes[4];
  if (fread(bytes, 1, 4, stdin) != 4)
    return 0;
  *number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
            (uint32_t)bytes[2] << 8 | bytes[3];
  return 1;
}

static void write_number(uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8)
    putchar((int)(number >> shift & 0xFF));
}

static void write_record(const llhttp_record *r) {
  uint32_t count = r->is_whole ? r->last : 0;
  write_number(count);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t start = llhttp_record_start(r, i);
    write_number(r->ends[i] - start);
    fwrite(r->text + start, 1, r->ends[i] - start, stdout);
  }
}

int main(void) {
  static llhttp_record r;
  static char head[LLHTTP_TEXT_MAX];
  uint32_t len;

  while (read_number(&len)) {
    if (len > sizeof head || fread(head, 1, len, stdin) != len)
      return EXIT_FAILURE;
    llhttp_record_read(&r, HTTP_REQUEST, 0, head, len);
    write_record(&r);
  }
  return EXIT_SUCCESS;
}
