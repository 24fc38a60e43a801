#include "agent/llm/replay.h"

#include "agent/llm/replay_source.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, READ_BYTES = 64 << 10 };

typedef struct connection {
    int fd; /* -1: free */
    ws_buf in;
    bool answering, told_continue, eof;
    wire_response out;
    int piece; /* the one that goes out */
    size_t sent;
    int64_t due_ns;
    replay_note note; /* of the answer that goes out */
    bool unread;      /* it is sent; whether the client took it is not known yet */
} connection;

typedef struct server {
    replay_source *source;
    int listener, port;
    int answers; /* file descriptor, -1: none */
    connection c[MAX_CONNECTIONS];
} server;

struct replay_server {
    pid_t child;
    int port;
};

static volatile sig_atomic_t stopped;

/* ---- connections ---- */

/* One line of the answers' file. `read`: "true" when the client took all of it, "false" when it
 * went away before, "null": not known. */
static void note_answer(const server *s, connection *c, bool sent, const char *read)
{
    ws_buf line = {0};
    const replay_note *n = &c->note;
    c->unread = false;
    if (s->answers < 0)
        return;
    ws_buf_printf(&line,
                  "{\"turn\":%d,\"status\":%d,\"answer\":%s,\"sent\":%s,\"read\":%s,"
                  "\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64 "}\n",
                  n->turn, n->status, n->answer ? "true" : "false", sent ? "true" : "false", read,
                  n->prompt_tokens, n->completion_tokens);
    if (!ws_write_all(s->answers, line.p, line.n))
        ws_log(WS_LOG_ERROR, "replay server: cannot write the answers' file");
    ws_buf_release(&line);
}

/* A peer that closes with bytes unread resets the connection; one that has read all ends it. */
static void drop(const server *s, connection *c, bool reset)
{
    if (c->answering && c->piece < c->out.n_pieces)
        note_answer(s, c, false, "false");
    else if (c->unread)
        note_answer(s, c, true, reset ? "false" : "true");
    close(c->fd);
    ws_buf_release(&c->in);
    wire_response_release(&c->out);
    *c = (connection){.fd = -1};
}

static void begin_answer(connection *c)
{
    c->answering = true;
    c->piece = 0;
    c->sent = 0;
    c->due_ns = ws_now_ns() + (c->out.n_pieces ? c->out.piece[0].wait_ms * 1000000 : 0);
}

static void take_request(server *s, connection *c)
{
    wire_request q;
    int status;
    wire_state st = wire_parse(ws_buf_z(&c->in), c->in.n, &q, &status);
    if (st == WIRE_MORE) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (q.expects_continue && !c->told_continue)
            c->told_continue = send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) > 0;
        return;
    }
    if (st == WIRE_BAD) {
        c->note = (replay_note){.turn = -1, .status = status};
        wire_error(status, "bad_request", "this request cannot be read", false, &c->out);
        ws_buf_reset(&c->in);
    } else {
        replay_source_answer(s->source, &q, &c->out, &c->note);
        memmove(c->in.p, c->in.p + q.bytes, c->in.n - q.bytes);
        c->in.n -= q.bytes;
    }
    c->told_continue = false;
    begin_answer(c);
}

static void send_pieces(server *s, connection *c)
{
    while (c->answering && c->due_ns <= ws_now_ns()) {
        if (c->piece == c->out.n_pieces) {
            bool over = c->out.close;
            wire_response_release(&c->out);
            c->answering = false;
            c->unread = true;
            if (over) {
                note_answer(s, c, true, "null");
                drop(s, c, false);
            } else if (c->in.n) { /* pipelined */
                note_answer(s, c, true, "null");
                take_request(s, c);
            }
            return;
        }
        size_t end = c->out.piece[c->piece].end;
        ssize_t n =
            send(c->fd, c->out.bytes.p + c->sent, end - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            drop(s, c, true);
            return;
        }
        c->sent += (size_t)n;
        if (c->sent == end && ++c->piece < c->out.n_pieces)
            c->due_ns = ws_now_ns() + c->out.piece[c->piece].wait_ms * 1000000;
    }
}

static void receive(server *s, connection *c)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* also while it is being answered: nobody is left to read */
        drop(s, c, n < 0);
        return;
    }
    if (c->unread)
        note_answer(s, c, true, "true");
    ws_buf_add(&c->in, bytes, (size_t)n);
    if (c->in.overflow)
        drop(s, c, false);
    else if (!c->answering)
        take_request(s, c);
}

