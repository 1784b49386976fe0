#include "proto/status.h"

const char *neap_status_name(int status) {
  switch (status) {
#define X(symbol, value, name, text) \
  case symbol: return name;
    NEAP_STATUS_MAP(X)
#undef X
  }
  return "io";
}

const char *neap_status_text(int status) {
  switch (status) {
#define X(symbol, value, name, text) \
  case symbol: return text;
    NEAP_STATUS_MAP(X)
#undef X
  }
  return "input/output error";
}
