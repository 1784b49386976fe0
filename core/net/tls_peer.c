#include "net/tls_peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

static void write_subject(X509 *cert, neap_tls_peer *peer) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio == NULL)
    return;
  unsigned long form = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
  X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, form);
  int len = BIO_read(bio, peer->subject, sizeof peer->subject - 1);
  peer->subject[len > 0 ? len : 0] = '\0';
  BIO_free(bio);
}

static void write_fingerprint(X509 *cert, neap_tls_peer *peer) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (!X509_digest(cert, EVP_sha256(), digest, &len))
    return;
  for (unsigned i = 0; i < len && 2 * i + 2 < sizeof peer->fingerprint; i++)
    snprintf(peer->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

void neap_tls_describe(const neap_tls *tls, neap_tls_peer *peer) {
  const unsigned char *alpn;
  unsigned alpn_len;
  X509 *cert = SSL_get0_peer_certificate(tls->ssl);
  SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
  *peer = (neap_tls_peer){
    .version = SSL_get_version(tls->ssl),
    .cipher = SSL_get_cipher_name(tls->ssl),
    .alpn = (const char *)alpn,
    .alpn_len = alpn_len,
    .server_name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name),
  };
  if (cert) {
    write_subject(cert, peer);
    write_fingerprint(cert, peer);
  }
  ERR_clear_error();
}
