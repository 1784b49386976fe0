/* net/mailbox.h - what one worker asks of another.
 *
 * Mail is made by one thread, handed over under the box's lock, and freed by the
 * thread that reads it. */

#ifndef NEAP_NET_MAILBOX_H
#define NEAP_NET_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/frame_buffer.h"

enum neap_mail_kind {
  NEAP_MAIL_PUBLISH, /* frame, to the topic of that text */
  NEAP_MAIL_SEND,    /* frame, to the connection of that id */
  NEAP_MAIL_CLOSE,   /* that connection, with code and text as the reason */
  NEAP_MAIL_TERMINATE,
  NEAP_MAIL_CALL, /* text, for the scripting layer; id: the worker it is from */
};

typedef struct neap_mail {
  struct neap_mail *next;
  neap_frame_buffer *frame;
  uint64_t id;
  uint64_t key;
  size_t len;
  uint16_t code;
  uint8_t kind;
  char text[];
} neap_mail;

/* With a copy of text; frame (or NULL) is retained. NULL: no memory. */
neap_mail *neap_mail_new(enum neap_mail_kind kind, const char *text, size_t len,
                         neap_frame_buffer *frame);
void neap_mail_free(neap_mail *mail, neap_frame_pool *pool);

/* What it weighs while it waits. */
size_t neap_mail_size(const neap_mail *mail);

typedef struct neap_mails {
  neap_mail *first;
  neap_mail *last;
} neap_mails;

void neap_mails_add(neap_mails *mails, neap_mail *mail);
/* Moves all of from behind those of to. */
void neap_mails_move(neap_mails *to, neap_mails *from);
neap_mail *neap_mails_take(neap_mails *mails);

/* The end that others write to. */
typedef struct neap_mailbox {
  pthread_mutex_t lock;
  neap_mails mails; /* under lock, as is_open */
  bool is_open;
  atomic_size_t waiting; /* bytes, those on their way included */
} neap_mailbox;

#endif
