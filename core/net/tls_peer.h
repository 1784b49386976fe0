/* net/tls_peer.h - what a TLS connection has come to, and who its peer is. */

#ifndef NEAP_NET_TLS_PEER_H
#define NEAP_NET_TLS_PEER_H

#include "net/tls.h"

enum { NEAP_TLS_SUBJECT_MAX = 1024 };

/* Strings that are borrowed, until the connection ends; NULL: there is none. */
typedef struct neap_tls_peer {
  const char *version;
  const char *cipher;
  const char *alpn; /* not terminated */
  size_t alpn_len;
  const char *server_name;            /* that the client asked for */
  char subject[NEAP_TLS_SUBJECT_MAX]; /* RFC 2253; empty: no certificate */
  char fingerprint[2 * 32 + 1];       /* SHA-256, in hexadecimal digits */
} neap_tls_peer;

/* The handshake is done. */
void neap_tls_describe(const neap_tls *tls, neap_tls_peer *peer);

#endif
