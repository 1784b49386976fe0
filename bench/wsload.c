/* wsload - a WebSocket / raw TCP load generator for Linux (C11, epoll, one thread).
 *
 *   cc -std=c11 -O2 -o wsload wsload.c                                   (plain)
 *   cc -std=c11 -O2 -DWITH_TLS -DWITH_ZLIB -o wsload wsload.c -lssl -lcrypto -lz
 *
 * Each mode prints one JSON object on one line; exit status 0 = every check passed,
 * 1 = protocol or content errors, 2 = usage, 3 = stalled or could not connect.
 * README.md beside this file says what every option and field means.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif
#ifdef WITH_ZLIB
#include <zlib.h>
#endif

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

#define RX_SIZE (512 * 1024)
#define PAT_SHIFT 4096 /* message n starts at pattern offset (hash(n) % PAT_SHIFT) & ~3 */
#define RING 1024      /* most messages in flight on one connection */

/* ------------------------------------------------------------------ options */
enum mode { M_ECHO, M_RAW, M_FANOUT, M_IDLE, M_CHURN };
enum drop { D_CONNECT, D_REQUEST, D_OPEN, D_FRAME, D_ECHO };
enum ending { E_CLOSE, E_FIN, E_RST };
static struct {
    enum mode mode;
    const char *modename, *host, *path, *pubpath, *label, *proto, *header;
    int port, conns, depth, text, utf8, json, tls, deflate, takeover, cpu, srvcpu, pid, nsrc, touch;
    u64 size, count;
    double secs, warm, hold, rate;
    int drop, end; /* enum drop, enum ending */
} o = {.host = "127.0.0.1", .path = "/", .label = "", .port = 9001, .conns = 64, .depth = 1, .size = 20,
       .secs = 5, .warm = 1, .hold = 2, .cpu = -1, .srvcpu = -1, .drop = D_ECHO, .end = E_CLOSE};

#define die(code, ...) (fprintf(stderr, "wsload: " __VA_ARGS__), fputc('\n', stderr), exit(code))
static u64 now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}
static u32 rnd_state = 0x9e3779b9u;
static u32 rnd(void) {
    u32 x = rnd_state;
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return rnd_state = x;
}
static void *xmalloc(size_t n) {
    void *p = calloc(1, n ? n : 1);
    if (!p) die(3, "out of memory");
    return p;
}

/* ---------------------------------------------- latency histogram (1.6% buckets) */
typedef struct { u64 b[64 * 64], n, max; } hist;
static void h_add(hist *h, u64 v) {
    unsigned e = v < 64 ? 0 : (unsigned)(63 - __builtin_clzll(v) - 5);
    h->b[e * 64 + (v >> e)]++;
    h->n++;
    if (v > h->max) h->max = v;
}
static double h_q(const hist *h, double q) { /* quantile in microseconds */
    u64 want = (u64)(q * (double)h->n), seen = 0;
    for (unsigned i = 0; i < 64 * 64; i++)
        if ((seen += h->b[i]) > want) return ((double)(i % 64) + .5) * (double)((u64)1 << i / 64) / 1e3;
    return (double)h->max / 1e3;
}

