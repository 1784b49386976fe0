/* net/http_internal.h - what the files of a connection's HTTP share.
 *
 * conn_http.c reads the heads, one request at a time; conn_body.c the bodies;
 * conn_answer.c writes the answers, conn_file.c those that are files. */

#ifndef NEAP_NET_HTTP_INTERNAL_H
#define NEAP_NET_HTTP_INTERNAL_H

#include "net/conn_internal.h"

/* conn_http.c */
/* Bytes for whatever is being read: a head, a body, the next requests. */
void neap_http_received(neap_conn *conn, uint8_t *bytes, size_t len);
/* The answer is written: on to the next request, or the end. */
void neap_http_answered(neap_conn *conn);
/* What had not left at once has left. */
void neap_http_drained(neap_conn *conn);
void neap_http_release(neap_conn *conn);

/* conn_body.c */
/* Reads away what has come of the body; true when it has ended. */
bool neap_http_discard(neap_conn *conn);
/* So little is left of it that it can be read away. */
bool neap_http_can_discard(neap_conn *conn);
/* Something has come, or the one who waited has gone. */
void neap_http_stop_waiting(neap_conn *conn);
void neap_http_on_body_deadline(neap_conn *conn);

/* conn_answer.c */
/* A head that is wrong gets its answer without the binding. */
void neap_http_refuse(neap_conn *conn, int status, const char *text);
/* Puts bytes behind those in the cork; many of them are not copied. */
int neap_http_put(neap_conn *conn, const void *data, size_t len);
/* The same, and all of it is written, or queued, at once. */
int neap_http_put_now(neap_conn *conn, const void *data, size_t len);
/* Writes the head; says there whether another request may follow. */
int neap_http_begin(neap_conn *conn, const neap_http_answer *answer);

/* conn_file.c */
void neap_http_send_file(neap_conn *conn);
void neap_http_close_file(neap_conn *conn);
/* That of the file that is being sent, or -1. */
int neap_http_file_descriptor(const neap_conn *conn);

#endif
