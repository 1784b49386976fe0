#include "proto/status.h"

const char *neap_status_name(int status) {
  const char *found = "io";
  switch (status) {
#define X(symbol, value, name, text) \
  case symbol: found = name; break;
    NEAP_STATUS_MAP(X)
#undef X
  }
  return found;
}

const char *neap_status_text(int status) {
  const char *found = "input/output error";
  switch (status) {
#define X(symbol, value, name, text) \
  case symbol: found = text; break;
    NEAP_STATUS_MAP(X)
#undef X
  }
  return found;
}
