#include "net/trim.h"

#include <malloc.h>

#include "net/loop.h"
#include "net/topic.h"

/* CROWD: below it there is not enough to give back. */
enum { CROWD = 512, AFTER_MS = 500 };

/* MAPPED: smaller blocks come from the heap, for to map and to unmap a large
 * message each time costs more than to echo it. KEPT: what the heap may keep
 * free for the next one, AT_REST: what of it is kept while nothing happens. */
enum { MAPPED = 8 << 20, KEPT = 64 << 20, AT_REST = 1 << 20 };

static uint64_t count_streams(const neap_loop *loop) {
  return neap_census_live(&loop->census, NEAP_CLASS_STREAM);
}

void neap_trim_now(neap_loop *loop) {
  neap_segment_pool_release(&loop->segments);
  neap_frame_pool_release(&loop->frames);
  neap_blocks_release(&loop->https);
  neap_blocks_release(&loop->intakes);
  neap_blocks_release(&loop->outputs);
  neap_timers_shrink(&loop->timers);
  neap_conn_ids_release(&loop->conn_ids);
  neap_topics_trim(loop->topics);
  if (count_streams(loop) == 0) /* who compresses holds on to it */
    neap_deflate_pool_release(&loop->deflate);
  if (loop->corked == NULL)
    neap_buffer_release(&loop->cork);
  neap_buffer_release(&loop->wire.out);
  malloc_trim(0);
  loop->trim.most = count_streams(loop);
  loop->trim.times++;
}

void neap_trim_at_rest(neap_loop *loop) {
  if (mallinfo2().fordblks > AT_REST)
    neap_trim_now(loop);
}

static void on_time(neap_timer *timer) {
  neap_loop *loop = NEAP_CONTAINER(timer, neap_loop, trim.timer);
  if (loop->on_crowd_left)
    loop->on_crowd_left(loop->peer);
  neap_trim_now(loop);
}

void neap_trim_init(neap_loop *loop) {
  mallopt(M_MMAP_THRESHOLD, MAPPED);
  mallopt(M_TRIM_THRESHOLD, KEPT);
  loop->trim.timer.fn = on_time;
}

/* Most of a crowd has left: once the rest of those who leave had time to. */
void neap_trim_note(neap_loop *loop) {
  uint64_t live = count_streams(loop);
  if (live > loop->trim.most)
    loop->trim.most = live;
  if (loop->trim.most >= CROWD && live <= loop->trim.most / 4 &&
      !neap_timer_is_waiting(&loop->trim.timer))
    neap_loop_start_timer(loop, &loop->trim.timer, AFTER_MS);
}
