/* proto/status.h - every result code, in one list.
 *
 * Functions that can fail return an int: NEAP_OK, or a negative code. The
 * enum, the short name that a script sees and the sentence that it prints all
 * come from this list; the names are the closed list of the public contract. */

#ifndef NEAP_PROTO_STATUS_H
#define NEAP_PROTO_STATUS_H

#define NEAP_STATUS_MAP(X)                                        \
  X(NEAP_OK, 0, "ok", "success")                                  \
  X(NEAP_ENOMEM, -1, "limit", "out of memory")                    \
  X(NEAP_ECLOSED, -2, "closed", "the handle is closed")           \
  X(NEAP_ETIMEOUT, -3, "timeout", "timed out")                    \
  X(NEAP_EBUSY, -4, "busy", "in use already")                     \
  X(NEAP_EOVERFLOW, -5, "overflow", "the send queue is full")     \
  X(NEAP_ETOOBIG, -6, "too_big", "the message is over the limit") \
  X(NEAP_EPROTO, -7, "protocol", "protocol violation")            \
  X(NEAP_EREFUSED, -8, "refused", "refused")                      \
  X(NEAP_ETLS, -9, "tls", "TLS failure")                          \
  X(NEAP_ECANCELLED, -10, "cancelled", "cancelled")               \
  X(NEAP_ELIMIT, -11, "limit", "over a limit")                    \
  X(NEAP_EDRAINING, -12, "draining", "the server is draining")    \
  X(NEAP_EIO, -13, "io", "input/output error")

enum neap_status {
#define X(symbol, value, name, text) symbol = value,
  NEAP_STATUS_MAP(X)
#undef X
};

/* Return a static string; "io" and its sentence for a code not in the list. */
const char *neap_status_name(int status);
const char *neap_status_text(int status);

#endif
