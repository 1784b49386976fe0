/* proto/secret.h - compares what must not be guessed byte by byte. */

#ifndef NEAP_PROTO_SECRET_H
#define NEAP_PROTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Takes time that depends on the length of `given` alone, which whoever gave
 * it knows. */
bool neap_secret_is_same(const char *secret, size_t len, const char *given,
                         size_t given_len);

#endif
