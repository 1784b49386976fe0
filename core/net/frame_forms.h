/* net/frame_forms.h - one published message in the forms that its subscribers
 * want: as it is, and compressed once for all who compress alike. */

#ifndef NEAP_NET_FRAME_FORMS_H
#define NEAP_NET_FRAME_FORMS_H

#include <stdint.h>

#include "net/frame_buffer.h"
#include "net/settings.h"

struct neap_conn;

enum { NEAP_FRAME_FORMS = 4 };

/* Begins with the first two fields set; plain is borrowed. */
typedef struct neap_frame_forms {
  neap_frame_pool *pool;
  neap_frame_buffer *plain;
  neap_frame_buffer *deflated[NEAP_FRAME_FORMS];
  unsigned classes[NEAP_FRAME_FORMS]; /* what each is compressed for */
} neap_frame_forms;

/* As neap_conn_send_frame, in the form that the connection takes. */
int neap_frame_forms_send(neap_frame_forms *forms, struct neap_conn *conn,
                          enum neap_overflow overflow, uint64_t key);
void neap_frame_forms_release(neap_frame_forms *forms);

#endif
