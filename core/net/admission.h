/* net/admission.h - how many connections this process has, and may have.
 *
 * One counter for all workers. Limits are of those who ask. */

#ifndef NEAP_NET_ADMISSION_H
#define NEAP_NET_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One more, unless limit are here already; whoever is let in leaves once. */
bool neap_admission_enter(size_t limit);
void neap_admission_leave(void);

/* Raises the soft limit of descriptors to the hard one; returns how many this
 * process may have now. */
uint64_t neap_raise_descriptors(void);

#endif
