#include "net/tls_self_signed.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

enum { SERIAL_BITS = 127, DAY = 24 * 3600 };

static bool add_extension(X509 *cert, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  bool ok = extension && X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

/* Browsers refuse one number twice from one name, so it is random. */
static bool set_serial(X509 *cert) {
  BIGNUM *number = BN_new();
  bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, 0) &&
            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
  BN_free(number);
  return ok;
}

static bool describe(X509 *cert, const char *common_name, int days) {
  X509_NAME *name = X509_get_subject_name(cert);
  return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) &&
         X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * DAY) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    (const unsigned char *)common_name, -1, -1,
                                    0) &&
         X509_set_issuer_name(cert, name);
}

static bool extend_and_sign(X509 *cert, EVP_PKEY *key, const char *names) {
  return X509_set_pubkey(cert, key) &&
         add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(cert, NID_ext_key_usage, "serverAuth") &&
         add_extension(cert, NID_subject_alt_name, names) &&
         X509_sign(cert, key, EVP_sha256());
}

static int take_text(neap_buffer *out, BIO *bio) {
  char *text;
  long len = BIO_get_mem_data(bio, &text);
  return neap_buffer_append(out, text, len > 0 ? (size_t)len : 0);
}

static int write_pem(neap_buffer *cert_pem, neap_buffer *key_pem, X509 *cert,
                     EVP_PKEY *key) {
  BIO *certs = BIO_new(BIO_s_mem()), *keys = BIO_new(BIO_s_mem());
  int err = NEAP_ENOMEM;
  if (certs && keys && PEM_write_bio_X509(certs, cert) &&
      PEM_write_bio_PrivateKey(keys, key, NULL, NULL, 0, NULL, NULL))
    err = take_text(cert_pem, certs);
  if (!err)
    err = take_text(key_pem, keys);
  BIO_free(certs);
  BIO_free(keys);
  return err;
}

int neap_tls_self_sign(neap_buffer *cert_pem, neap_buffer *key_pem,
                       const char *common_name, const char *names, int days) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  int err = NEAP_ENOMEM;
  if (key && cert)
    err = describe(cert, common_name, days) && extend_and_sign(cert, key, names)
            ? write_pem(cert_pem, key_pem, cert, key)
            : NEAP_ETLS;
  X509_free(cert);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return err;
}
