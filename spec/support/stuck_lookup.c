/* Preloaded: a name server that does not answer, for two minutes. */

#include <netdb.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **found) {
  (void)node;
  (void)service;
  (void)hints;
  (void)found;
  sleep(120);
  return EAI_AGAIN;
}
