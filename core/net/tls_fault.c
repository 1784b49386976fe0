#include "net/tls_fault.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

enum { TEXT_MAX = 400, NAMES_MAX = 200 };

/* A sentence about the certificate that the peer has shown. */
static const char *words_for(long result) {
  switch (result) {
    case X509_V_ERR_CERT_NOT_YET_VALID: return "is not valid yet";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "has expired";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "is self-signed, and not among those that are trusted";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "leads to an authority that is not trusted";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "has an unknown issuer: an intermediate certificate is missing, "
             "or its authority is not trusted";
    case X509_V_ERR_INVALID_PURPOSE: return "is for another purpose than this";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "has a false signature";
    case X509_V_ERR_INVALID_CA: return "is signed by one that is no authority";
    default: return NULL;
  }
}

static void append(char *dst, size_t size, const char *text, size_t len) {
  size_t at = strlen(dst);
  if (at + len + 3 >= size)
    return;
  snprintf(dst + at, size - at, "%s%.*s", at ? ", " : "", (int)len, text);
}

/* "example.org, *.example.org" */
static void write_names(X509 *cert, char *dst, size_t size) {
  GENERAL_NAMES *names =
    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  dst[0] = '\0';
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS)
      append(dst, size, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
             (size_t)ASN1_STRING_length(name->d.dNSName));
  }
  GENERAL_NAMES_free(names);
}

static void write_mismatch(SSL *ssl, char *dst, size_t size) {
  char names[NAMES_MAX];
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  X509 *cert = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
  const char *host = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0);
  if (cert)
    write_names(cert, names, sizeof names);
  snprintf(dst, size, "the certificate is not for %s%s%s",
           host ? host : "this address", cert && names[0] ? ", but for " : "",
           cert ? names : "");
}

/* Which of the certificates, when it is not the peer's own. */
static void write_verification(SSL *ssl, long result, char *dst, size_t size) {
  const char *words = words_for(result);
  if (result == X509_V_ERR_HOSTNAME_MISMATCH ||
      result == X509_V_ERR_IP_ADDRESS_MISMATCH)
    write_mismatch(ssl, dst, size);
  else if (words)
    snprintf(dst, size, "the certificate %s", words);
  else
    snprintf(dst, size, "the certificate: %s",
             X509_verify_cert_error_string(result));
}

static void write_alert(int alert, char *dst, size_t size) {
  const char *words = alert == TLS13_AD_CERTIFICATE_REQUIRED
                        ? "it asks for a certificate"
                        : SSL_alert_desc_string_long(alert);
  snprintf(dst, size, "the peer refused: %s", words);
}

static void write_error(unsigned long error, char *dst, size_t size) {
  const char *reason = ERR_reason_error_string(error);
  int code = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && code >= SSL_AD_REASON_OFFSET)
    write_alert(code - SSL_AD_REASON_OFFSET, dst, size);
  else if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
           code == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    snprintf(dst, size, "the client has shown no certificate");
  else if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
           (code == SSL_R_WRONG_VERSION_NUMBER || code == SSL_R_HTTP_REQUEST))
    snprintf(dst, size, "the peer does not speak TLS");
  else
    snprintf(dst, size, "%s", reason ? reason : "unknown failure");
}

char *neap_tls_fault(SSL *ssl) {
  char text[TEXT_MAX];
  long result = SSL_get_verify_result(ssl);
  unsigned long error = ERR_peek_error();
  bool is_verification =
    ERR_GET_LIB(error) == ERR_LIB_SSL &&
    ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  if (is_verification && result != X509_V_OK)
    write_verification(ssl, result, text, sizeof text);
  else
    write_error(error, text, sizeof text);
  ERR_clear_error();
  return strdup(text);
}
