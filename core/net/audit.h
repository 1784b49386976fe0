/* net/audit.h - does the world agree with the census?
 *
 * Three witnesses that no counter of neap's can deceive: the kernel's table of
 * descriptors, libuv's list of handles, and the allocator. */

#ifndef NEAP_NET_AUDIT_H
#define NEAP_NET_AUDIT_H

#include <stddef.h>
#include <uv.h>

#include "net/balance.h"
#include "net/loop.h"
#include "net/memory.h"

typedef struct neap_audit {
  uint64_t descriptors; /* of this loop */
  uint64_t foreign;     /* the process's other ones */
  uint64_t handles;     /* libuv's, with those that are being closed */
  neap_memory memory;
  uint64_t known; /* bytes that the census knows of */
} neap_audit;

/* Says each difference in words. own: libuv handles of the binding, which live
 * as long as the loop. NEAP_OK; NEAP_ENOMEM, NEAP_EIO (no /proc): not done. */
int neap_audit_run(neap_audit *audit, neap_loop *loop, uv_handle_t *const *own,
                   size_t count, neap_complain_fn *say, void *arg);

#endif