/* ----------------------------------------------------------- SHA-1 and base64 */
static void sha1(const u8 *d, size_t n, u8 out[20]) {
    u32 h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    static const u32 K[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    u8 m[128] = {0}; /* input of at most 119 bytes */
    size_t tot = (n + 9 + 63) / 64 * 64;
    memcpy(m, d, n), m[n] = 0x80;
    m[tot - 2] = (u8)(n * 8 >> 8), m[tot - 1] = (u8)(n * 8);
#define ROL(x, s) (((x) << (s)) | ((x) >> (32 - (s))))
    for (u8 *p = m; p < m + tot; p += 64) {
        u32 w[80], v[5];
        for (int i = 0; i < 16; i++) w[i] = (u32)p[i * 4] << 24 | (u32)p[i * 4 + 1] << 16 | (u32)p[i * 4 + 2] << 8 | p[i * 4 + 3];
        for (int i = 16; i < 80; i++) w[i] = ROL(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            u32 b = v[1], c = v[2], e = v[3], f = i < 20 ? (b & c) | (~b & e) : i < 40 || i >= 60 ? b ^ c ^ e : (b & c) | (b & e) | (c & e);
            u32 t = ROL(v[0], 5) + f + v[4] + K[i / 20] + w[i];
            v[4] = e, v[3] = c, v[2] = ROL(b, 30), v[1] = v[0], v[0] = t;
        }
        for (int i = 0; i < 5; i++) h[i] += v[i];
    }
    for (int i = 0; i < 20; i++) out[i] = (u8)(h[i / 4] >> (24 - 8 * (i % 4)));
}
static void b64(const u8 *s, size_t n, char *d) {
    static const char T[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        u32 v = (u32)s[i] << 16 | (i + 1 < n ? (u32)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);
        *d++ = T[v >> 18 & 63], *d++ = T[v >> 12 & 63];
        *d++ = i + 1 < n ? T[v >> 6 & 63] : '=';
        *d++ = i + 2 < n ? T[v & 63] : '=';
    }
    *d = 0;
}

/* ------------------------------------------------------- process measurement */
typedef struct {
    double user, sys; /* CPU seconds: all threads, reaped children, and living descendants */
    long rss_kb, fds;
} pstat;
typedef struct { double busy, steal; long slab_kb, tcp_kb; } kstat;
static long page_kb;
static double tick;
static int srv_pids[256], srv_n;
static char *slurp(const char *fmt, ...) { /* a /proc file's text; "" when unreadable */
    static char b[16384];
    char f[96];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f, sizeof f, fmt, ap);
    va_end(ap);
    FILE *fp = fopen(f, "r");
    size_t n = fp ? fread(b, 1, sizeof b - 1, fp) : 0;
    if (fp) fclose(fp);
    b[n] = 0;
    return b;
}
static long after(const char *text, const char *name) { /* the number that follows a name */
    const char *p = strstr(text, name);
    return p ? strtol(p + strlen(name), NULL, 10) : 0;
}
static void p_scan(void) { /* the server's pid and all its descendants */
    srv_n = 0;
    if (o.pid > 0) srv_pids[srv_n++] = o.pid;
    for (int i = 0; i < srv_n; i++) {
        char f[64];
        snprintf(f, sizeof f, "/proc/%d/task", srv_pids[i]);
        DIR *d = opendir(f);
        for (struct dirent *e; d && (e = readdir(d));)
            for (char *p = slurp("%s/%s/children", f, e->d_name), *q; srv_n < 256; p = q, srv_n++)
                if ((srv_pids[srv_n] = (int)strtol(p, &q, 10)), q == p) break;
        if (d) closedir(d);
    }
}
static pstat p_get(int exact) { /* exact: also count the fds and read smaps_rollup, which is slower */
    pstat s = {0};
    for (int i = 0; i < srv_n; i++) {
        char *q = strrchr(slurp("/proc/%d/stat", srv_pids[i]), ')');
        unsigned long ut, st;
        long cut, cst, rss;
        if (!q || sscanf(q + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld", &ut, &st, &cut, &cst, &rss) != 5)
            continue;
        s.user += (double)((long)ut + cut) / tick, s.sys += (double)((long)st + cst) / tick;
        s.rss_kb += exact ? after(slurp("/proc/%d/smaps_rollup", srv_pids[i]), "Rss:") : rss * page_kb;
        char f[64];
        snprintf(f, sizeof f, "/proc/%d/fd", srv_pids[i]);
        DIR *d = exact ? opendir(f) : NULL;
        for (struct dirent *e; d && (e = readdir(d));) s.fds += e->d_name[0] != '.';
        if (d) closedir(d);
    }
    return s;
}
static kstat k_get(void) { /* the whole machine */
    kstat k = {0};
    double v[8];
    if (sscanf(slurp("/proc/stat"), "cpu %lf %lf %lf %lf %lf %lf %lf %lf", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7) == 8)
        k.busy = (v[0] + v[1] + v[2] + v[5] + v[6]) / tick, k.steal = v[7] / tick;
    k.slab_kb = after(slurp("/proc/meminfo"), "Slab:");
    char *q = strstr(slurp("/proc/net/sockstat"), "TCP:");
    k.tcp_kb = q ? after(q, " mem") * page_kb : 0;
    return k;
}
static double self_cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
static void pin(int pid, int cpu) { /* all threads of pid */
    char f[64];
    snprintf(f, sizeof f, "/proc/%d/task", pid);
    DIR *d = opendir(f);
    struct dirent *e;
    cpu_set_t s;
    CPU_ZERO(&s);
    CPU_SET((unsigned)cpu, &s);
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && sched_setaffinity(atoi(e->d_name), sizeof s, &s)) perror("sched_setaffinity");
    if (d) closedir(d);
}

/* ------------------------------------------------------------------ payloads */
static u8 *pat;
static void make_pattern(void) {
    size_t n = o.size + PAT_SHIFT + 64, i = 0;
    pat = xmalloc(n + 256);
    if (o.utf8) { /* 4-byte groups, each whole UTF-8 by itself: 2+2, 3+1, 4 and 1+1+1+1 byte characters */
        static const char *g[] = {"\xc3\xa9\xd0\xb6", "\xe2\x82\xacx", "\xf0\x9f\x98\x80", "lua!"};
        if (o.size % 4) die(2, "--utf8 needs a size that is a multiple of 4");
        for (; i < n; i += 4) memcpy(pat + i, g[rnd() >> 13 & 3], 4);
    } else if (o.text || o.json) {
        static const char *nm[] = {"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"};
        while (i < n)
            i += (size_t)snprintf((char *)pat + i, 200, "{\"id\":%u,\"user\":\"%s\",\"price\":%u.%02u,\"tags\":[\"%s\",\"room-%u\"],\"ok\":%s},",
                                  rnd() % 100000, nm[rnd() >> 7 & 7], rnd() % 1000, rnd() % 100, nm[rnd() >> 9 & 7], rnd() % 50, rnd() & 64 ? "true" : "false");
    } else
        for (; i < n; i++) pat[i] = (u8)(rnd() >> 11);
}
static inline size_t pat_off(u32 id, u32 seq) { return ((id * 2654435761u + seq * 40503u) >> 3) % PAT_SHIFT & ~(size_t)3; }

/* --------------------------------------------------------------- connections */
enum state { S_NEW, S_CONN, S_TLS, S_HS, S_OPEN, S_CLOSING, S_DEAD };
typedef struct conn {
    int fd;
    u8 state, hdrlen, opcode, fin, in_msg, msg_op, rsv1, want_out, close_rx, ok, hdr[14], ctl[125];
    u32 wseq, rseq, ctllen, hslen;
    u64 rem, mpos, t_begin, t_start; /* t_start is moved on when the Close goes out */
    size_t txoff, txlen;
#ifdef WITH_TLS
    SSL *ssl;
#endif
    u32 id; /* from here on, kept when a churn slot is used again */
    u32 gen;
    size_t txcap;
    u8 *tx;
    u64 *ts; /* send times, RING long */
    char *hs;
#ifdef WITH_ZLIB
    z_stream *zi;
#endif
} conn;

static int ep, live, nopen;
static struct sockaddr_in srv;
static u8 rx[RX_SIZE + 64];
static char key[32], accept_want[32], *request[2];
static conn *C;
static u64 msgs, bytes_in, bad, errs, refused, stop_sending, late_close, uncompressed, clock_ns, started, sent_total, rx_frames;
static hist lat, lat_open;
static void on_open(conn *c), on_message(conn *c), on_dead(conn *c);

static void fail(conn *c, const char *why) {
    if (bad++ < 5) fprintf(stderr, "wsload: conn %u: %s (message %u, byte %llu)\n", c->id, why, c->rseq, (unsigned long long)c->mpos);
}
static void conn_kill(conn *c, int rst) {
    if (c->state == S_DEAD) return;
    if (rst) {
        struct linger l = {1, 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
#ifdef WITH_TLS
    if (c->ssl) {
        if (!rst && c->state == S_CLOSING) SSL_shutdown(c->ssl);
        SSL_free(c->ssl), c->ssl = NULL;
    }
#endif
    close(c->fd);
    if (c->state >= S_OPEN) nopen--;
    c->fd = -1, c->state = S_DEAD, live--;
    on_dead(c);
}
static void conn_io_error(conn *c) { /* a reset after both Close frames is no error */
    if (!c->close_rx) errs++, c->ok = 0;
    conn_kill(c, 0);
}
static void set_out(conn *c, int on) {
    if (c->want_out == on) return;
    struct epoll_event ev = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
    c->want_out = (u8)on;
}
#ifdef WITH_TLS
static SSL_CTX *tls;
static ssize_t tls_result(conn *c, int r) {
    if (r > 0) return r;
    int e = SSL_get_error(c->ssl, r);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? -2 : e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_SYSCALL && r == 0) ? 0 : -1;
}
#endif
static ssize_t io_read(conn *c, void *p, size_t n) { /* >0 bytes, 0 end, -1 error, -2 again */
#ifdef WITH_TLS
    if (c->ssl) return ERR_clear_error(), tls_result(c, SSL_read(c->ssl, p, (int)n));
#endif
    ssize_t r = recv(c->fd, p, n, 0);
    return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? -2 : -1;
}
static ssize_t io_write(conn *c, const void *p, size_t n) {
#ifdef WITH_TLS
    if (c->ssl) return ERR_clear_error(), tls_result(c, SSL_write(c->ssl, p, n > 1 << 20 ? 1 << 20 : (int)n));
#endif
    ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL);
    return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? -2 : -1;
}
static int flush(conn *c) { /* 0 = connection died */
    while (c->txoff < c->txlen) {
        ssize_t r = io_write(c, c->tx + c->txoff, c->txlen - c->txoff);
        if (r == -2) return set_out(c, 1), 1;
        if (r < 0) return conn_io_error(c), 0;
        c->txoff += (size_t)r;
    }
    c->txoff = c->txlen = 0;
    set_out(c, 0);
    return 1;
}
static u8 *tx_room(conn *c, size_t n) {
    if (c->txoff == c->txlen) c->txoff = c->txlen = 0;
    if (c->txlen + n > c->txcap && c->txoff) {
        memmove(c->tx, c->tx + c->txoff, c->txlen - c->txoff);
        c->txlen -= c->txoff, c->txoff = 0;
    }
    if (c->txlen + n > c->txcap) {
        c->txcap = (c->txlen + n) * 3 / 2;
        if (!(c->tx = realloc(c->tx, c->txcap))) die(3, "out of memory");
    }
    return c->txlen += n, c->tx + c->txlen - n;
}
static void put_frame(conn *c, u8 b0, const u8 *src, size_t n) { /* masked, as a client must */
    size_t hl = 2, ext = n < 126 ? 0 : n < 65536 ? 2 : 8;
    u8 h[14] = {b0, (u8)(0x80 | (ext == 0 ? n : ext == 2 ? 126 : 127))};
    for (; ext; ext--) h[hl++] = (u8)((u64)n >> (8 * ext - 8));
    u32 m = rnd();
    memcpy(h + hl, &m, 4), hl += 4;
    u8 *p = tx_room(c, hl + n);
    memcpy(p, h, hl), p += hl;
    u64 m8 = (u64)m << 32 | m, v;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) memcpy(&v, src + i, 8), v ^= m8, memcpy(p + i, &v, 8);
    for (; i < n; i++) p[i] = src[i] ^ ((const u8 *)&m)[i & 3];
}
#ifdef WITH_ZLIB
static struct { u8 *p; size_t n; } zcache[PAT_SHIFT / 4];
static void z_get(size_t off, const u8 **p, size_t *n) { /* compressed once per distinct payload */
    if (!zcache[off / 4].p) {
        z_stream z = {0};
        if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) die(3, "deflateInit2");
        size_t cap = deflateBound(&z, o.size) + 64;
        u8 *b = xmalloc(cap);
        z.next_in = pat + off, z.avail_in = (uInt)o.size, z.next_out = b, z.avail_out = (uInt)cap;
        if (deflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_in || !z.avail_out) die(3, "deflate");
        zcache[off / 4].p = b, zcache[off / 4].n = cap - z.avail_out - 4;
        deflateEnd(&z);
    }
    *p = zcache[off / 4].p, *n = zcache[off / 4].n;
}
#endif
static void queue_message(conn *c, u64 t) {
    size_t off = pat_off(c->id, c->wseq);
    if (c->ts) c->ts[c->wseq % RING] = t;
    if (o.mode == M_RAW) memcpy(tx_room(c, o.size), pat + off, o.size);
#ifdef WITH_ZLIB
    else if (o.deflate) {
        const u8 *p;
        size_t n;
        z_get(off, &p, &n);
        put_frame(c, (u8)(0xC0 | (o.text ? 1 : 2)), p, n);
    }
#endif
    else put_frame(c, (u8)(0x80 | (o.text ? 1 : 2)), pat + off, o.size);
    c->wseq++, sent_total++;
}
static void send_close(conn *c) {
    static const u8 code[2] = {0x03, 0xE8};
    c->state = S_CLOSING, c->t_start = now_ns();
    put_frame(c, 0x88, code, 2);
}
static char *make_request(const char *path) {
    char *r = xmalloc(4096);
    snprintf(r, 4096,
             "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
             "Sec-WebSocket-Version: 13\r\n%s%s%s%s%s%s%s\r\n",
             path, o.host, o.port, key, o.proto ? "Sec-WebSocket-Protocol: " : "", o.proto ? o.proto : "", o.proto ? "\r\n" : "",
             o.header ? o.header : "", o.header ? "\r\n" : "",
             o.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover" : "",
             o.deflate ? o.takeover ? "\r\n" : "; server_no_context_takeover\r\n" : "");
    return r;
}
static void conn_start(conn *c) {
    memset(c, 0, offsetof(conn, id));
    c->gen++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die(3, "socket: %s (raise ulimit -n)", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (o.nsrc > 0) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        u32 k = (u32)(started % (u64)o.nsrc);
        a.sin_addr.s_addr = htonl(0x7F010001u + (k / 250) * 256 + k % 250); /* 127.1.0.1 and up */
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (struct sockaddr *)&a, sizeof a)) die(3, "bind: %s", strerror(errno));
    }
    started++, live++, c->t_begin = c->t_start = now_ns(), c->state = S_CONN;
    int r = connect(c->fd, (struct sockaddr *)&srv, sizeof srv);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    c->want_out = 1;
    if (r && errno != EINPROGRESS) {
        refused++, close(c->fd), c->fd = -1, c->state = S_DEAD, live--, on_dead(c);
        return;
    }
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}
static void end_as_asked(conn *c) { /* churn: the client goes away */
    c->ok = 1;
    if (o.end == E_CLOSE && c->state == S_OPEN) send_close(c), flush(c);
    else conn_kill(c, o.end == E_RST);
}
static void conn_ready(conn *c) { /* TCP (and TLS) is up: send the upgrade request, or start raw traffic */
    if (o.mode == M_RAW) {
        c->state = S_OPEN, nopen++;
        h_add(&lat_open, now_ns() - c->t_start);
        set_out(c, 0);
        on_open(c);
        return;
    }
    const char *rq = request[o.mode == M_FANOUT && c->id == 0];
    size_t n = strlen(rq);
    c->state = S_HS;
    if (!c->hs) c->hs = xmalloc(4096);
    if (o.mode == M_CHURN && o.drop == D_REQUEST) n /= 2;
    memcpy(tx_room(c, n), rq, n);
    if (!flush(c)) return;
    if (o.mode == M_CHURN && o.drop == D_REQUEST) end_as_asked(c);
}
static void tls_step(conn *c) {
#ifdef WITH_TLS
    if (!c->ssl) {
        c->ssl = SSL_new(tls), c->state = S_TLS;
        SSL_set_fd(c->ssl, c->fd), SSL_set_connect_state(c->ssl);
    }
    ERR_clear_error();
    int r = SSL_connect(c->ssl);
    if (r == 1) { conn_ready(c); return; }
    int e = SSL_get_error(c->ssl, r);
    if (e == SSL_ERROR_WANT_READ) set_out(c, 0);
    else if (e == SSL_ERROR_WANT_WRITE) set_out(c, 1);
    else conn_io_error(c);
#else
    (void)c;
#endif
}
static int check_101(conn *c) {
    char *p = strcasestr(c->hs, "\r\nsec-websocket-accept:");
    if (strncmp(c->hs, "HTTP/1.1 101", 12) || !p) return 0;
    for (p += 23; *p == ' ';) p++;
    return !strncmp(p, accept_want, 28) && !strcasestr(c->hs, "permessage-deflate") == !o.deflate;
}

