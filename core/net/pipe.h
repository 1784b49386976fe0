/* net/pipe.h - two ends in memory that behave as a socket pair would.
 *
 * For tests: what one end writes the other may read in the loop's next turn.
 * The pair can be cut at a chosen write, in the ways in which networks fail.
 * Not thread-safe: both ends are on one loop. */

#ifndef NEAP_NET_PIPE_H
#define NEAP_NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/list.h"
#include "proto/buffer.h"

struct neap_loop;

enum neap_cut {
  NEAP_CUT_NONE,
  NEAP_CUT_FIN,     /* both ends read to the end */
  NEAP_CUT_RESET,   /* both ends fail, unread bytes are lost */
  NEAP_CUT_SILENCE, /* nothing arrives any more, nobody is told */
  NEAP_CUT_STALL,   /* the client reads nothing any more */
  NEAP_CUT_MUTE,    /* nothing that the client writes arrives any more */
};

typedef void neap_pipe_fn(void *owner, int events);

typedef struct neap_pipe_end {
  struct neap_pipe *pipe;
  neap_buffer in; /* written by the other end, not read yet */
  neap_link ready;
  neap_pipe_fn *fn;
  void *owner;  /* NULL: this end is closed */
  int wanted;   /* enum neap_ready */
  bool is_held; /* nothing is readable here until it is let go */
  bool is_eof;
  bool is_reset;
} neap_pipe_end;

/* ends[0] is the client's. Freed when both ends are closed and it is dropped. */
typedef struct neap_pipe {
  struct neap_loop *loop;
  neap_pipe_end ends[2];
  size_t grain;      /* most bytes that one read takes; 0 = any */
  size_t room;       /* bytes that either end may leave unread */
  size_t writes;     /* so far, of both ends */
  size_t cut_at;     /* the write behind which the cut happens; 0 = never */
  enum neap_cut cut; /* which it will be */
  unsigned cuts;     /* those that have happened, a bit each: they stay */
  int references;
} neap_pipe;

/* One reference is the caller's; NULL: no memory. */
neap_pipe *neap_pipe_new(struct neap_loop *loop);
void neap_pipe_release(neap_pipe *pipe);

void neap_pipe_cut(neap_pipe *pipe, enum neap_cut cut);

/* What is on its way to this end waits, or arrives. */
void neap_pipe_hold(neap_pipe_end *end, bool is_held);

/* What a transport does with its end; read and write answer as recv and send do,
 * errno included. */
void neap_pipe_open(neap_pipe_end *end, void *owner, neap_pipe_fn *fn);
void neap_pipe_watch(neap_pipe_end *end, int wanted);
ssize_t neap_pipe_read(neap_pipe_end *end, void *dst, size_t size);
ssize_t neap_pipe_write(neap_pipe_end *end, const struct iovec *vectors,
                        int count);
void neap_pipe_shutdown(neap_pipe_end *end);
void neap_pipe_reset(neap_pipe_end *end);
void neap_pipe_close(neap_pipe_end *end);

/* For loop.c: serves the ends that have something to do. */
void neap_pipes_run(struct neap_loop *loop);

#endif
