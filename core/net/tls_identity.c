/* Reading certificates, keys and authorities, with what is wrong said in one
 * line that names the file. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_internal.h"
#include "proto/status.h"

static bool is_text(const char *source) {
  return strstr(source, "-----BEGIN ") != NULL;
}

static const char *name_of(const char *source) {
  return is_text(source) ? "(PEM text)" : source;
}

static int fail(char *detail, size_t size, const char *source,
                const char *text) {
  ERR_clear_error();
  snprintf(detail, size, "%s: %s", name_of(source), text);
  return NEAP_ETLS;
}

static BIO *open_source(const char *source, char *detail, size_t size) {
  errno = 0;
  BIO *bio =
    is_text(source) ? BIO_new_mem_buf(source, -1) : BIO_new_file(source, "r");
  if (bio == NULL)
    fail(detail, size, source, errno ? strerror(errno) : "out of memory");
  return bio;
}

/* Never asks on the terminal. */
static int give_passphrase(char *dst, int size, int is_writing, void *arg) {
  const char *passphrase = arg;
  (void)is_writing;
  size_t len = passphrase ? strlen(passphrase) : 0;
  if (passphrase == NULL || len > (size_t)size)
    return -1;
  memcpy(dst, passphrase, len);
  return (int)len;
}

/* The certificate, then those that lead to an authority. */
static int read_chain(SSL_CTX *ssl, BIO *bio, const char *source, char *detail,
                      size_t size) {
  X509 *cert = PEM_read_bio_X509(bio, NULL, give_passphrase, NULL);
  if (cert == NULL)
    return fail(detail, size, source, "no certificate in PEM form there");
  int ok = SSL_CTX_use_certificate(ssl, cert);
  X509_free(cert);
  if (!ok)
    return fail(detail, size, source,
                "OpenSSL refuses the certificate: its key is too short or of "
                "an unknown kind");
  while ((cert = PEM_read_bio_X509(bio, NULL, give_passphrase, NULL)) != NULL)
    if (!SSL_CTX_add0_chain_cert(ssl, cert)) {
      X509_free(cert);
      return fail(detail, size, source, "its chain cannot be used");
    }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return fail(detail, size, source, "a broken certificate in its chain");
  ERR_clear_error();
  return NEAP_OK;
}

static const char *why_no_key(const neap_tls_source *source) {
  unsigned long error = ERR_peek_error();
  while (error) {
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_PEM &&
        (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_BAD_DECRYPT))
      return source->passphrase ? "the passphrase is wrong"
                                : "the key is encrypted, and no passphrase "
                                  "was given";
    ERR_get_error();
    error = ERR_peek_error();
  }
  return source->passphrase ? "no private key in PEM form there, or the "
                              "passphrase is wrong"
                            : "no private key in PEM form there";
}

static int read_key(SSL_CTX *ssl, const neap_tls_source *source, char *detail,
                    size_t size) {
  const char *from = source->key ? source->key : source->cert;
  BIO *bio = open_source(from, detail, size);
  if (bio == NULL)
    return NEAP_ETLS;
  ERR_clear_error();
  EVP_PKEY *key = PEM_read_bio_PrivateKey(
    bio, NULL, give_passphrase, (void *)(uintptr_t)source->passphrase);
  BIO_free(bio);
  if (key == NULL)
    return fail(detail, size, from, why_no_key(source));
  int ok = X509_check_private_key(SSL_CTX_get0_certificate(ssl), key) &&
           SSL_CTX_use_PrivateKey(ssl, key);
  EVP_PKEY_free(key);
  if (ok)
    return NEAP_OK;
  ERR_clear_error();
  snprintf(detail, size, "%s: the key does not belong to the certificate in %s",
           name_of(from), name_of(source->cert));
  return NEAP_ETLS;
}

int neap_tls_use_identity(SSL_CTX *ssl, const neap_tls_source *source,
                          char *detail, size_t size) {
  BIO *bio = open_source(source->cert, detail, size);
  if (bio == NULL)
    return NEAP_ETLS;
  ERR_clear_error();
  int err = read_chain(ssl, bio, source->cert, detail, size);
  BIO_free(bio);
  return err ? err : read_key(ssl, source, detail, size);
}

/* A server tells its clients which authorities it takes. */
static int trust(SSL_CTX *ssl, X509 *cert, bool is_client) {
  if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), cert))
    return 0;
  return is_client || SSL_CTX_add_client_CA(ssl, cert);
}

int neap_tls_use_ca(SSL_CTX *ssl, const char *ca, bool is_client, char *detail,
                    size_t size) {
  if (ca == NULL) {
    if (SSL_CTX_set_default_verify_paths(ssl))
      return NEAP_OK;
    return fail(detail, size, "the system's authorities",
                "OpenSSL does not find them");
  }
  BIO *bio = open_source(ca, detail, size);
  if (bio == NULL)
    return NEAP_ETLS;
  int count = 0, ok = 1;
  X509 *cert;
  ERR_clear_error();
  while (ok && (cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
    ok = trust(ssl, cert, is_client);
    count += ok;
    X509_free(cert);
  }
  BIO_free(bio);
  ERR_clear_error();
  if (!ok || count == 0)
    return fail(detail, size, ca, "no authority's certificate in PEM form");
  return NEAP_OK;
}
