/* A model server that misbehaves as it is told: raw sockets, one thread a connection. A request's
 * path begins with /<row>/<variant>, which name what is played (one answer for each request, the
 * last one again and again) and where the request is counted. */
#ifndef TESTS_LLM_SERVER_H
#define TESTS_LLM_SERVER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_ROWS = 128, SERVER_VARIANTS = 8, SERVER_REQUESTS = 64 };

typedef enum server_framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE } server_framing;

/* One answer. The body is made by the row's maker when `body` is NULL. */
typedef struct server_play {
    int status;          /* 0: 200 */
    const char *headers; /* "Name: value\r\n" each */
    const char *body;
    int what; /* for the maker of bodies */
    server_framing framing;
    int step;           /* bytes in one chunk or write; 0: all */
    int step_ms;        /* between them */
    int cut;            /* percent of the body after which it ends; 0: never */
    bool clean;         /* the cut looks like an end */
    bool reset;         /* the cut is a reset */
    int stall_ms;       /* before the head */
    int pause_ms;       /* in the middle of the body */
    int linger_ms;      /* after the body, before the framing's end */
    const char *filler; /* sent again and again in that pause, every 20 ms */
    const char *before; /* bytes before the head: 1xx responses */
    bool http10, gzip, no_answer;
    bool slow_date; /* adds Retry-After with the date 2 s from now */
} server_play;

typedef struct server_request {
    int64_t ns;
    char path[128];
    char *head, *body;
} server_request;

typedef void (*server_maker)(int variant, int what, ws_buf *out);

typedef struct llm_server {
    int listener, port;
    server_maker make;
    const server_play *play[SERVER_ROWS]; /* by row */
    int n_plays[SERVER_ROWS];
    pthread_mutex_t lock;
    server_request request[SERVER_ROWS][SERVER_VARIANTS][SERVER_REQUESTS];
    int n[SERVER_ROWS][SERVER_VARIANTS];
    int open, most_open[SERVER_ROWS]; /* requests between their arrival and their answer */
} llm_server;

typedef struct server_connection {
    llm_server *s;
    int fd;
} server_connection;

/* ---- sending ---- */

static bool server_send(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static uint32_t server_crc(const char *p, size_t n)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void server_add_le(ws_buf *out, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        ws_buf_addc(out, (char)(v >> 8 * i));
}

/* RFC 1952 with stored blocks (RFC 1951, section 3.2.4). */
static void server_gzip(ws_buf *b)
{
    ws_buf z = {0};
    ws_buf_add(&z, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    for (size_t at = 0; at < b->n || !at; at += 65535) {
        size_t n = b->n - at < 65535 ? b->n - at : 65535;
        ws_buf_addc(&z, at + n == b->n);
        server_add_le(&z, (uint32_t)n, 2);
        server_add_le(&z, (uint32_t)~n, 2);
        ws_buf_add(&z, b->p + at, n);
    }
    server_add_le(&z, server_crc(b->p, b->n), 4);
    server_add_le(&z, (uint32_t)b->n, 4);
    ws_buf_release(b);
    *b = z;
}

static bool server_send_piece(int fd, const server_play *p, const char *bytes, size_t n)
{
    char size[32];
    if (p->framing != BY_CHUNKS)
        return server_send(fd, bytes, n);
    return server_send(fd, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n)) &&
           server_send(fd, bytes, n) && server_send(fd, "\r\n", 2);
}

static bool server_pause(int fd, const server_play *p)
{
    int64_t start = ws_now_ns();
    while (p->filler && ws_seconds_since(start) * 1e3 < p->pause_ms) {
        if (!server_send_piece(fd, p, p->filler, strlen(p->filler)))
            return false;
        ws_sleep_ms(20);
    }
    if (!p->filler)
        ws_sleep_ms(p->pause_ms);
    return true;
}

static void server_head(const server_play *p, size_t n, ws_buf *out)
{
    int status = p->status ? p->status : 200;
    char date[64];
    time_t when = time(NULL) + 2;
    struct tm t;
    ws_buf_printf(out, "%sHTTP/1.%d %d Words\r\n%s", p->before ? p->before : "", !p->http10, status,
                  p->headers ? p->headers : "Content-Type: application/octet-stream\r\n");
    if (p->slow_date &&
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &t)))
        ws_buf_printf(out, "Retry-After: %s\r\n", date);
    if (p->gzip)
        ws_buf_adds(out, "Content-Encoding: gzip\r\n");
    if (p->framing == BY_LENGTH && !p->http10)
        ws_buf_printf(out, "Content-Length: %zu\r\n", n);
    else if (p->framing == BY_CHUNKS)
        ws_buf_adds(out, "Transfer-Encoding: chunked\r\n");
    else
        ws_buf_adds(out, "Connection: close\r\n");
    ws_buf_adds(out, "\r\n");
}