/* ------------------------------------------------------------------- receive */
static int got_payload(conn *c, const u8 *p, size_t n) { /* compare with what we sent; 0 = mismatch */
    u32 id = o.mode == M_FANOUT ? 0 : c->id;
    const u8 *want = pat + pat_off(id, c->rseq) + c->mpos;
    if (c->mpos + n > o.size || memcmp(want, p, n)) return fail(c, "payload differs"), 0;
    c->mpos += n;
    return 1;
}
#ifdef WITH_ZLIB
static int got_deflated(conn *c, const u8 *p, size_t n) {
    static u8 out[65536];
    if (!c->zi) {
        c->zi = xmalloc(sizeof *c->zi);
        if (inflateInit2(c->zi, -15) != Z_OK) die(3, "inflateInit2");
    }
    c->zi->next_in = (Bytef *)p, c->zi->avail_in = (uInt)n;
    do {
        c->zi->next_out = out, c->zi->avail_out = sizeof out;
        int r = inflate(c->zi, Z_SYNC_FLUSH);
        if (r != Z_OK && r != Z_BUF_ERROR && r != Z_STREAM_END) return fail(c, "inflate"), 0;
        if (!got_payload(c, out, sizeof out - c->zi->avail_out)) return 0;
        if (r == Z_STREAM_END) inflateReset(c->zi); /* a message may end in a BFINAL block (RFC 7692 7.2.3.4) */
    } while (c->zi->avail_out == 0);
    return 1;
}
#endif
static int end_message(conn *c) {
#ifdef WITH_ZLIB
    if (c->rsv1) {
        if (!got_deflated(c, (const u8 *)"\0\0\xff\xff", 4)) return 0;
        if (!o.takeover) inflateReset(c->zi);
    }
#endif
    if (c->mpos != o.size) return fail(c, "short message"), 0;
    if (c->msg_op != (o.text ? 1 : 2)) return fail(c, "wrong opcode"), 0;
    uncompressed += o.deflate && !c->rsv1;
    c->mpos = 0, c->in_msg = 0;
    on_message(c);
    c->rseq++;
    return 1;
}
static int got_control(conn *c) {
    if (c->opcode == 9) put_frame(c, 0x8A, c->ctl, c->ctllen);
    else if (c->opcode == 8) {
        c->close_rx = 1;
        if (c->state != S_CLOSING) return fail(c, "server closed"), 0; /* we wait for the server's FIN after our Close */
    }
    return 1;
}
/* returns 0 when the connection must be dropped */
static int parse_ws(conn *c, const u8 *p, size_t n) {
    while (n) {
        if (c->hdrlen != 0xFF) { /* collecting a header */
            while (c->hdrlen < 2 && n) c->hdr[c->hdrlen++] = *p++, n--;
            if (c->hdrlen < 2) return 1;
            u32 l7 = c->hdr[1] & 127u, need = l7 < 126 ? 2 : l7 == 126 ? 4 : 10;
            while (c->hdrlen < need && n) c->hdr[c->hdrlen++] = *p++, n--;
            if (c->hdrlen < need) return 1;
            if (c->hdr[1] & 0x80) return fail(c, "masked frame from server"), 0;
            if (c->hdr[0] & 0x30) return fail(c, "reserved bits"), 0;
            u64 len = l7;
            if (need > 2) {
                len = 0;
                for (u32 i = 2; i < need; i++) len = len << 8 | c->hdr[i];
            }
            c->opcode = c->hdr[0] & 15, c->fin = c->hdr[0] >> 7, c->rem = len, c->hdrlen = 0xFF, rx_frames++;
            if (c->opcode >= 8) {
                if (len > 125 || !c->fin || c->opcode > 10) return fail(c, "bad control frame"), 0;
                c->ctllen = 0;
            } else if (c->opcode == 0) {
                if (!c->in_msg || c->hdr[0] & 0x40) return fail(c, "stray continuation"), 0;
            } else {
                if (c->in_msg || c->opcode > 2) return fail(c, "bad data opcode"), 0;
                c->in_msg = 1, c->msg_op = c->opcode, c->rsv1 = c->hdr[0] >> 6 & 1, c->mpos = 0;
                if (c->rsv1 && !o.deflate) return fail(c, "RSV1 without deflate"), 0;
            }
        }
        size_t take = c->rem < n ? (size_t)c->rem : n;
        if (take) {
            if (c->opcode >= 8) memcpy(c->ctl + c->ctllen, p, take), c->ctllen += (u32)take;
#ifdef WITH_ZLIB
            else if (c->rsv1) { if (!got_deflated(c, p, take)) return 0; }
#endif
            else if (!got_payload(c, p, take)) return 0;
            p += take, n -= take, c->rem -= take;
        }
        if (c->rem == 0) {
            c->hdrlen = 0;
            if (c->opcode >= 8) {
                if (!got_control(c)) return 0;
            } else if (c->fin && !end_message(c)) return 0;
            if (c->state == S_DEAD) return 1;
        }
    }
    return 1;
}
static int parse_raw(conn *c, const u8 *p, size_t n) {
    while (n) {
        size_t take = o.size - c->mpos < n ? o.size - (size_t)c->mpos : n;
        if (!got_payload(c, p, take)) return 0;
        p += take, n -= take;
        if (c->mpos == o.size) {
            c->mpos = 0;
            on_message(c);
            c->rseq++;
        }
    }
    return 1;
}
static void conn_readable(conn *c) {
    for (;;) {
        ssize_t r = io_read(c, rx, RX_SIZE);
        if (r == -2) return;
        if (r <= 0) {
            refused += c->state == S_HS;
            conn_io_error(c);
            return;
        }
        const u8 *p = rx;
        size_t n = (size_t)r;
        bytes_in += n, clock_ns = now_ns();
        u32 gen = c->gen;
        if (c->state == S_HS) {
            size_t take = 4095 - c->hslen < n ? 4095 - c->hslen : n, old = c->hslen;
            memcpy(c->hs + old, p, take), c->hslen += (u32)take, c->hs[c->hslen] = 0;
            char *e = strstr(c->hs, "\r\n\r\n");
            if (!e && c->hslen < 4095) continue;
            if (!e || !check_101(c)) {
                if (refused++ < 3) fprintf(stderr, "wsload: bad handshake answer: %.200s\n", c->hs);
                conn_kill(c, 0);
                return;
            }
            size_t used = (size_t)(e + 4 - c->hs) - old;
            p += used, n -= used;
            c->state = S_OPEN, nopen++;
            h_add(&lat_open, clock_ns - c->t_start);
            on_open(c);
            if (c->state == S_DEAD || c->gen != gen) return;
        }
        if (n && !(o.mode == M_RAW ? parse_raw(c, p, n) : parse_ws(c, p, n))) {
            conn_kill(c, 0);
            return;
        }
        if (c->state == S_DEAD || c->gen != gen) return;
        if (c->txoff < c->txlen && !c->want_out && !flush(c)) return;
        if (c->gen != gen) return;
#ifdef WITH_TLS
        if (c->ssl) continue; /* until WANT_READ: OpenSSL holds back decrypted bytes */
#endif
        if (r < RX_SIZE) return;
    }
}
static void dispatch(int timeout_ms) {
    static struct epoll_event ev[1024];
    int n = epoll_wait(ep, ev, 1024, timeout_ms);
    for (int i = 0; i < n; i++) {
        conn *c = ev[i].data.ptr;
        if (c->state == S_DEAD || c->fd < 0) continue;
        u32 gen = c->gen;
        if (c->state == S_CONN) {
            int e = 0;
            socklen_t l = sizeof e;
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
            if (e) {
                if (refused++ < 3) fprintf(stderr, "wsload: connect: %s\n", strerror(e));
                conn_kill(c, 0);
            } else if (o.mode == M_CHURN && o.drop == D_CONNECT) end_as_asked(c);
            else if (o.tls) tls_step(c);
            else conn_ready(c);
            continue;
        }
        if (c->state == S_TLS) { tls_step(c); continue; }
        if (ev[i].events & EPOLLOUT && !flush(c)) continue;
        if (c->gen == gen && c->state != S_DEAD && ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) conn_readable(c);
    }
}

