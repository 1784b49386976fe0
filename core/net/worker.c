#include "net/worker.h"

#include <stdlib.h>
#include <string.h>

#include "net/conn.h"
#include "net/conn_ids.h"
#include "net/loop.h"
#include "net/topic.h"
#include "proto/status.h"

/* Of one mailbox: a worker that hangs must not take the others' memory. */
enum { WAITING_MAX = 64 * 1024 * 1024, LOOKS = 64 };

/* ---- the group */

static void release_worker(neap_worker *worker) {
  pthread_mutex_destroy(&worker->box.lock);
  free(worker->out);
}

static int init_worker(neap_worker *worker, neap_group *group, uint32_t index) {
  worker->index = index;
  worker->group = group;
  worker->out = calloc(group->count, sizeof *worker->out);
  if (worker->out == NULL)
    return NEAP_ENOMEM;
  pthread_mutex_init(&worker->box.lock, NULL);
  return NEAP_OK;
}

neap_group *neap_group_new(uint32_t count) {
  neap_group *group =
    calloc(1, sizeof *group + count * sizeof group->workers[0]);
  if (group == NULL)
    return NULL;
  for (uint32_t i = 0; i < count; i++) {
    group->count = count;
    if (init_worker(&group->workers[i], group, i + 1)) {
      group->count = i;
      neap_group_free(group);
      return NULL;
    }
  }
  return group;
}

void neap_group_free(neap_group *group) {
  for (uint32_t i = 0; i < group->count; i++)
    release_worker(&group->workers[i]);
  free(group);
}

/* ---- reading mail */

static neap_conn *addressee(neap_loop *loop, const neap_mail *mail) {
  neap_conn *conn = neap_conn_find(loop, mail->id);
  return conn && conn->state == NEAP_CONN_OPEN ? conn : NULL;
}

/* As if it were sent here: a client's connection masks it, others may compress. */
static void deliver_frame(neap_conn *conn, const neap_mail *mail) {
  neap_conn_send(conn, neap_frame_buffer_opcode(mail->frame),
                 neap_frame_buffer_payload(mail->frame), mail->frame->payload,
                 mail->key);
}

static void deliver_to_conn(neap_loop *loop, const neap_mail *mail) {
  neap_conn *conn = addressee(loop, mail);
  if (conn == NULL)
    return;
  if (mail->kind == NEAP_MAIL_SEND)
    deliver_frame(conn, mail);
  else if (mail->kind == NEAP_MAIL_TERMINATE)
    neap_conn_terminate(conn);
  else
    neap_conn_close(conn, NEAP_CAUSE_CLOSED, NEAP_BY_LOCAL, mail->code,
                    mail->text, mail->len);
}

static void deliver(neap_loop *loop, const neap_mail *mail) {
  if (mail->kind == NEAP_MAIL_PUBLISH) {
    neap_publication to = {
      .topic = mail->text, .topic_len = mail->len, .key = mail->key};
    neap_topic_publish_here(loop->topics, &to, mail->frame);
  } else if (mail->kind == NEAP_MAIL_CALL) {
    if (loop->on_mail)
      loop->on_mail(loop->peer, (uint32_t)mail->id, mail->text, mail->len);
  } else {
    deliver_to_conn(loop, mail);
  }
}

static neap_mails empty(neap_worker *worker) {
  neap_mails mails = {0};
  pthread_mutex_lock(&worker->box.lock);
  neap_mails_move(&mails, &worker->box.mails);
  pthread_mutex_unlock(&worker->box.lock);
  return mails;
}

static void on_mail(uv_async_t *async) {
  neap_worker *worker = async->data;
  neap_mails mails = empty(worker);
  neap_mail *mail;
  while ((mail = neap_mails_take(&mails)) != NULL) {
    atomic_fetch_sub(&worker->box.waiting, neap_mail_size(mail));
    deliver(worker->loop, mail);
    neap_mail_free(mail, &worker->loop->frames);
  }
}

/* ---- its life on a loop */

