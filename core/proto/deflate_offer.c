#include "proto/deflate_offer.h"

#include <stdio.h>

#include "proto/extension.h"
#include "proto/status.h"

enum { BITS_MIN = 8, BITS_MAX = 15 };

/* The four parameters as one offer or answer has them. */
struct params {
  bool server_alone; /* server_no_context_takeover */
  bool client_alone;
  bool has_server_bits; /* server_max_window_bits */
  bool has_client_bits;
  uint8_t server_bits; /* 0: without a value */
  uint8_t client_bits;
  bool is_wrong; /* unknown, repeated, or with a bad value */
};

static const char extension_name[] = "permessage-deflate";

/* 8 to 15, without a leading zero (section 7.1.2.1); 0 for anything else. */
static uint8_t read_bits(const neap_extension *param) {
  const char *value = param->value;
  if (param->value_len == 1 && (value[0] == '8' || value[0] == '9'))
    return (uint8_t)(value[0] - '0');
  if (param->value_len == 2 && value[0] == '1' && value[1] >= '0' &&
      value[1] <= '5')
    return (uint8_t)(10 + value[1] - '0');
  return 0;
}

/* Each may stand there once. */
static void set_flag(struct params *params, bool *flag,
                     const neap_extension *param) {
  params->is_wrong |= *flag || param->has_value;
  *flag = true;
}

static void set_bits(struct params *params, bool *flag, uint8_t *bits,
                     const neap_extension *param, bool needs_value) {
  uint8_t value = param->has_value ? read_bits(param) : 0;
  params->is_wrong |=
    *flag || (value == 0 && (param->has_value || needs_value));
  *flag = true;
  *bits = value;
}

/* In an answer client_max_window_bits has a value, in an offer it need not. */
static void add_param(struct params *params, const neap_extension *param,
                      bool is_answer) {
  if (neap_extension_is(param, "server_no_context_takeover"))
    set_flag(params, &params->server_alone, param);
  else if (neap_extension_is(param, "client_no_context_takeover"))
    set_flag(params, &params->client_alone, param);
  else if (neap_extension_is(param, "server_max_window_bits"))
    set_bits(params, &params->has_server_bits, &params->server_bits, param,
             true);
  else if (neap_extension_is(param, "client_max_window_bits"))
    set_bits(params, &params->has_client_bits, &params->client_bits, param,
             is_answer);
  else
    params->is_wrong = true;
}

static uint8_t least(uint8_t a, uint8_t b) {
  return a < b ? a : b;
}

static size_t write_bits(char *line, size_t at, const char *name, bool named,
                         uint8_t bits) {
  if (!named)
    return at;
  return at + (size_t)snprintf(line + at, NEAP_DEFLATE_HEADER_MAX - at,
                               bits ? "; %s=%d" : "; %s", name, bits);
}

static size_t write_line(const struct params *params, char *line) {
  size_t at = (size_t)snprintf(
    line, NEAP_DEFLATE_HEADER_MAX, "Sec-WebSocket-Extensions: %s%s%s",
    extension_name, params->server_alone ? "; server_no_context_takeover" : "",
    params->client_alone ? "; client_no_context_takeover" : "");
  at = write_bits(line, at, "server_max_window_bits", params->has_server_bits,
                  params->server_bits);
  at = write_bits(line, at, "client_max_window_bits", params->has_client_bits,
                  params->client_bits);
  return at + (size_t)snprintf(line + at, NEAP_DEFLATE_HEADER_MAX - at, "\r\n");
}

/* -- server -------------------------------------------------------------- */

/* Every valid offer can be met: whatever it asks of us we can do, and what we
 * wish of the client is asked for where it said that it understands. */
static void meet(const struct params *offer, const neap_deflate_wish *wish,
                 neap_deflate_terms *terms, char *line) {
  uint8_t window = wish->window;
  struct params answer = {
    .server_alone = offer->server_alone || !wish->takeover || wish->sends_alone,
    .client_alone = offer->client_alone || !wish->takeover,
    .has_server_bits = offer->has_server_bits || window < BITS_MAX,
    .has_client_bits =
      offer->has_client_bits && (offer->client_bits || window < BITS_MAX),
  };
  answer.server_bits =
    offer->has_server_bits ? least(offer->server_bits, window) : window;
  answer.client_bits =
    offer->client_bits ? least(offer->client_bits, window) : window;
  *terms = (neap_deflate_terms){
    .send_bits = answer.server_bits,
    .receive_bits = answer.has_client_bits ? answer.client_bits : BITS_MAX,
    .send_takeover = !answer.server_alone,
    .receive_takeover = !answer.client_alone,
  };
  write_line(&answer, line);
}