/* --------------------------------------------------------------- mode logic */
static int phase; /* 0 opening, 1 running, 2 stopping */
static u64 churn_done;
static struct { u64 t; u32 left; } pub[RING];
static u32 pub_seq, pub_oldest;

static void publish(u64 t) {
    pub[pub_seq % RING].t = t, pub[pub_seq % RING].left = (u32)o.conns;
    pub_seq++;
    queue_message(&C[0], t);
}
static void on_open(conn *c) {
    if (o.mode != M_CHURN) {
        if (c->txoff == c->txlen) set_out(c, 0);
        return;
    }
    set_out(c, 0);
    if (o.drop == D_OPEN) end_as_asked(c);
    else if (o.drop == D_FRAME) { /* a header that promises 1000 bytes, and 100 of them */
        static const u8 part[108] = {0x82, 0xFE, 0x03, 0xE8, 1, 2, 3, 4};
        memcpy(tx_room(c, sizeof part), part, sizeof part);
        if (flush(c)) end_as_asked(c);
    } else queue_message(c, clock_ns), flush(c);
}
static void on_message(conn *c) {
    msgs++;
    if (o.mode == M_CHURN) end_as_asked(c);
    else if (o.mode == M_ECHO || o.mode == M_RAW) {
        h_add(&lat, clock_ns - c->ts[c->rseq % RING]);
        if (!stop_sending && o.rate <= 0 && (!o.count || sent_total < o.count)) queue_message(c, clock_ns);
    } else if (o.mode == M_FANOUT && c->id == 0) msgs--; /* the publisher's own copy, if the server sends one */
    else if (o.mode == M_FANOUT) {
        h_add(&lat, clock_ns - pub[c->rseq % RING].t);
        if (--pub[c->rseq % RING].left || c->rseq != pub_oldest) return;
        for (; pub_oldest < pub_seq && !pub[pub_oldest % RING].left; pub_oldest++)
            if (!stop_sending) publish(clock_ns);
        flush(&C[0]);
    }
}
static void on_dead(conn *c) {
#ifdef WITH_ZLIB
    if (c->zi) inflateReset(c->zi);
#endif
    if (o.mode == M_CHURN && phase == 1 && c->ok) churn_done++, h_add(&lat, now_ns() - c->t_begin);
}
/* open conns[first..last), at most 200 handshakes at a time */
static void open_all(int first, int last) {
    int next = first, goal = nopen + (last - first);
    int seen = nopen;
    for (u64 tp = now_ns(); nopen < goal;) {
        while (next < last && live - nopen < 200) {
            C[next].id = (u32)next;
            conn_start(&C[next++]);
        }
        dispatch(100);
        if (refused + errs + bad) die(3, "%s: could not open all connections (%d of %d are open)", o.label, nopen, goal);
        if (nopen != seen) seen = nopen, tp = now_ns();
        if (now_ns() - tp > 15000000000u) die(3, "%s: stalled opening: %d of %d", o.label, nopen, goal);
    }
}
static void spin(double secs) { /* run the loop for a time; restarts churn slots; open-loop sending */
    u64 t0 = now_ns(), end = t0 + (u64)(secs * 1e9), sent = 0, next_sweep = t0;
    u32 rr = 0;
    for (;;) {
        u64 t = now_ns();
        if (t >= end || (o.count && msgs >= o.count)) return;
        if (o.mode == M_CHURN && phase == 1) {
            for (int i = 0; i < o.conns; i++)
                if (C[i].state == S_DEAD || C[i].state == S_NEW) conn_start(&C[i]);
            if (t > next_sweep) {
                next_sweep = t + 100000000u;
                for (int i = 0; i < o.conns; i++) /* the server should close first (RFC 6455 7.1.1) */
                    if (C[i].state == S_CLOSING && C[i].close_rx && C[i].t_start + 500000000u < t) late_close++, conn_kill(&C[i], 0);
                    else if (C[i].state > S_NEW && C[i].state < S_DEAD && C[i].t_start + 5000000000u < t) conn_io_error(&C[i]);
            }
        }
        if (o.rate > 0 && !stop_sending) {
            u64 due = (u64)((double)(t - t0) * o.rate / 1e9);
            for (; sent < due; sent++, rr++) {
                conn *c = &C[rr % (u32)o.conns];
                if (c->wseq - c->rseq >= RING) { errs++; continue; }
                queue_message(c, t0 + (u64)((double)sent * 1e9 / o.rate)); /* latency counts from the due time */
                if (!c->want_out) flush(c);
            }
        }
        u64 left = (end - now_ns()) / 1000000u;
        dispatch(o.rate > 0 ? 0 : left > 100 ? 100 : (int)(left > 1u << 30 ? 0 : left));
        if (o.mode != M_CHURN && o.mode != M_IDLE && live < o.conns + (o.mode == M_FANOUT)) die(1, "%s: lost a connection", o.label);
    }
}
static void close_all(int n) {
    phase = 2;
    for (int i = 0; i < n; i++)
        if (C[i].state == S_OPEN && o.mode != M_RAW) send_close(&C[i]), flush(&C[i]);
        else if (C[i].state != S_DEAD && C[i].state != S_NEW && C[i].state != S_CLOSING) conn_kill(&C[i], 0);
    u64 t = now_ns();
    while (live > 0 && now_ns() - t < 3000000000u) dispatch(50);
    for (int i = 0; i < n; i++)
        if (C[i].fd >= 0 && C[i].state != S_DEAD && C[i].state != S_NEW) late_close++, conn_kill(&C[i], 0);
}

