#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void neap_address_read(neap_address *address,
                       const struct sockaddr_storage *from) {
  *address = (neap_address){.family = (uint8_t)from->ss_family};
  if (from->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)from;
    memcpy(address->bytes, &in->sin_addr, 4);
    address->port = ntohs(in->sin_port);
  } else if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)from;
    memcpy(address->bytes, &in->sin6_addr, 16);
    address->port = ntohs(in->sin6_port);
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