/* Reads the parameters of the extension that item names, and goes on to what
 * follows them: its kind in *kind. NEAP_OK or NEAP_EPROTO. */
static int read_offer(neap_extensions *reader, neap_extension *item, int *kind,
                      struct params *params, bool is_answer) {
  bool is_ours = neap_extension_is(item, extension_name);
  *params = (struct params){.is_wrong = !is_ours};
  while ((*kind = neap_extensions_next(reader, item)) == NEAP_EXTENSION_PARAM)
    add_param(params, item, is_answer);
  return *kind < 0 ? *kind : NEAP_OK;
}

/* What follows the offer that is taken is read too: it may be malformed. */
int neap_deflate_accept(const neap_http_head *head, const char *src,
                        const neap_deflate_wish *wish,
                        neap_deflate_terms *terms,
                        char line[NEAP_DEFLATE_HEADER_MAX]) {
  neap_extensions reader;
  neap_extension item;
  struct params offer, taken = {.is_wrong = true};
  neap_extensions_init(&reader, head, src);
  int kind = neap_extensions_next(&reader, &item);
  while (kind > 0) {
    if (read_offer(&reader, &item, &kind, &offer, false))
      return NEAP_EPROTO;
    if (taken.is_wrong)
      taken = offer;
  }
  if (kind < 0)
    return kind;
  if (taken.is_wrong)
    return 0;
  meet(&taken, wish, terms, line);
  return 1;
}

bool neap_deflate_is_well_formed(const neap_http_head *head, const char *src) {
  neap_extensions reader;
  neap_extension item;
  int kind;
  neap_extensions_init(&reader, head, src);
  while ((kind = neap_extensions_next(&reader, &item)) > 0)
    ;
  return kind == NEAP_EXTENSION_END;
}

/* -- client -------------------------------------------------------------- */

static struct params make_offer(const neap_deflate_wish *wish) {
  bool is_small = wish->window < BITS_MAX;
  return (struct params){
    .server_alone = !wish->takeover,
    .client_alone = !wish->takeover || wish->sends_alone,
    .has_server_bits = is_small,
    .has_client_bits = true,
    .server_bits = wish->window,
    .client_bits = is_small ? wish->window : 0,
  };
}

size_t neap_deflate_offer(const neap_deflate_wish *wish,
                          char line[NEAP_DEFLATE_HEADER_MAX]) {
  struct params offer = make_offer(wish);
  return write_line(&offer, line);
}

/* Whether an answer keeps to the offer, and says what it must. */
static const char *find_fault(const struct params *offer,
                              const struct params *answer) {
  if (answer->is_wrong)
    return "The answer's permessage-deflate has a parameter that is wrong.";
  if (offer->server_alone && !answer->server_alone)
    return "The server did not agree to server_no_context_takeover.";
  if (offer->has_server_bits &&
      (!answer->has_server_bits || answer->server_bits > offer->server_bits))
    return "The server did not agree to server_max_window_bits.";
  if (offer->client_bits && answer->client_bits > offer->client_bits)
    return "The server answered more client_max_window_bits than offered.";
  return NULL;
}

static void conclude(const struct params *offer, const struct params *answer,
                     const neap_deflate_wish *wish, neap_deflate_terms *terms) {
  *terms = (neap_deflate_terms){
    .send_bits = answer->has_client_bits ? answer->client_bits : wish->window,
    .receive_bits = answer->has_server_bits ? answer->server_bits : BITS_MAX,
    .send_takeover = !answer->client_alone && !offer->client_alone,
    .receive_takeover = !answer->server_alone,
  };
}

static int reject(neap_http_head *head, const char *text) {
  head->error = text;
  return NEAP_EPROTO;
}

int neap_deflate_check_answer(neap_http_head *head, const char *src,
                              const neap_deflate_wish *wish,
                              neap_deflate_terms *terms) {
  neap_extensions reader;
  neap_extension item;
  struct params answer;
  neap_extensions_init(&reader, head, src);
  int kind = neap_extensions_next(&reader, &item);
  if (kind == NEAP_EXTENSION_END)
    return 0;
  if (kind > 0 && (wish == NULL || !neap_extension_is(&item, extension_name)))
    return reject(head, "The server chose an extension that was not offered.");
  if (kind < 0 || read_offer(&reader, &item, &kind, &answer, true))
    return reject(head, "The answer's extensions are malformed.");
  if (kind != NEAP_EXTENSION_END)
    return reject(head, "The server chose more extensions than were offered.");
  struct params offer = make_offer(wish);
  const char *fault = find_fault(&offer, &answer);
  if (fault)
    return reject(head, fault);
  conclude(&offer, &answer, wish, terms);
  return 1;
}
