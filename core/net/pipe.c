#include "net/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"

enum { ROOM = 256 * 1024 };

static neap_pipe_end *other(neap_pipe_end *end) {
  return end == &end->pipe->ends[0] ? &end->pipe->ends[1] : &end->pipe->ends[0];
}

static bool is_client(const neap_pipe_end *end) {
  return end == &end->pipe->ends[0];
}

static bool has_cut(const neap_pipe *pipe, enum neap_cut cut) {
  return pipe->cuts & 1u << cut;
}

neap_pipe *neap_pipe_new(neap_loop *loop) {
  neap_pipe *pipe = calloc(1, sizeof *pipe);
  if (pipe == NULL)
    return NULL;
  pipe->loop = loop;
  pipe->references = 1;
  pipe->room = ROOM;
  pipe->ends[0].pipe = pipe->ends[1].pipe = pipe;
  return pipe;
}

void neap_pipe_release(neap_pipe *pipe) {
  if (--pipe->references == 0)
    free(pipe);
}

static size_t room_of(neap_pipe_end *end) {
  const neap_pipe_end *to = other(end);
  size_t room = end->pipe->room;
  return to->in.len < room ? room - to->in.len : 0;
}

static bool is_readable(neap_pipe_end *end) {
  if (end->is_held && !end->is_reset)
    return false;
  if (has_cut(end->pipe, NEAP_CUT_STALL) && is_client(end))
    return false;
  return end->in.len > 0 || end->is_eof || end->is_reset;
}

static int events_of(neap_pipe_end *end) {
  int events = 0;
  if (is_readable(end))
    events |= NEAP_READABLE;
  if ((end->is_eof && !end->is_held) || end->is_reset)
    events |= NEAP_HANGUP;
  if (room_of(end) > 0 || end->is_reset)
    events |= NEAP_WRITABLE;
  events &= end->wanted;
  return events == 0 && end->is_reset ? NEAP_FAILED : events;
}

static void mark_ready(neap_pipe_end *end) {
  if (end->owner == NULL || neap_link_is_linked(&end->ready) ||
      events_of(end) == 0)
    return;
  neap_list_append(&end->pipe->loop->pipes, &end->ready);
  neap_loop_wake(end->pipe->loop);
}

static void mark_both(neap_pipe *pipe) {
  mark_ready(&pipe->ends[0]);
  mark_ready(&pipe->ends[1]);
}

void neap_pipe_open(neap_pipe_end *end, void *owner, neap_pipe_fn *fn) {
  end->owner = owner;
  end->fn = fn;
  end->pipe->references++;
}

void neap_pipe_watch(neap_pipe_end *end, int wanted) {
  end->wanted = wanted;
  mark_ready(end);
}

ssize_t neap_pipe_read(neap_pipe_end *end, void *dst, size_t size) {
  if (end->is_reset) {
    errno = ECONNRESET;
    return -1;
  }
  if (end->in.len == 0) {
    errno = EAGAIN;
    return end->is_eof ? 0 : -1;
  }
  size_t grain = end->pipe->grain;
  size = grain && grain < size ? grain : size;
  size_t n = end->in.len < size ? end->in.len : size;
  memcpy(dst, end->in.data, n);
  neap_buffer_consume(&end->in, n);
  mark_both(end->pipe);
  return (ssize_t)n;
}

/* Takes what fits. */
static size_t deliver(neap_pipe_end *end, const struct iovec *vectors,
                      int count) {
  neap_pipe_end *to = other(end);
  bool is_lost = to->owner == NULL || has_cut(end->pipe, NEAP_CUT_SILENCE) ||
                 (has_cut(end->pipe, NEAP_CUT_MUTE) && is_client(end));
  size_t room = room_of(end), taken = 0;
  for (int i = 0; i < count && taken < room; i++) {
    size_t n = vectors[i].iov_len;
    n = n < room - taken ? n : room - taken;
    if (!is_lost && neap_buffer_append(&to->in, vectors[i].iov_base, n))
      break;
    taken += n;
  }
  return taken;
}

ssize_t neap_pipe_write(neap_pipe_end *end, const struct iovec *vectors,
                        int count) {
  neap_pipe *pipe = end->pipe;
  if (end->is_reset || (other(end)->owner == NULL && end->is_eof)) {
    errno = EPIPE;
    return -1;
  }
  size_t taken = deliver(end, vectors, count);
  if (taken == 0) {
    errno = EAGAIN;
    return -1;
  }
  pipe->writes++;
  if (pipe->cut_at && pipe->writes == pipe->cut_at)
    neap_pipe_cut(pipe, pipe->cut);
  mark_both(pipe);
  return (ssize_t)taken;
}

void neap_pipe_cut(neap_pipe *pipe, enum neap_cut cut) {
  pipe->cuts |= 1u << cut;
  for (int i = 0; i < 2; i++) {
    pipe->ends[i].is_eof |= cut == NEAP_CUT_FIN;
    pipe->ends[i].is_reset |= cut == NEAP_CUT_RESET;
  }
  mark_both(pipe);
}

void neap_pipe_hold(neap_pipe_end *end, bool is_held) {
  end->is_held = is_held;
  mark_ready(end);
}

static bool reaches(neap_pipe_end *end) {
  return !has_cut(end->pipe, NEAP_CUT_SILENCE) &&
         !(has_cut(end->pipe, NEAP_CUT_MUTE) && is_client(end));
}

void neap_pipe_shutdown(neap_pipe_end *end) {
  other(end)->is_eof |= reaches(end);
  mark_both(end->pipe);
}

void neap_pipe_reset(neap_pipe_end *end) {
  other(end)->is_reset |= reaches(end);
}

void neap_pipe_close(neap_pipe_end *end) {
  neap_pipe_end *to = other(end);
  end->owner = NULL;
  to->is_eof |= reaches(end);
  neap_link_remove(&end->ready);
  neap_buffer_release(&end->in);
  mark_ready(to);
  neap_pipe_release(end->pipe);
}

void neap_pipes_run(neap_loop *loop) {
  neap_link now, *link;
  neap_list_init(&now);
  neap_list_splice(&now, &loop->pipes);
  while ((link = neap_list_take(&now)) != NULL) {
    neap_pipe_end *end = NEAP_CONTAINER(link, neap_pipe_end, ready);
    neap_pipe *pipe = end->pipe;
    int events = events_of(end);
    pipe->references++;
    if (end->owner && events)
      end->fn(end->owner, events);
    mark_ready(end);
    neap_pipe_release(pipe);
  }
}