/* Ids are unique in the process: each worker has those of its remainder. */
static void take_ids(neap_worker *worker, neap_loop *loop) {
  uint64_t count = worker->group->count;
  uint64_t rounds = (loop->last_conn_id + count - 1) / count;
  loop->last_conn_id = rounds * count + (worker->index - 1);
  loop->conn_id_step = count;
}

int neap_worker_attach(neap_worker *worker, neap_loop *loop) {
  if (uv_async_init(&loop->uv, &worker->async, on_mail))
    return NEAP_EIO;
  worker->async.data = worker;
  uv_unref((uv_handle_t *)&worker->async);
  worker->loop = loop;
  loop->worker = worker;
  take_ids(worker, loop);
  neap_topics_show(loop->topics, worker);
  pthread_mutex_lock(&worker->box.lock);
  worker->box.is_open = true;
  pthread_mutex_unlock(&worker->box.lock);
  return NEAP_OK;
}

void neap_worker_detach(neap_worker *worker) {
  neap_loop *loop = worker->loop;
  neap_mail *mail;
  neap_worker_hand_over(worker);
  neap_worker_count(worker);
  pthread_mutex_lock(&worker->box.lock);
  worker->box.is_open = false;
  pthread_mutex_unlock(&worker->box.lock);
  neap_mails mails = empty(worker);
  while ((mail = neap_mails_take(&mails)) != NULL)
    neap_mail_free(mail, &loop->frames);
  uv_close((uv_handle_t *)&worker->async, NULL);
  neap_topics_show(loop->topics, NULL);
  loop->worker = NULL;
  worker->loop = NULL;
}

/* ---- posting */

static neap_worker *worker_of(neap_group *group, uint32_t index) {
  return &group->workers[index - 1];
}

/* Under no lock but its own; the wake-up too, since the box may be closed. */
static void hand_over(neap_worker *to, neap_mails *mails) {
  pthread_mutex_lock(&to->box.lock);
  if (to->box.is_open) {
    bool was_empty = to->box.mails.first == NULL;
    neap_mails_move(&to->box.mails, mails);
    if (was_empty)
      uv_async_send(&to->async);
  }
  pthread_mutex_unlock(&to->box.lock);
}

/* What a worker that has ended did not take. */
static void discard(neap_worker *to, neap_mails *mails, neap_frame_pool *pool) {
  neap_mail *mail;
  while ((mail = neap_mails_take(mails)) != NULL) {
    atomic_fetch_sub(&to->box.waiting, neap_mail_size(mail));
    neap_mail_free(mail, pool);
  }
}

int neap_worker_post(neap_worker *from, uint32_t to, neap_mail *mail) {
  neap_mailbox *box = &worker_of(from->group, to)->box;
  size_t size = neap_mail_size(mail);
  if (atomic_fetch_add(&box->waiting, size) + size > WAITING_MAX) {
    atomic_fetch_sub(&box->waiting, size);
    neap_mail_free(mail, &from->loop->frames);
    return NEAP_EOVERFLOW;
  }
  neap_mails_add(&from->out[to - 1], mail);
  return NEAP_OK;
}

int neap_worker_tell(neap_group *group, uint32_t to, neap_mail *mail) {
  neap_worker *worker = worker_of(group, to);
  neap_frame_pool none = {0};
  neap_mails mails = {0};
  atomic_fetch_add(&worker->box.waiting, neap_mail_size(mail));
  neap_mails_add(&mails, mail);
  hand_over(worker, &mails);
  bool is_taken = mails.first == NULL;
  discard(worker, &mails, &none);
  neap_frame_pool_release(&none);
  return is_taken ? NEAP_OK : NEAP_ECLOSED;
}

static bool may_have(neap_worker *worker, uint64_t hash) {
  neap_presence *presence = &worker->presence;
  return atomic_load(&presence->topics[hash % NEAP_PRESENCE_SIZE]) > 0 ||
         atomic_load(&presence->patterns) > 0;
}

