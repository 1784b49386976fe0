#include "net/mailbox.h"

#include <stdlib.h>
#include <string.h>

neap_mail *neap_mail_new(enum neap_mail_kind kind, const char *text, size_t len,
                         neap_frame_buffer *frame) {
  neap_mail *mail = malloc(sizeof *mail + len);
  if (mail == NULL)
    return NULL;
  *mail = (neap_mail){.frame = frame, .len = len, .kind = (uint8_t)kind};
  if (len)
    memcpy(mail->text, text, len);
  if (frame)
    neap_frame_buffer_retain(frame);
  return mail;
}

void neap_mail_free(neap_mail *mail, neap_frame_pool *pool) {
  if (mail->frame)
    neap_frame_buffer_release(mail->frame, pool);
  free(mail);
}

size_t neap_mail_size(const neap_mail *mail) {
  return sizeof *mail + mail->len + (mail->frame ? mail->frame->len : 0);
}

void neap_mails_add(neap_mails *mails, neap_mail *mail) {
  mail->next = NULL;
  if (mails->last)
    mails->last->next = mail;
  else
    mails->first = mail;
  mails->last = mail;
}

void neap_mails_move(neap_mails *to, neap_mails *from) {
  if (from->first == NULL)
    return;
  if (to->last)
    to->last->next = from->first;
  else
    to->first = from->first;
  to->last = from->last;
  *from = (neap_mails){0};
}

neap_mail *neap_mails_take(neap_mails *mails) {
  neap_mail *mail = mails->first;
  if (mail == NULL)
    return NULL;
  mails->first = mail->next;
  if (mails->first == NULL)
    mails->last = NULL;
  return mail;
}
