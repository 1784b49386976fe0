/* floor_uv - raw TCP echo on libuv, no framing: what libuv adds to the kernel's cost.
 *   cc -std=gnu11 -O2 -o floor_uv floor_uv.c -luv && ./floor_uv [port] [try|write|malloc]
 * try    (default) shared receive buffer, uv_try_write, uv_write only for what is left
 * write  shared receive buffer, uv_write with a malloc'd copy for every chunk
 * malloc a malloc'd 64 KiB receive buffer per read (libuv's documented style), uv_write of it */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

static char shared[512 * 1024];
static int mode;
typedef struct { uv_write_t w; char *p; } wreq;

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
    (void)h;
    *b = mode == 2 ? uv_buf_init(malloc(hint), (unsigned)hint) : uv_buf_init(shared, sizeof shared);
}
static void on_close(uv_handle_t *h) { free(h); }
static void on_written(uv_write_t *w, int st) {
    (void)st;
    free(((wreq *)w)->p), free(w);
}
static void send_copy(uv_stream_t *s, char *p, size_t n, int own) {
    wreq *w = malloc(sizeof *w);
    w->p = own ? p : memcpy(malloc(n), p, n);
    uv_buf_t b = uv_buf_init(w->p, (unsigned)n);
    if (uv_write(&w->w, s, &b, 1, on_written)) free(w->p), free(w);
}
static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b) {
    if (n <= 0) {
        if (mode == 2) free(b->base);
        if (n < 0 && !uv_is_closing((uv_handle_t *)s)) uv_close((uv_handle_t *)s, on_close);
        return;
    }
    if (mode == 2) { send_copy(s, b->base, (size_t)n, 1); return; }
    ssize_t w = 0;
    if (mode == 0) {
        uv_buf_t o = uv_buf_init(b->base, (unsigned)n);
        w = uv_try_write(s, &o, 1);
        if (w < 0) w = 0;
    }
    if (w < n) send_copy(s, b->base + w, (size_t)(n - w), 0);
}
static void on_conn(uv_stream_t *l, int st) {
    uv_tcp_t *c = malloc(sizeof *c);
    if (st < 0) return;
    uv_tcp_init(l->loop, c);
    if (uv_accept(l, (uv_stream_t *)c)) { uv_close((uv_handle_t *)c, on_close); return; }
    uv_tcp_nodelay(c, 1);
    uv_read_start((uv_stream_t *)c, on_alloc, on_read);
}
int main(int argc, char **argv) {
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl), rl.rlim_cur = rl.rlim_max, setrlimit(RLIMIT_NOFILE, &rl);
    signal(SIGPIPE, SIG_IGN); /* libuv's writes raise it */
    if (argc > 2) mode = !strcmp(argv[2], "write") ? 1 : !strcmp(argv[2], "malloc") ? 2 : 0;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t l;
    struct sockaddr_in a;
    uv_tcp_init(loop, &l);
    uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 9001, &a);
    uv_tcp_bind(&l, (struct sockaddr *)&a, 0);
    if (uv_listen((uv_stream_t *)&l, 4096, on_conn)) return perror("listen"), 1;
    return uv_run(loop, UV_RUN_DEFAULT);
}
