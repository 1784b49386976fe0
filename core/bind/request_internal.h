/* bind/request_internal.h - what the files of requests share among them. */

#ifndef NEAP_BIND_REQUEST_INTERNAL_H
#define NEAP_BIND_REQUEST_INTERNAL_H

#include "bind/conn.h"
#include "bind/errand.h"
#include "bind/request.h"

#define NEAP_REQUEST_CLASS "neap.request"

/* The bytes of the head stand behind the last of its fields, which name places
 * in them; for the fields that did not come there is no memory. */
typedef struct neap_request_box {
  neap_peer peer;
  int slot; /* a root from its arrival until it is answered and has ended */
  neap_conn *conn; /* NULL once answered, upgraded or gone */
  neap_runtime *rt;
  neap_task *reader;  /* parked until there is more of the body */
  neap_task *writer;  /* or until there is room for more of the answer */
  neap_errand errand; /* its connection has gone */
  size_t limit;       /* of the body, as the reader has it */
  neap_born born;
  neap_address address;
  bool is_running; /* the pipeline has not returned yet */
  char *bytes;
  neap_http_head head;
} neap_request_box;

/* A head that has just been read, in the loop's buffer. */
typedef struct neap_arrival {
  neap_conn *conn;
  const neap_http_head *head;
  const char *src;
  size_t len;
  bool
    is_entering; /* through a door: open, and its handler does not know yet */
} neap_arrival;

neap_request_box *neap_request_check(lua_State *L);

/* Makes a request of one that has been let in already; what makes its own table
 * is on top of the stack, and stays below it. Raises. */
void neap_request_keep(neap_runtime *rt, lua_State *L,
                       const neap_arrival *arrival);

/* While there is a connection: the handler may ask for its TLS later. */
void neap_request_keep_tls(lua_State *L, int index, const neap_conn *conn);

/* The answer is complete, or there will be none. */
void neap_request_let_go(neap_request_box *box);

/* After the last thing that it waits for. */
void neap_request_end(neap_request_box *box);

/* request_answer.c */
extern const luaL_Reg neap_request_answers[]; /* functions of the core */
int neap_request_answer(lua_State *L);
/* What a task that ended without an answer leaves to be said. */
void neap_request_conclude(neap_request_box *box);

/* request_upgrade.c */
int neap_request_check_upgrade(lua_State *L);
int neap_request_upgrade(lua_State *L);
/* Sends the 101 of what the head asks for; the connection is the handle's from
 * here on, and its route's. Where that fails it has ended. */
int neap_request_switch(neap_conn_box *handle, const neap_http_head *head,
                        const char *src, const neap_upgrade *given);

/* request_body.c */
int neap_request_read(lua_State *L);

#endif
