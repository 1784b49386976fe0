/* The opening handshake: a request that passes is answered, and the client that
 * sent it takes the answer. */

#include <stdlib.h>

#include "heads.h"
#include "proto/handshake.h"

static void answer(const neap_http_head *head, const char *src,
                   const char *accept, fuzz_input protocol) {
  neap_http_head reply;
  neap_buffer out = {0};
  int key = neap_http_find(head, src, "sec-websocket-key", 17, 0);
  FUZZ_CHECK(key >= 0 && head->fields[key].value.len == NEAP_KEY_LEN);
  const char *name = protocol.len ? (const char *)protocol.at : NULL;
  int err =
    neap_handshake_write_answer(&out, accept, name, protocol.len, "", "", 0);
  FUZZ_CHECK(err == NEAP_OK || (err == NEAP_EPROTO && out.len == 0));
  if (!err) {
    const char *text = (const char *)out.data;
    int used = neap_http_read_response(&reply, text, out.len, UINT16_MAX);
    FUZZ_CHECK(used == (int)out.len || out.len > NEAP_HTTP_LINE_MAX);
    if (used > 0)
      FUZZ_CHECK(neap_handshake_check_answer(
                   &reply, text, src + head->fields[key].value.at) == NEAP_OK);
  }
  neap_buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  char accept[NEAP_ACCEPT_LEN];
  neap_http_head head;
  fuzz_input protocol = fuzz_take(&in, fuzz_byte(&in) % 8);
  char *src = (char *)fuzz_copy(in.at, in.len);
  int used = neap_http_read_request(&head, src, in.len, 8192);
  if (used > 0) {
    bool is_upgrade = neap_handshake_is_upgrade(&head, src);
    if (neap_handshake_check(&head, src, accept) == NEAP_OK) {
      FUZZ_CHECK(is_upgrade && head.error == NULL);
      answer(&head, src, accept, protocol);
    } else {
      FUZZ_CHECK(head.error != NULL && head.status >= 400);
    }
  }
  free(src);
  return 0;
}
