/* net/address.h - who is at the other end, in 19 bytes. */

#ifndef NEAP_NET_ADDRESS_H
#define NEAP_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct neap_address {
  uint8_t bytes[16]; /* IPv4: the first four */
  uint16_t port;
  uint8_t family; /* AF_INET, AF_INET6, or AF_UNIX */
} neap_address;

void neap_address_read(neap_address *address,
                       const struct sockaddr_storage *from);

/* The same of AF_INET (4 bytes) or AF_INET6 (16). */
void neap_address_set(neap_address *address, int family, const uint8_t *bytes,
                      uint16_t port);

/* Reads a numeric address; false when the text is none. */
bool neap_address_parse(neap_address *address, const char *text, uint16_t port);

/* Writes "127.0.0.1:5000", "[::1]:5000" or "unix"; returns its length.
 * Without a port it is the bare address. */
size_t neap_address_write(const neap_address *address, char *dst, size_t size);

#endif
