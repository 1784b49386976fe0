/* The parts of a URL that become a request: a host, a zero byte, a target. What
 * is written is read again as the same, or nothing is written. */

#include <stdlib.h>
#include <string.h>

#include "heads.h"
#include "proto/handshake.h"

static bool is_host(const neap_http_head *head, const char *src,
                    const char *host) {
  int i = neap_http_find(head, src, "host", 4, 0);
  return i >= 0 && heads_is(src, head->fields[i].value, host, strlen(host));
}

static void check_request(const neap_buffer *out, const char *host,
                          const char *target) {
  neap_http_head head;
  const char *src = (const char *)out->data;
  int used = neap_http_read_request(&head, src, out->len, UINT16_MAX);
  if (strlen(target) > NEAP_HTTP_LINE_MAX / 2 || strlen(host) > 4096)
    return; /* may be too long for a server */
  FUZZ_CHECK(used == (int)out->len);
  FUZZ_CHECK(heads_is(src, head.target, target, strlen(target)));
  FUZZ_CHECK(is_host(&head, src, host));
  FUZZ_CHECK(neap_handshake_check(&head, src, NULL) == NEAP_OK);
}

/* The same host in a target of the absolute form. */
static void check_absolute(const char *host) {
  neap_http_head head;
  neap_buffer out = {0};
  FUZZ_CHECK(strpbrk(host, "/?#@\\ \r\n\t") == NULL);
  if (strlen(host) < 200) {
    fuzz_note(&out, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", host, host);
    FUZZ_CHECK(neap_http_read_request(&head, (char *)out.data, out.len, 2048) >
               0);
  }
  neap_buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
  const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
  if (zero == NULL || memchr(zero + 1, 0, (size_t)(data + size - zero - 1)))
    return -1;
  char *host = (char *)fuzz_copy(data, (size_t)(zero - data) + 1);
  fuzz_input rest = {zero, (size_t)(data + size - zero)};
  fuzz_byte(&rest);
  char *target = malloc(rest.len + 1);
  memcpy(target, rest.at, rest.len);
  target[rest.len] = '\0';

  neap_buffer out = {0};
  int err = neap_handshake_write_request(&out, host, target, key, "", 0);
  FUZZ_CHECK(err == NEAP_OK || (err == NEAP_EPROTO && out.len == 0));
  if (!err)
    check_request(&out, host, target);
  if (neap_http_is_authority(host, strlen(host)))
    check_absolute(host);
  neap_buffer_release(&out);
  free(host);
  free(target);
  return 0;
}
