/* proto/close_code.h - the close codes of RFC 6455, section 7.4. */

#ifndef NEAP_PROTO_CLOSE_CODE_H
#define NEAP_PROTO_CLOSE_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum neap_close_code {
  NEAP_CLOSE_NORMAL = 1000,
  NEAP_CLOSE_GOING_AWAY = 1001,
  NEAP_CLOSE_PROTOCOL = 1002,
  NEAP_CLOSE_UNSUPPORTED = 1003,
  NEAP_CLOSE_NO_CODE = 1005,  /* never on the wire: the Close had no code */
  NEAP_CLOSE_ABNORMAL = 1006, /* never on the wire: there was no Close */
  NEAP_CLOSE_BAD_DATA = 1007,
  NEAP_CLOSE_POLICY = 1008,
  NEAP_CLOSE_TOO_BIG = 1009,
  NEAP_CLOSE_INTERNAL = 1011,
  NEAP_CLOSE_RESTART = 1012,
  NEAP_CLOSE_TRY_LATER = 1013,
};

enum { NEAP_CLOSE_REASON_MAX = 123 };

/* Whether a Close frame may carry the code, in either direction. */
bool neap_close_code_is_valid(unsigned code);

#endif
