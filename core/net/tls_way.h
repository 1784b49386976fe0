/* net/tls_way.h - one direction of TLS 1.3 after its handshake: its keys, and
 * records sealed and opened with them (RFC 8446, 5.2 and 7.3).
 *
 * Memory to memory. The ciphers and the HMAC are OpenSSL's. */

#ifndef NEAP_NET_TLS_WAY_H
#define NEAP_NET_TLS_WAY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PLAIN: the most content that a record carries. OVERHEAD: what it has besides,
 * when it is not padded: the header, the content's type, the tag. */
enum {
  NEAP_TLS_HEADER = 5,
  NEAP_TLS_TAG = 16,
  NEAP_TLS_PLAIN = 16384,
  NEAP_TLS_OVERHEAD = NEAP_TLS_HEADER + 1 + NEAP_TLS_TAG,
  NEAP_TLS_NONCE = 12,
  NEAP_TLS_SECRET_MAX = 48,
};

/* secret is set before it starts. */
typedef struct neap_tls_way {
  EVP_CIPHER_CTX *cipher;
  const EVP_MD *digest;
  uint64_t sequence; /* of the next record */
  uint8_t secret[NEAP_TLS_SECRET_MAX];
  uint8_t secret_len;
  uint8_t nonce[NEAP_TLS_NONCE];
} neap_tls_way;

bool neap_tls_way_start(neap_tls_way *way, const EVP_CIPHER *cipher,
                        const EVP_MD *digest, bool is_sealing);
void neap_tls_way_release(neap_tls_way *way);

/* Goes on to the next secret, and the keys that follow from it. */
bool neap_tls_way_update(neap_tls_way *way);

/* Makes a record of the len bytes behind the place of its header; there is
 * NEAP_TLS_OVERHEAD room beside them. */
bool neap_tls_way_seal(neap_tls_way *way, uint8_t *record, size_t len,
                       uint8_t type);

/* Decrypts a whole record to dst, which is where its content lies or no part
 * of it. Returns how much that is, and its type, one of SSL3_RT_; or the alert
 * that it deserves, as a negative number. len is what the header says, and at
 * least that of an empty record. */
int neap_tls_way_open(neap_tls_way *way, uint8_t *record, size_t len,
                      uint8_t *dst, uint8_t *type);

#endif
