#include "net/tls_way.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <string.h>

/* HKDF-Expand-Label without context, of one block of the digest at most. */
static bool expand(const neap_tls_way *way, const char *label, uint8_t *dst,
                   size_t len) {
  static const char prefix[] = "tls13 ";
  uint8_t info[32] = {0, (uint8_t)len}, block[EVP_MAX_MD_SIZE];
  size_t prefix_len = sizeof prefix - 1, label_len = strlen(label);
  size_t size = 3 + prefix_len + label_len;
  info[2] = (uint8_t)(prefix_len + label_len);
  memcpy(info + 3, prefix, prefix_len);
  memcpy(info + 3 + prefix_len, label, label_len);
  info[size++] = 0; /* the length of the context */
  info[size++] = 1; /* the number of the block */
  if (!HMAC(way->digest, way->secret, way->secret_len, info, size, block, NULL))
    return false;
  memcpy(dst, block, len);
  OPENSSL_cleanse(block, sizeof block);
  return true;
}

/* cipher NULL: the one that it has. */
static bool set_key(neap_tls_way *way, const EVP_CIPHER *cipher,
                    int is_sealing) {
  uint8_t key[EVP_MAX_KEY_LENGTH];
  int len = cipher ? EVP_CIPHER_get_key_length(cipher)
                   : EVP_CIPHER_CTX_get_key_length(way->cipher);
  bool ok = expand(way, "key", key, (size_t)len) &&
            expand(way, "iv", way->nonce, sizeof way->nonce) &&
            EVP_CipherInit_ex(way->cipher, cipher, NULL, key, NULL, is_sealing);
  OPENSSL_cleanse(key, sizeof key);
  return ok;
}

bool neap_tls_way_start(neap_tls_way *way, const EVP_CIPHER *cipher,
                        const EVP_MD *digest, bool is_sealing) {
  way->digest = digest;
  way->cipher = EVP_CIPHER_CTX_new();
  return way->cipher && set_key(way, cipher, is_sealing);
}

void neap_tls_way_release(neap_tls_way *way) {
  EVP_CIPHER_CTX_free(way->cipher);
  OPENSSL_cleanse(way, sizeof *way);
}

bool neap_tls_way_update(neap_tls_way *way) {
  uint8_t secret[NEAP_TLS_SECRET_MAX];
  bool ok = expand(way, "traffic upd", secret, way->secret_len);
  if (ok)
    memcpy(way->secret, secret, way->secret_len);
  OPENSSL_cleanse(secret, sizeof secret);
  way->sequence = 0;
  return ok && set_key(way, NULL, -1);
}

/* Begins the next record: its number and the header are part of what is
 * authenticated. */
static bool begin(neap_tls_way *way, const uint8_t *header) {
  uint8_t nonce[NEAP_TLS_NONCE];
  int n;
  memcpy(nonce, way->nonce, sizeof nonce);
  for (int i = 0; i < 8; i++)
    nonce[NEAP_TLS_NONCE - 1 - i] ^= (uint8_t)(way->sequence >> 8 * i);
  way->sequence++;
  return EVP_CipherInit_ex(way->cipher, NULL, NULL, NULL, nonce, -1) &&
         EVP_CipherUpdate(way->cipher, NULL, &n, header, NEAP_TLS_HEADER);
}

static bool apply(neap_tls_way *way, uint8_t *dst, const uint8_t *src,
                  size_t len) {
  int n;
  return EVP_CipherUpdate(way->cipher, dst, &n, src, (int)len) &&
         EVP_CipherFinal_ex(way->cipher, dst + len, &n);
}

bool neap_tls_way_seal(neap_tls_way *way, uint8_t *record, size_t len,
                       uint8_t type) {
  uint8_t *content = record + NEAP_TLS_HEADER, *tag = content + len + 1;
  size_t size = len + 1 + NEAP_TLS_TAG;
  record[0] = SSL3_RT_APPLICATION_DATA;
  record[1] = TLS1_2_VERSION_MAJOR;
  record[2] = TLS1_2_VERSION_MINOR;
  record[3] = (uint8_t)(size >> 8);
  record[4] = (uint8_t)size;
  content[len] = type;
  return begin(way, record) && apply(way, content, content, len + 1) &&
         EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_GET_TAG, NEAP_TLS_TAG,
                             tag);
}

int neap_tls_way_open(neap_tls_way *way, uint8_t *record, size_t len,
                      uint8_t *dst, uint8_t *type) {
  size_t inner = len - NEAP_TLS_HEADER - NEAP_TLS_TAG;
  if (!begin(way, record) ||
      !EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_SET_TAG, NEAP_TLS_TAG,
                           record + len - NEAP_TLS_TAG) ||
      !apply(way, dst, record + NEAP_TLS_HEADER, inner))
    return -SSL_AD_BAD_RECORD_MAC;
  while (inner > 0 && dst[inner - 1] == 0) /* padding */
    inner--;
  if (inner == 0)
    return -SSL_AD_UNEXPECTED_MESSAGE;
  *type = dst[--inner];
  return (int)inner;
}
