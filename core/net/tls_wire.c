#include "net/tls_wire.h"

#include <openssl/bio.h>
#include <string.h>

static int on_read(BIO *bio, char *dst, size_t size, size_t *got) {
  neap_tls_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (wire->in_len == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  size_t n = size < wire->in_len ? size : wire->in_len;
  memcpy(dst, wire->in, n);
  wire->in += n;
  wire->in_len -= n;
  *got = n;
  return 1;
}

static int on_write(BIO *bio, const char *src, size_t len, size_t *written) {
  neap_tls_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (neap_buffer_append(&wire->out, src, len))
    return 0;
  *written = len;
  return 1;
}

static long on_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

BIO *neap_tls_wire_bio(neap_tls_wire *wire) {
  if (wire->method == NULL) {
    wire->method =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "neap loop");
    if (wire->method == NULL)
      return NULL;
    BIO_meth_set_read_ex(wire->method, on_read);
    BIO_meth_set_write_ex(wire->method, on_write);
    BIO_meth_set_ctrl(wire->method, on_control);
  }
  if (wire->bio == NULL) {
    wire->bio = BIO_new(wire->method);
    if (wire->bio == NULL)
      return NULL;
    BIO_set_data(wire->bio, wire);
    BIO_set_init(wire->bio, 1);
  }
  return BIO_up_ref(wire->bio) ? wire->bio : NULL;
}

void neap_tls_wire_release(neap_tls_wire *wire) {
  BIO_free(wire->bio);
  BIO_meth_free(wire->method);
  neap_buffer_release(&wire->out);
}
