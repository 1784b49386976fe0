/* net/notify.h - one datagram to the supervisor that started the process.
 *
 * It never waits: a supervisor that does not read is no reason to stand still. */

#ifndef NEAP_NET_NOTIFY_H
#define NEAP_NET_NOTIFY_H

#include <stddef.h>

/* path is that of its socket, or "@name". NEAP_OK or NEAP_EIO. */
int neap_notify(const char *path, const char *text, size_t len);

#endif
