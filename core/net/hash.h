/* net/hash.h - a keyed hash of names that peers may have chosen.
 *
 * SipHash-1-3 with a key that each process draws anew: nobody outside can make
 * names that collide. All threads get the same hash for a name. */

#ifndef NEAP_NET_HASH_H
#define NEAP_NET_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t neap_hash(const void *bytes, size_t len);

/* Spreads an address, or a hash, over a table. */
static inline uint64_t neap_hash_mix(uint64_t n) {
  n ^= n >> 32;
  n *= 0x9E3779B97F4A7C15u;
  return n ^ n >> 29;
}

#endif