static void accept_one(server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = 0; fd >= 0 && i < MAX_CONNECTIONS; i++)
        if (s->c[i].fd < 0) {
            s->c[i].fd = fd;
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void serve(server *s)
{
    while (!stopped) {
        struct pollfd p[MAX_CONNECTIONS + 1] = {{.fd = s->listener, .events = POLLIN}};
        int64_t now = ws_now_ns(), wait_ns = 1000000000;
        for (int i = 0; i < MAX_CONNECTIONS; i++) {
            connection *c = &s->c[i];
            bool due = c->answering && c->due_ns <= now;
            p[i + 1] = (struct pollfd){.fd = c->fd, .events = POLLIN};
            if (due)
                p[i + 1].events |= POLLOUT;
            else if (c->answering && c->due_ns - now < wait_ns)
                wait_ns = c->due_ns - now;
        }
        if (poll(p, MAX_CONNECTIONS + 1, (int)((wait_ns + 999999) / 1000000)) < 0 && errno != EINTR)
            break;
        if (stopped)
            break;
        if (p[0].revents & POLLIN)
            accept_one(s);
        for (int i = 0; i < MAX_CONNECTIONS; i++) {
            connection *c = &s->c[i];
            if (p[i + 1].fd >= 0 && (p[i + 1].revents & (POLLIN | POLLHUP | POLLERR)))
                receive(s, c);
            if (c->fd >= 0 && c->answering)
                send_pieces(s, c);
        }
    }
}

/* ---- lifecycle ---- */

static ws_status open_listener(server *s, int port, ws_err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int one = 1;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0)
        return ws_fail_errno(err, WS_EENV, "cannot make a socket");
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->listener, (struct sockaddr *)&at, sizeof at) || listen(s->listener, 64) ||
        getsockname(s->listener, (struct sockaddr *)&at, &size))
        return ws_fail_errno(err, WS_EENV, "cannot listen on 127.0.0.1:%d", port);
    s->port = ntohs(at.sin_port);
    return WS_OK;
}

static void server_free(server *s)
{
    if (!s)
        return;
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        if (s->c[i].fd >= 0)
            drop(s, &s->c[i], false);
    replay_source_close(s->source);
    if (s->answers >= 0)
        close(s->answers);
    if (s->listener >= 0)
        close(s->listener);
    free(s);
}

static ws_status server_new(const replay_options *o, server **out, ws_err *err)
{
    server *s = ws_calloc(1, sizeof *s);
    s->listener = -1;
    s->answers = -1;
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        s->c[i].fd = -1;
    ws_status st = replay_source_open(o, &s->source, err);
    if (!st && o->answers &&
        (s->answers = open(o->answers, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
        st = ws_fail_errno(err, WS_EENV, "cannot write '%s'", o->answers);
    if (!st)
        st = open_listener(s, o->port, err);
    if (st) {
        server_free(s);
        return ws_wrap(err, "replay server");
    }
    *out = s;
    return WS_OK;
}

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

/* In the child. Ctrl-C reaches the whole process group; the parent decides when this ends. */
_Noreturn static void serve_for(pid_t parent, server *s)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    clearenv();
    if (getppid() == parent)
        serve(s);
    _exit(0);
}

ws_status replay_start(const replay_options *o, replay_server **out, ws_err *err)
{
    server *s = NULL;
    *out = NULL;
    if (server_new(o, &s, err))
        return err->status;
    int port = s->port;
    pid_t parent = getpid();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        serve_for(parent, s);
    server_free(s);
    if (child < 0)
        return ws_fail_errno(err, WS_EENV, "replay server: cannot start a process");
    *out = ws_calloc(1, sizeof **out);
    **out = (replay_server){child, port};
    return WS_OK;
}

int replay_port(const replay_server *s)
{
    return s->port;
}

void replay_stop(replay_server *s)
{
    if (!s)
        return;
    /* Not SIGTERM: a child that has only just been forked still has this process's handler. It has
     * nothing to save. */
    kill(s->child, SIGKILL);
    while (waitpid(s->child, NULL, 0) < 0 && errno == EINTR)
        ;
    free(s);
}

ws_status replay_serve(const replay_options *o, ws_err *err)
{
    server *s = NULL;
    struct sigaction a = {.sa_handler = on_stop};
    if (server_new(o, &s, err))
        return err->status;
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    printf("http://127.0.0.1:%d/v1\n", s->port);
    replay_source_print(s->source);
    fflush(stdout);
    serve(s);
    server_free(s);
    return WS_OK;
}
