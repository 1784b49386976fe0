#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* IPv4 that comes through a socket for IPv6 is shown, and counted, as IPv4. */
static void unmap(neap_address *address) {
  static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
  if (address->family != AF_INET6 ||
      memcmp(address->bytes, prefix, sizeof prefix) != 0)
    return;
  memmove(address->bytes, address->bytes + sizeof prefix, 4);
  memset(address->bytes + 4, 0, sizeof prefix);
  address->family = AF_INET;
}

void neap_address_set(neap_address *address, int family, const uint8_t *bytes,
                      uint16_t port) {
  *address = (neap_address){.family = (uint8_t)family, .port = port};
  memcpy(address->bytes, bytes, family == AF_INET ? 4 : 16);
  unmap(address);
}

void neap_address_read(neap_address *address,
                       const struct sockaddr_storage *from) {
  *address = (neap_address){.family = (uint8_t)from->ss_family};
  if (from->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)from;
    neap_address_set(address, AF_INET, (const uint8_t *)&in->sin_addr,
                     ntohs(in->sin_port));
  } else if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)from;
    neap_address_set(address, AF_INET6, in->sin6_addr.s6_addr,
                     ntohs(in->sin6_port));
  }
}

bool neap_address_parse(neap_address *address, const char *text,
                        uint16_t port) {
  neap_address parsed = {.port = port, .family = AF_INET};
  if (inet_pton(AF_INET, text, parsed.bytes) != 1) {
    parsed.family = AF_INET6;
    if (inet_pton(AF_INET6, text, parsed.bytes) != 1)
      return false;
  }
  *address = parsed;
  return true;
}

size_t neap_address_write(const neap_address *address, char *dst, size_t size) {
  char host[INET6_ADDRSTRLEN];
  int n;
  if (address->family != AF_INET && address->family != AF_INET6) {
    n = snprintf(dst, size, "unix");
  } else if (address->port == 0) {
    inet_ntop(address->family, address->bytes, host, sizeof host);
    n = snprintf(dst, size, "%s", host);
  } else {
    const char *form = address->family == AF_INET ? "%s:%d" : "[%s]:%d";
    inet_ntop(address->family, address->bytes, host, sizeof host);
    n = snprintf(dst, size, form, host, address->port);
  }
  return (size_t)n < size ? (size_t)n : size - 1;
}
