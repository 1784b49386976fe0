/* fuzz/heads.h - what holds for any head, of a request or of a response. */

#ifndef NEAP_FUZZ_HEADS_H
#define NEAP_FUZZ_HEADS_H

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/http.h"
#include "proto/status.h"
#ifdef HAS_LLHTTP
#include "llhttp_record.h"
#endif

enum { HEADS_LIMIT = 2048 };

typedef int heads_read(neap_http_head *head, const char *src, size_t len);

/* Reads it whole, then each start of it that a peer could have sent first. What
 * is read of a start is 0, or what is read of the whole. */
int heads_check(neap_http_head *head, const char *src, size_t len,
                heads_read *read);

/* Whether the span lies in what was read, and is that text. */
bool heads_is(const char *src, neap_http_span span, const char *text,
              size_t len);

#ifdef HAS_LLHTTP
bool heads_string_is(const llhttp_record *r, uint32_t i, const char *src,
                     neap_http_span span);

/* From that string on: the names and values, and no others. */
void heads_compare_fields(const llhttp_record *r, uint32_t from,
                          const neap_http_head *head, const char *src);
#endif

#endif