/* True: the connection goes on. */
static bool server_answer(int fd, const server_play *p, ws_buf *body)
{
    ws_buf head = {0};
    if (p->gzip)
        server_gzip(body);
    size_t n = p->cut ? body->n * (size_t)p->cut / 100 : body->n, at = 0;
    bool paused = false;
    ws_sleep_ms(p->stall_ms);
    server_head(p, p->clean ? n : body->n, &head);
    bool sent = server_send(fd, head.p, head.n);
    ws_buf_release(&head);
    while (sent && at < n) {
        size_t step = p->step && (size_t)p->step < n - at ? (size_t)p->step : n - at;
        if (p->pause_ms && !paused && step > n / 2 - at)
            step = n / 2 > at ? n / 2 - at : step;
        sent = server_send_piece(fd, p, body->p + at, step);
        at += step;
        if (sent && p->pause_ms && !paused && at >= n / 2) {
            sent = server_pause(fd, p);
            paused = true;
        }
        ws_sleep_ms(p->step_ms);
    }
    if (p->reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (!sent || (p->cut && !p->clean))
        return false;
    ws_sleep_ms(p->linger_ms);
    if (p->framing == BY_CHUNKS)
        sent = server_send(fd, "0\r\n\r\n", 5);
    return sent && p->framing != BY_CLOSE && !p->http10;
}

/* ---- receiving ---- */

/* Head and body of the next request, malloc'ed; false: the peer is gone. */
static bool server_receive(int fd, ws_buf *in, char **head, char **body)
{
    char bytes[16384];
    for (;;) {
        const char *end = in->p ? strstr(in->p, "\r\n\r\n") : NULL;
        const char *length = in->p ? strcasestr(in->p, "content-length:") : NULL;
        if (end && length) {
            size_t h = (size_t)(end + 4 - in->p), n = strtoul(length + 15, NULL, 10);
            if (in->n >= h + n) {
                *head = ws_strndup(in->p, h);
                *body = ws_strndup(in->p + h, n);
                ws_buf_reset(in);
                return true;
            }
        }
        ssize_t k = recv(fd, bytes, sizeof bytes, 0);
        if (k <= 0)
            return false;
        ws_buf_add(in, bytes, (size_t)k);
    }
}

/* What is played for this request; NULL: none. */
static const server_play *server_note(llm_server *s, char *head, char *body, int *variant, int *row)
{
    const server_play *p = NULL;
    char path[128] = "";
    if (sscanf(head, "POST %127s", path) != 1 || sscanf(path, "/%d/%d", row, variant) != 2 ||
        *row < 0 || *row >= SERVER_ROWS || *variant < 0 || *variant >= SERVER_VARIANTS)
        return NULL;
    pthread_mutex_lock(&s->lock);
    int *n = &s->n[*row][*variant];
    if (*n < SERVER_REQUESTS) {
        server_request *r = &s->request[*row][*variant][*n];
        *r = (server_request){.ns = ws_now_ns(), .head = head, .body = body};
        snprintf(r->path, sizeof r->path, "%s", path);
    }
    if (s->n_plays[*row])
        p = &s->play[*row][*n < s->n_plays[*row] ? *n : s->n_plays[*row] - 1];
    ++*n;
    if (++s->open > s->most_open[*row])
        s->most_open[*row] = s->open;
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void *server_serve(void *ud)
{
    server_connection c = *(server_connection *)ud;
    char *head, *body;
    ws_buf in = {0};
    bool more = true;
    free(ud);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (more && server_receive(c.fd, &in, &head, &body)) {
        int variant = 0, row = 0;
        const server_play *p = server_note(c.s, head, body, &variant, &row);
        ws_buf answer = {0};
        if (p && p->body)
            ws_buf_adds(&answer, p->body);
        else if (p && !p->no_answer)
            c.s->make(variant, p->what, &answer);
        more = p && !p->no_answer && server_answer(c.fd, p, &answer);
        pthread_mutex_lock(&c.s->lock);
        c.s->open--;
        pthread_mutex_unlock(&c.s->lock);
        ws_buf_release(&answer);
    }
    ws_buf_release(&in);
    close(c.fd);
    return NULL;
}

static void *server_accept(void *ud)
{
    llm_server *s = ud;
    for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0;) {
        server_connection *c = ws_malloc(sizeof *c);
        pthread_t thread;
        *c = (server_connection){s, fd};
        pthread_create(&thread, NULL, server_serve, c);
        pthread_detach(thread);
    }
    return NULL;
}

/* A listening socket on loopback; its port. */
static int server_listen(int backlog, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, backlog) ||
        getsockname(fd, (struct sockaddr *)&at, &size))
        printf("Bail out! no socket\n"), exit(1);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Runs until the process ends. */
static void server_start(llm_server *s, server_maker make)
{
    pthread_t thread;
    s->make = make;
    pthread_mutex_init(&s->lock, NULL);
    s->listener = server_listen(64, &s->port);
    pthread_create(&thread, NULL, server_accept, s);
    pthread_detach(thread);
}

#endif