/* ------------------------------------------------------------------ reports */
typedef struct { pstat p; kstat k; double self; u64 t; } snap;
static snap take(int exact) {
    snap s = {.p = p_get(exact), .k = k_get(), .self = self_cpu(), .t = now_ns()};
    return s;
}
static double span(snap a, snap b) { return (double)(b.t - a.t) / 1e9; }
#define J printf
#define ULL (unsigned long long)
static void j_head(void) {
    J("{\"mode\":\"%s\",\"label\":\"%s\",\"conns\":%d,\"size\":%llu,\"depth\":%d,\"type\":\"%s\",\"tls\":%d,\"deflate\":%d", o.modename, o.label, o.conns,
      ULL o.size, o.depth, o.utf8 ? "utf8" : o.text ? "text" : "bin", o.tls, o.deflate + o.takeover);
}
static void j_lat(const char *n, const hist *h) {
    static const struct { const char *n; double q; } Q[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    for (int i = 0; i < 4; i++) J(",\"%s%s_us\":%.1f", n, Q[i].n, h_q(h, Q[i].q));
    J(",\"%smax_us\":%.1f", n, (double)h->max / 1e3);
}
static void j_cpu(snap a, snap b, u64 per) {
    double u = b.p.user - a.p.user, s = b.p.sys - a.p.sys, me = b.self - a.self, t = span(a, b);
    if (srv_n) J(",\"srv_cpu_s\":%.2f,\"srv_user_s\":%.2f,\"srv_sys_s\":%.2f,\"srv_util\":%.3f", u + s, u, s, (u + s) / t);
    if (srv_n && per) J(",\"cpu_us_per\":%.3f", (u + s) * 1e6 / (double)per);
    J(",\"cli_cpu_s\":%.2f,\"cli_util\":%.3f,\"other_util\":%.3f,\"steal_s\":%.2f", me, me / t, (b.k.busy - a.k.busy - me - u - s) / t, b.k.steal - a.k.steal);
}
static void j_tail(void) {
    if (o.deflate) J(",\"uncompressed\":%llu", ULL uncompressed);
    J(",\"errors\":%llu,\"bad\":%llu,\"refused\":%llu,\"late_close\":%llu}\n", ULL errs, ULL bad, ULL refused, ULL late_close);
}
static void run_traffic(void) { /* echo, raw, fanout */
    int fan = o.mode == M_FANOUT, total = o.conns + fan;
    C = xmalloc(sizeof *C * (size_t)total);
    for (int i = 0; i < total; i++) C[i].ts = fan ? NULL : xmalloc(sizeof(u64) * RING);
    open_all(fan, total); /* the subscribers first, then the publisher */
    if (fan) open_all(0, 1), spin(0.2);
    p_scan();
    phase = 1;
    for (int i = 0; i < (fan ? 1 : total) && o.rate <= 0; i++) {
        for (int d = 0; d < o.depth && (!o.count || sent_total < o.count); d++)
            if (fan) publish(now_ns());
            else queue_message(&C[i], now_ns());
        flush(&C[i]);
    }
    if (!o.count) spin(o.warm);
    u64 m = o.count ? 0 : msgs, nb = bytes_in, nf = rx_frames;
    memset(&lat, 0, sizeof lat);
    snap a = take(0);
    spin(o.count ? 600 : o.secs);
    snap b = take(0);
    double secs = span(a, b);
    hist keep = lat;
    m = msgs - m, nb = bytes_in - nb, nf = rx_frames - nf, stop_sending = 1;
    u64 lost = 1, before = 0;
    for (u64 t = now_ns(); lost && now_ns() - t < 3000000000u; dispatch(lost ? 50 : 0)) { /* all that was sent must come back */
        lost = 0;
        for (int i = fan; i < total; i++) lost += (fan ? pub_seq : C[i].wseq) - C[i].rseq;
        if (lost != before) before = lost, t = now_ns(); /* slow is not lost */
    }
    errs += lost + (m == 0);
    j_head();
    J(",\"secs\":%.3f,\"msgs\":%llu,\"msgs_s\":%.0f,\"mb_s\":%.2f,\"wire_in_mb_s\":%.2f,\"frames_per_msg\":%.2f", secs, ULL m, (double)m / secs,
      (double)m * (double)o.size / secs / 1e6, (double)nb / secs / 1e6, m ? (double)nf / (double)m : 0);
    if (o.rate > 0) J(",\"rate\":%.0f", o.rate);
    j_lat("", &keep);
    j_cpu(a, b, m);
    if (srv_n) J(",\"rss_kb\":%ld", p_get(1).rss_kb);
    if (lost) J(",\"lost\":%llu", ULL lost);
    close_all(total);
    j_tail();
}
static void run_idle(void) {
    double n = o.conns;
    C = xmalloc(sizeof *C * (size_t)o.conns);
    if (!o.nsrc) o.nsrc = 1 + o.conns / 10000;
    p_scan();
    snap a = take(1);
    open_all(0, o.conns);
    double topen = (double)(now_ns() - a.t) / 1e9;
    spin(o.hold);
    snap b = take(1);
    spin(o.hold); /* a quiet window: what idle connections cost in CPU */
    snap c = take(1);
    j_head();
    J(",\"open_s\":%.2f,\"open_conns_s\":%.0f,\"open_cpu_us_per\":%.2f", topen, n / topen, (b.p.user + b.p.sys - a.p.user - a.p.sys) * 1e6 / n);
    J(",\"rss0_kb\":%ld,\"rss_kb\":%ld,\"rss_bytes_per_conn\":%.0f", a.p.rss_kb, c.p.rss_kb, (double)(c.p.rss_kb - a.p.rss_kb) * 1024 / n);
    J(",\"kern_slab_bytes_per_conn_both_ends\":%.0f,\"tcp_mem_kb\":%ld", (double)(c.k.slab_kb - a.k.slab_kb) * 1024 / n, c.k.tcp_kb - a.k.tcp_kb);
    j_cpu(b, c, 0);
    if (o.touch) { /* one echo on every connection, then look again */
        u64 want = msgs + (u64)o.conns;
        for (int i = 0; i < o.conns; i++) {
            queue_message(&C[i], 0), flush(&C[i]);
            if (i % 64 == 63) dispatch(0);
        }
        for (u64 t = now_ns(); msgs < want && now_ns() - t < 10000000000u;) dispatch(50);
        errs += want - msgs;
        spin(o.hold);
        J(",\"touched_rss_bytes_per_conn\":%.0f", (double)(p_get(1).rss_kb - a.p.rss_kb) * 1024 / n);
    }
    close_all(o.conns);
    spin(o.hold);
    pstat z = p_get(1);
    J(",\"closed_rss_kb\":%ld,\"fds0\":%ld,\"fds\":%ld,\"closed_fds\":%ld", z.rss_kb, a.p.fds, c.p.fds, z.fds);
    j_tail();
}
static void run_churn(void) {
    static const char *dn[] = {"connect", "request", "open", "frame", "echo"}, *en[] = {"close", "fin", "rst"};
    C = xmalloc(sizeof *C * (size_t)o.conns);
    for (int i = 0; i < o.conns; i++) C[i].id = (u32)i;
    if (!o.nsrc) o.nsrc = 64;
    phase = 1;
    spin(o.warm); /* the allocator and caches reach their working size before the 'before' figures */
    close_all(o.conns);
    spin(o.hold / 2);
    p_scan();
    pstat before = p_get(1);
    memset(&lat, 0, sizeof lat), memset(&lat_open, 0, sizeof lat_open);
    phase = 1, churn_done = 0;
    snap a = take(0);
    spin(o.secs);
    snap b = take(0);
    hist l = lat, lo = lat_open;
    u64 n = churn_done;
    close_all(o.conns);
    spin(o.hold);
    p_scan();
    pstat done = p_get(1);
    errs += n == 0;
    j_head();
    J(",\"drop_at\":\"%s\",\"end\":\"%s\",\"secs\":%.3f,\"cycles\":%llu,\"conns_s\":%.0f", dn[o.drop], en[o.end], span(a, b), ULL n, (double)n / span(a, b));
    j_lat("", &l);
    j_lat("open_", &lo);
    j_cpu(a, b, n);
    if (srv_n) J(",\"rss_before_kb\":%ld,\"rss_after_kb\":%ld,\"fds_before\":%ld,\"fds_after\":%ld", before.rss_kb, done.rss_kb, before.fds, done.fds);
    j_tail();
}

static const char USAGE[] =
    "usage: wsload echo|raw|fanout|idle|churn [options]\n"
    "  --host A --port P --path /x --proto NAME --header 'K: V' --label TEXT\n"
    "  -n conns|subscribers  -s bytes  -d depth  -t seconds  -w warmup seconds\n"
    "  --text | --utf8 | --json (JSON-like bytes, binary frames)   --tls   --deflate [--takeover]\n"
    "  --count M (echo/raw: exactly M messages, no warmup)  --rate R (echo/raw: open loop, R messages/s)\n"
    "  --pub-path /x (fanout: the publisher's path)  --hold SEC  --touch (idle)\n"
    "  --end close|fin|rst  --drop-at connect|request|open|frame|echo (churn)\n"
    "  --srcs K (spread over K source addresses)  --cpu N  --pid PID  --srv-cpu N\n";
static int pick(const char *s, const char *list) { /* index of s in a space-separated list */
    int i = 0;
    for (const char *p = list; *p; i++) {
        size_t n = strcspn(p, " ");
        if (strlen(s) == n && !strncmp(p, s, n)) return i;
        p += n + (p[n] == ' ');
    }
    die(2, "'%s' is none of: %s", s, list);
    return -1;
}
static const struct { const char *name; char type; void *to; } OPT[] = {
    {"n", 'i', &o.conns}, {"s", 'z', &o.size}, {"d", 'i', &o.depth}, {"t", 'f', &o.secs}, {"w", 'f', &o.warm}, {"host", 's', &o.host},
    {"port", 'i', &o.port}, {"path", 's', &o.path}, {"pub-path", 's', &o.pubpath}, {"proto", 's', &o.proto}, {"header", 's', &o.header},
    {"label", 's', &o.label}, {"text", '!', &o.text}, {"utf8", '!', &o.utf8}, {"json", '!', &o.json}, {"tls", '!', &o.tls},
    {"deflate", '!', &o.deflate}, {"takeover", '!', &o.takeover}, {"count", 'z', &o.count}, {"rate", 'f', &o.rate}, {"hold", 'f', &o.hold},
    {"touch", '!', &o.touch}, {"end", 'e', &o.end}, {"drop-at", 'd', &o.drop}, {"srcs", 'i', &o.nsrc}, {"cpu", 'i', &o.cpu},
    {"pid", 'i', &o.pid}, {"srv-cpu", 'i', &o.srvcpu}};
static void parse_options(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i] + (argv[i][0] == '-' ? argv[i][1] == '-' ? 2 : 1 : 0);
        size_t k = 0;
        while (k < sizeof OPT / sizeof *OPT && (a == argv[i] || strcmp(a, OPT[k].name))) k++;
        if (k == sizeof OPT / sizeof *OPT) die(2, "unknown option '%s'\n%s", argv[i], USAGE);
        void *to = OPT[k].to;
        if (OPT[k].type == '!') { *(int *)to = 1; continue; }
        if (++i == argc) die(2, "%s needs a value", argv[i - 1]);
        switch (OPT[k].type) {
        case 'i': *(int *)to = atoi(argv[i]); break;
        case 'z': *(u64 *)to = strtoull(argv[i], NULL, 10); break;
        case 'f': *(double *)to = atof(argv[i]); break;
        case 's': *(const char **)to = argv[i]; break;
        case 'e': *(int *)to = pick(argv[i], "close fin rst"); break;
        case 'd': *(int *)to = pick(argv[i], "connect request open frame echo"); break;
        }
    }
    if (o.utf8) o.text = 1;
    if (o.takeover) o.deflate = 1;
    if (o.drop == D_FRAME && o.end == E_CLOSE) die(2, "--drop-at frame needs --end fin or rst");
}
int main(int argc, char **argv) {
    if (argc < 2 || argv[1][0] == '-') die(2, "%s", USAGE);
    o.modename = argv[1], o.mode = (enum mode)pick(argv[1], "echo raw fanout idle churn");
    parse_options(argc, argv);
    if (o.conns < 1 || o.depth < 1 || o.depth > RING - 1 || o.size < 1) die(2, "-n, -s and -d must be at least 1, -d at most %d", RING - 1);
#ifndef WITH_TLS
    if (o.tls) die(2, "built without WITH_TLS");
#else
    if (o.tls) {
        tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL); /* a load generator for local test servers */
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(tls, 1), SSL_CTX_set_default_read_buffer_len(tls, 65536); /* fewer recv calls */
    }
