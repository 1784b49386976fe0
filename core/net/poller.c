#include "net/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "proto/status.h"

static struct epoll_event to_event(int wanted, void *owner) {
  struct epoll_event event = {.data.ptr = owner};
  if (wanted & NEAP_READABLE)
    event.events |= EPOLLIN;
  if (wanted & NEAP_WRITABLE)
    event.events |= EPOLLOUT;
  if (wanted & NEAP_HANGUP)
    event.events |= EPOLLRDHUP;
  return event;
}

/* An error is left to the read or write that was waited for, which still gets
 * what came before it; whoever waits for neither is told. */
static int to_ready(uint32_t events) {
  int ready = 0;
  if (events & EPOLLIN)
    ready |= NEAP_READABLE;
  if (events & EPOLLOUT)
    ready |= NEAP_WRITABLE;
  if (events & EPOLLRDHUP)
    ready |= NEAP_HANGUP;
  return ready ? ready : NEAP_FAILED;
}

static void on_ready(uv_poll_t *uv, int status, int uv_events) {
  neap_poller *poller = uv->data;
  struct epoll_event events[NEAP_POLLER_BATCH];
  (void)status;
  (void)uv_events;
  int count = epoll_wait(poller->fd, events, NEAP_POLLER_BATCH, 0);
  poller->has_more = count == NEAP_POLLER_BATCH;
  for (int i = 0; i < count; i++)
    poller->fn(events[i].data.ptr, to_ready(events[i].events));
}

int neap_poller_open(neap_poller *poller, uv_loop_t *loop, neap_poller_fn *fn) {
  poller->fd = epoll_create1(EPOLL_CLOEXEC);
  if (poller->fd < 0)
    return NEAP_ENOMEM;
  if (uv_poll_init(loop, &poller->uv, poller->fd)) {
    close(poller->fd);
    return NEAP_ENOMEM;
  }
  poller->fn = fn;
  poller->count = 0;
  poller->has_more = false;
  poller->uv.data = poller;
  uv_poll_start(&poller->uv, UV_READABLE, on_ready);
  uv_unref((uv_handle_t *)&poller->uv);
  return NEAP_OK;
}

void neap_poller_close(neap_poller *poller) {
  uv_close((uv_handle_t *)&poller->uv, NULL);
  close(poller->fd);
}

/* The loop runs on for as long as there is a socket. */
int neap_poller_add(neap_poller *poller, int fd, int wanted, void *owner) {
  struct epoll_event event = to_event(wanted, owner);
  if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event))
    return NEAP_ENOMEM;
  if (poller->count++ == 0)
    uv_ref((uv_handle_t *)&poller->uv);
  return NEAP_OK;
}

int neap_poller_change(neap_poller *poller, int fd, int wanted, void *owner) {
  struct epoll_event event = to_event(wanted, owner);
  return epoll_ctl(poller->fd, EPOLL_CTL_MOD, fd, &event) ? NEAP_ENOMEM
                                                          : NEAP_OK;
}

/* Closing the descriptor would do only if no fork of this process held it. */
void neap_poller_remove(neap_poller *poller, int fd) {
  epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd, NULL);
  if (--poller->count == 0)
    uv_unref((uv_handle_t *)&poller->uv);
}
