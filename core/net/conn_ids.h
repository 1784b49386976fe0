/* net/conn_ids.h - finds a connection by its id, in O(1).
 *
 * The table is made when it is first asked, so that nobody else pays for it. */

#ifndef NEAP_NET_CONN_IDS_H
#define NEAP_NET_CONN_IDS_H

#include <stddef.h>
#include <stdint.h>

struct neap_conn;
struct neap_loop;

typedef struct neap_conn_ids {
  struct neap_conn **slots; /* NULL: nobody has asked yet */
  size_t mask;
  size_t count;
} neap_conn_ids;

/* NULL: there is none, or no memory to look. */
struct neap_conn *neap_conn_find(struct neap_loop *loop, uint64_t id);

/* At its birth and its death. */
void neap_conn_ids_add(neap_conn_ids *ids, struct neap_conn *conn);
void neap_conn_ids_remove(neap_conn_ids *ids, struct neap_conn *conn);
void neap_conn_ids_release(neap_conn_ids *ids);

#endif