#endif
#ifndef WITH_ZLIB
    if (o.deflate) die(2, "built without WITH_ZLIB");
#endif
    signal(SIGPIPE, SIG_IGN);
    tick = (double)sysconf(_SC_CLK_TCK), page_kb = sysconf(_SC_PAGESIZE) / 1024;
    struct rlimit rl;
    if (!getrlimit(RLIMIT_NOFILE, &rl)) rl.rlim_cur = rl.rlim_max, setrlimit(RLIMIT_NOFILE, &rl);
    if (o.cpu >= 0) pin((int)getpid(), o.cpu);
    if (o.srvcpu >= 0 && o.pid > 0) {
        p_scan();
        for (int i = 0; i < srv_n; i++) pin(srv_pids[i], o.srvcpu);
    }
    srv = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
    if (inet_pton(AF_INET, o.host, &srv.sin_addr) != 1) die(2, "--host must be an IPv4 address");
    if ((ep = epoll_create1(EPOLL_CLOEXEC)) < 0) die(3, "epoll: %s", strerror(errno));
    make_pattern();
    rnd_state ^= (u32)now_ns() | 1;
    u8 k16[16], dg[20];
    for (int i = 0; i < 16; i++) k16[i] = (u8)(rnd() >> 9);
    b64(k16, 16, key);
    char cat[80];
    snprintf(cat, sizeof cat, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1((const u8 *)cat, strlen(cat), dg);
    b64(dg, 20, accept_want);
    request[0] = make_request(o.path), request[1] = make_request(o.pubpath ? o.pubpath : o.path);
    if (o.mode == M_IDLE) run_idle();
    else if (o.mode == M_CHURN) run_churn();
    else run_traffic();
    return bad ? 1 : errs || refused ? 3 : 0;
}
