/* proto/deflate_offer.h - what two peers agree on about permessage-deflate
 * (RFC 7692, section 7.1), for both roles.
 *
 * Pure: no allocation, no state. */

#ifndef NEAP_PROTO_DEFLATE_OFFER_H
#define NEAP_PROTO_DEFLATE_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/http.h"

/* What one side is willing to do. */
typedef struct neap_deflate_wish {
  bool takeover;    /* contexts go on from message to message */
  bool sends_alone; /* but not ours: what is sent may be dropped later */
  uint8_t window;   /* bits of either window, 9 to 15 */
} neap_deflate_wish;

/* What holds for a connection, seen from our side. */
typedef struct neap_deflate_terms {
  uint8_t send_bits; /* 8 to 15 */
  uint8_t receive_bits;
  bool send_takeover;
  bool receive_takeover;
} neap_deflate_terms;

enum { NEAP_DEFLATE_HEADER_MAX = 192 };

/* Server: whether the header, or its absence, is well-formed. */
bool neap_deflate_is_well_formed(const neap_http_head *head, const char *src);

/* Server: 1 with the terms and a whole header line that answers the first offer
 * that can be met, 0 when there is none, NEAP_EPROTO when it is malformed. */
int neap_deflate_accept(const neap_http_head *head, const char *src,
                        const neap_deflate_wish *wish,
                        neap_deflate_terms *terms,
                        char line[NEAP_DEFLATE_HEADER_MAX]);

/* Client: writes the header line that offers; returns its length. */
size_t neap_deflate_offer(const neap_deflate_wish *wish,
                          char line[NEAP_DEFLATE_HEADER_MAX]);

/* Client: 1 with the terms that the server chose, 0 when it chose none, or
 * NEAP_EPROTO with head->error set. wish is what was offered, NULL for
 * nothing. */
int neap_deflate_check_answer(neap_http_head *head, const char *src,
                              const neap_deflate_wish *wish,
                              neap_deflate_terms *terms);

#endif
