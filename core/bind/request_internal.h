/* bind/request_internal.h - what the files of requests share among them. */

#ifndef NEAP_BIND_REQUEST_INTERNAL_H
#define NEAP_BIND_REQUEST_INTERNAL_H

#include "bind/conn.h"
#include "bind/request.h"

#define NEAP_REQUEST_CLASS "neap.request"

/* The bytes of the head stand behind the last of its fields, which name places
 * in them; for the fields that did not come there is no memory. */
typedef struct neap_request_box {
  neap_peer peer;
  int slot; /* a root from its arrival until it is answered and has ended */
  neap_conn *conn; /* NULL once answered, upgraded or gone */
  neap_runtime *rt;
  neap_task *reader; /* parked until there is more of the body */
  neap_task *writer; /* or until there is room for more of the answer */
  size_t limit;      /* of the body, as the reader has it */
  neap_born born;
  neap_address address;
  bool is_running; /* the pipeline has not returned yet */
  char *bytes;
  neap_http_head head;
} neap_request_box;

neap_request_box *neap_request_check(lua_State *L);

/* The answer is complete, or there will be none. */
void neap_request_let_go(neap_request_box *box);

/* After the last thing that it waits for. */
void neap_request_end(neap_request_box *box);

/* request_answer.c */
extern const luaL_Reg neap_request_answers[]; /* functions of the core */
int neap_request_answer(lua_State *L);
/* What a task that ended without an answer leaves to be said. */
void neap_request_conclude(neap_request_box *box);

/* request_body.c */
int neap_request_read(lua_State *L);

#endif
