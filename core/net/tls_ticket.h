/* net/tls_ticket.h - the keys that seal session tickets, one ring for the
 * process: a client may come back to another listener's thread, or after the
 * certificates were loaded again. Any thread may call these. */

#ifndef NEAP_NET_TLS_TICKET_H
#define NEAP_NET_TLS_TICKET_H

/* A new key now, rather than when the present one is old. A ticket is good
 * while its key is the present one or the one before. */
void neap_tls_rotate_tickets(void);

#endif
