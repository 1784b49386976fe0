/* net/tls_peer.h - what a TLS connection has come to, and who its peer is. */

#ifndef NEAP_NET_TLS_PEER_H
#define NEAP_NET_TLS_PEER_H

#include "net/tls.h"

enum { NEAP_TLS_SUBJECT_MAX = 1024 };

/* Who has shown a certificate, if anyone has. */
typedef struct neap_tls_peer {
  char subject[NEAP_TLS_SUBJECT_MAX]; /* RFC 2253; empty: no certificate */
  char fingerprint[2 * 32 + 1];       /* SHA-256, in hexadecimal digits */
} neap_tls_peer;

/* Keeps what there is to know of a handshake that is done; false: no memory. */
bool neap_tls_note_facts(neap_tls *tls);
void neap_tls_facts_release(neap_tls_facts *facts);

void neap_tls_describe(const neap_tls_facts *facts, neap_tls_peer *peer);

#endif