void neap_worker_publish(neap_worker *from, const neap_publication *to,
                         uint64_t hash, neap_frame_buffer *frame) {
  neap_group *group = from->group;
  for (uint32_t i = 1; i <= group->count; i++) {
    if (i == from->index || !may_have(worker_of(group, i), hash))
      continue;
    neap_mail *mail =
      neap_mail_new(NEAP_MAIL_PUBLISH, to->topic, to->topic_len, frame);
    if (mail)
      mail->key = to->key;
    if (mail == NULL || neap_worker_post(from, i, mail))
      from->loop->dropped++;
  }
}

/* ---- the end of a turn */

/* When the first that lives was born; a conn stands in the list of streams, and
 * is not looked for behind many others at each turn. */
static uint64_t oldest_of(const neap_census *census, enum neap_class class) {
  bool is_conn = class == NEAP_CLASS_CONN;
  const neap_link *list =
    &census->tally[is_conn ? NEAP_CLASS_STREAM : class].living;
  int steps = 0;
  for (const neap_link *l = list->next; l != list && steps < LOOKS;
       l = l->next) {
    const neap_born *born = NEAP_CONTAINER(l, const neap_born, link);
    if (!is_conn || NEAP_CONTAINER(born, const neap_conn, born)->is_websocket)
      return born->at;
    steps++;
  }
  return 0;
}

static void count_loop(neap_counts *out, const neap_loop *loop) {
  for (int i = 0; i < NEAP_CLASS_COUNT; i++) {
    const neap_tally *tally = &loop->census.tally[i];
    out->classes[i] = (neap_count){
      .opened = tally->opened,
      .closed = tally->closed,
      .peak = tally->peak,
      .bytes = tally->bytes,
      .at = oldest_of(&loop->census, (enum neap_class)i),
    };
  }
  out->dropped = loop->dropped;
  out->abandoned = loop->abandoned;
  out->shed = loop->shed;
  out->refused = loop->refused;
}

void neap_worker_hand_over(neap_worker *worker) {
  neap_group *group = worker->group;
  for (uint32_t i = 1; i <= group->count; i++) {
    neap_mails *mails = &worker->out[i - 1];
    if (mails->first == NULL)
      continue;
    hand_over(worker_of(group, i), mails);
    discard(worker_of(group, i), mails, &worker->loop->frames);
  }
}

void neap_worker_count(neap_worker *worker) {
  const neap_loop *loop = worker->loop;
  uint64_t changes =
    loop->census.changes + loop->dropped + loop->abandoned + loop->shed + 1;
  if (changes == worker->counted)
    return;
  worker->counted = changes;
  pthread_mutex_lock(&worker->box.lock);
  count_loop(&worker->counts, worker->loop);
  pthread_mutex_unlock(&worker->box.lock);
}

static void add_count(neap_count *sum, const neap_count *more) {
  sum->opened += more->opened;
  sum->closed += more->closed;
  sum->peak += more->peak;
  sum->bytes += more->bytes;
  if (more->at && (sum->at == 0 || more->at < sum->at))
    sum->at = more->at;
}

static void add_counts(neap_counts *sum, const neap_counts *more) {
  for (int i = 0; i < NEAP_CLASS_COUNT; i++)
    add_count(&sum->classes[i], &more->classes[i]);
  sum->dropped += more->dropped;
  sum->abandoned += more->abandoned;
  sum->shed += more->shed;
  sum->refused += more->refused;
}

void neap_worker_sum(neap_counts *out, const neap_loop *loop, bool of_process) {
  neap_group *group = of_process && loop->worker ? loop->worker->group : NULL;
  count_loop(out, loop);
  for (uint32_t i = 0; group && i < group->count; i++) {
    neap_worker *other = &group->workers[i];
    if (other == loop->worker)
      continue;
    pthread_mutex_lock(&other->box.lock);
    neap_counts counts = other->counts;
    pthread_mutex_unlock(&other->box.lock);
    add_counts(out, &counts);
  }
}
