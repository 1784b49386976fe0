/* net/admission.h - who may come in: so many connections of the process, of one
 * address, and in one second.
 *
 * The counts are of the process, and exact: what is taken is given back once. An
 * address is remembered only while it has connections. An IPv6 address counts
 * with its /64, which is what one customer gets. */

#ifndef NEAP_NET_ADMISSION_H
#define NEAP_NET_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

/* One more, unless limit are here already; whoever is let in leaves once. */
bool neap_admission_enter(size_t limit);
void neap_admission_leave(void);

/* How many more may begin now, of so many in a second, of a listener. */
typedef struct neap_pace {
  double left;
  uint64_t at; /* loop milliseconds; 0: not begun */
} neap_pace;

bool neap_pace_take(neap_pace *pace, uint32_t per_second, uint64_t now);

/* One more of that address; false: over most (at least 1), or no memory. Unix
 * sockets have none: they always may, and count nowhere. */
bool neap_admission_enter_from(const neap_address *address, uint32_t most);
void neap_admission_leave_from(const neap_address *address);

/* Raises the soft limit of descriptors to the hard one; returns how many this
 * process may have now. */
uint64_t neap_raise_descriptors(void);

#endif
