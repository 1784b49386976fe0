#include "net/frame_forms.h"

#include "net/conn.h"

/* NULL: no memory, or more classes than are kept. */
static neap_frame_buffer *deflated_for(neap_frame_forms *forms,
                                       neap_deflate *deflate, unsigned class) {
  int i = 0;
  while (i < NEAP_FRAME_FORMS && forms->deflated[i] &&
         forms->classes[i] != class)
    i++;
  if (i == NEAP_FRAME_FORMS)
    return NULL;
  if (forms->deflated[i] == NULL) {
    forms->classes[i] = class;
    forms->deflated[i] =
      neap_frame_buffer_deflate(forms->pool, deflate, forms->plain);
  }
  return forms->deflated[i];
}

/* A connection that masks, or whose context goes on from message to message,
 * shares with nobody: its copy is made as it is queued. */
static int send_formed(neap_frame_forms *forms, neap_conn *conn,
                       enum neap_overflow overflow, uint64_t key) {
  neap_frame_buffer *frame = NULL;
  unsigned class =
    conn->is_client ? 0 : neap_deflate_class(conn->session.deflate);
  if (class)
    frame = deflated_for(forms, conn->session.deflate, class);
  if (frame)
    return neap_conn_send_frame(conn, frame, overflow, key);
  return neap_conn_send_under(conn, neap_frame_buffer_opcode(forms->plain),
                              neap_frame_buffer_payload(forms->plain),
                              forms->plain->payload, overflow, key);
}

int neap_frame_forms_send(neap_frame_forms *forms, neap_conn *conn,
                          enum neap_overflow overflow, uint64_t key) {
  if (!conn->is_client &&
      !neap_session_deflates(&conn->session, forms->plain->payload))
    return neap_conn_send_frame(conn, forms->plain, overflow, key);
  return send_formed(forms, conn, overflow, key);
}

void neap_frame_forms_release(neap_frame_forms *forms) {
  for (int i = 0; i < NEAP_FRAME_FORMS && forms->deflated[i]; i++)
    neap_frame_buffer_release(forms->deflated[i], forms->pool);
}
