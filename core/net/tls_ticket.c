#include "net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "net/tls_internal.h"
#include "proto/status.h"

enum { KEYS = 2, PERIOD = 8 * 3600, NAME_LEN = 16, KEY_LEN = 32 };

struct key {
  unsigned char name[NAME_LEN];
  unsigned char cipher[KEY_LEN];
  unsigned char mac[KEY_LEN];
};

/* keys[0] is the present one. */
static struct {
  pthread_mutex_t lock;
  struct key keys[KEYS];
  int count;
  time_t since;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static bool rotate(void) {
  struct key key;
  if (RAND_priv_bytes((unsigned char *)&key, sizeof key) != 1)
    return false;
  memmove(&ring.keys[1], &ring.keys[0], sizeof key * (KEYS - 1));
  ring.keys[0] = key;
  OPENSSL_cleanse(&key, sizeof key);
  if (ring.count < KEYS)
    ring.count++;
  ring.since = seconds();
  return true;
}

void neap_tls_rotate_tickets(void) {
  pthread_mutex_lock(&ring.lock);
  rotate();
  pthread_mutex_unlock(&ring.lock);
}

/* Which key, or -1; name NULL: the present one, made if it must be. */
static int take_key(struct key *out, const unsigned char *name) {
  int found = -1;
  pthread_mutex_lock(&ring.lock);
  bool is_old = ring.count == 0 || seconds() - ring.since >= PERIOD;
  if (is_old && !rotate() && ring.count == 0)
    goto unlock;
  for (int i = 0; i < ring.count && found < 0; i++)
    if (name == NULL || memcmp(ring.keys[i].name, name, NAME_LEN) == 0)
      found = i;
  if (found >= 0)
    *out = ring.keys[found];
unlock:
  pthread_mutex_unlock(&ring.lock);
  return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct key *key) {
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, KEY_LEN),
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
    OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params);
}

/* 1: go on · 2: it is good, give out a new one, as in TLS 1.3 always · 0: no
 * such key, a full handshake · -1: failure. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing) {
  struct key key;
  int which = take_key(&key, is_sealing ? NULL : name);
  if (which < 0)
    return is_sealing ? -1 : 0;
  const EVP_CIPHER *aes = EVP_aes_256_cbc();
  bool ok = set_mac(mac, &key);
  if (ok && is_sealing) {
    memcpy(name, key.name, NAME_LEN);
    ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1 &&
         EVP_EncryptInit_ex2(cipher, aes, key.cipher, iv, NULL);
  } else if (ok) {
    ok = EVP_DecryptInit_ex2(cipher, aes, key.cipher, iv, NULL);
  }
  OPENSSL_cleanse(&key, sizeof key);
  if (!ok)
    return -1;
  return which > 0 || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

int neap_tls_use_tickets(SSL_CTX *ssl) {
  return SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) ? NEAP_OK
                                                              : NEAP_ETLS;
}
