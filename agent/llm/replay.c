#include "agent/llm/replay.h"

#include "agent/llm/wire.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64, MAX_SCRIPTS = 256, READ_BYTES = 64 << 10 };

typedef struct connection {
    int fd;                /* -1: free */
    ws_buf in;
    bool answering, told_continue, eof;
    wire_response out;
    int piece;             /* the one that goes out */
    size_t sent;
    int64_t due_ns;
} connection;

typedef struct server {
    script *script;
    int n_scripts;
    bool one_script;       /* any model name means it */
    bool no_stream;
    int listener, port;
    int64_t requests;
    connection c[MAX_CONNECTIONS];
} server;

struct replay_server {
    pid_t child;
    int port;
};

static volatile sig_atomic_t stopped;

/* ---- scripts ---- */

bool replay_find_script(const char *spec_name, char *path, int size)
{
    ws_buf p = {0};
    ws_home_path(&p, "agent/replays/");
    for (const char *z = spec_name; *z; z++)
        ws_buf_addc(&p, *z == '/' ? '_' : *z);
    ws_buf_adds(&p, ".json");
    bool found = (int)p.n < size && ws_file_exists(ws_buf_z(&p));
    if (found)
        snprintf(path, (size_t)size, "%s", ws_buf_z(&p));
    ws_buf_release(&p);
    return found;
}

static bool ends_with(const char *z, const char *tail)
{
    size_t n = strlen(z), t = strlen(tail);
    return n >= t && strcmp(z + n - t, tail) == 0;
}

static int is_script(const struct dirent *e)
{
    return ends_with(e->d_name, ".json");
}

static ws_status load_all(server *s, ws_err *err)
{
    ws_buf dir = {0};
    struct dirent **list = NULL;
    ws_home_path(&dir, "agent/replays");
    int n = scandir(ws_buf_z(&dir), &list, is_script, alphasort);
    ws_status st = WS_OK;
    if (n < 0)
        st = ws_fail_errno(err, WS_EENV, "cannot read '%s'", ws_buf_z(&dir));
    else if (n == 0 || n > MAX_SCRIPTS)
        st = ws_fail(err, WS_EENV, "'%s' has %d scripts, expected 1 to %d", ws_buf_z(&dir), n,
                     MAX_SCRIPTS);
    s->script = ws_calloc(n > 0 ? (size_t)n : 1, sizeof *s->script);
    size_t base = dir.n;
    for (int i = 0; i < n; i++) {
        dir.n = base;
        ws_buf_printf(&dir, "/%s", list[i]->d_name);
        if (!st && !(st = script_load(ws_buf_z(&dir), &s->script[s->n_scripts], err)))
            s->n_scripts++;
        free(list[i]);
    }
    free(list);
    ws_buf_release(&dir);
    return st;
}

static ws_status load_scripts(server *s, const replay_options *o, ws_err *err)
{
    if (!o->script)
        return load_all(s, err);
    s->script = ws_calloc(1, sizeof *s->script);
    s->one_script = true;
    if (script_load(o->script, s->script, err))
        return err->status;
    s->n_scripts = 1;
    return WS_OK;
}

static script *find_script(server *s, const char *model)
{
    if (s->one_script)
        return s->script;
    for (int i = 0; i < s->n_scripts; i++)
        if (strcmp(s->script[i].model, model) == 0 ||
            (s->script[i].spec && strcmp(s->script[i].spec, model) == 0))
            return &s->script[i];
    return NULL;
}

/* ---- requests ---- */

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static int64_t prompt_tokens(const cJSON *messages)
{
    const cJSON *m;
    size_t n = 0;
    cJSON_ArrayForEach(m, messages)
    {
        const char *text = cJSON_GetStringValue(get(m, "content"));
        n += text ? strlen(text) : 0;
    }
    return (int64_t)(n + 3) / 4;
}

static void complete(server *s, const wire_request *q, const cJSON *body, wire_response *out)
{
    const char *model = cJSON_GetStringValue(get(body, "model"));
    const cJSON *messages = get(body, "messages");
    char text[256];
    if (!model || !cJSON_IsArray(messages) || !messages->child) {
        wire_error(400, "invalid_request", "the body needs 'model' and 'messages'", q->keep_alive,
                   out);
        return;
    }
    script *sc = find_script(s, model);
    if (!sc) {
        snprintf(text, sizeof text, "no script answers for the model '%.100s'", model);
        wire_error(404, "model_not_found", text, q->keep_alive, out);
        return;
    }
    const script_answer *a = script_take(sc, q->turn);
    ws_log(WS_LOG_INFO, "replay: %s, turn %d", sc->path, q->turn);
    if (!a) {
        snprintf(text, sizeof text, "the script's %d replies are used up", sc->n_turns);
        wire_error(402, "script_exhausted", text, q->keep_alive, out);
        return;
    }
    if (!a->text) {
        wire_json(a->body, a->status ? a->status : 200, a, q->keep_alive, out);
        return;
    }
    bool stream = cJSON_IsTrue(get(body, "stream")) && !s->no_stream;
    wire_completion c = {.model = sc->model,
                         .id = ++s->requests,
                         .created_s = (int64_t)time(NULL),
                         .prompt_tokens = prompt_tokens(messages),
                         .stream = stream,
                         .include_usage =
                             cJSON_IsTrue(get(get(body, "stream_options"), "include_usage")),
                         .keep_alive = q->keep_alive};
    wire_complete(&c, a, out);
}

static void list_models(server *s, const wire_request *q, wire_response *out)
{
    ws_buf text = {0};
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "object", "list");
    cJSON *data = cJSON_AddArrayToObject(root, "data");
    for (int i = 0; i < s->n_scripts; i++) {
        cJSON *m = cJSON_CreateObject();
        cJSON_AddStringToObject(m, "id", s->script[i].model);
        cJSON_AddStringToObject(m, "object", "model");
        cJSON_AddStringToObject(m, "owned_by", "scripted");
        cJSON_AddItemToArray(data, m);
    }
    ws_json_print(root, false, &text);
    cJSON_Delete(root);
    wire_json(ws_buf_z(&text), 200, NULL, q->keep_alive, out);
    ws_buf_release(&text);
}

static void answer(server *s, const wire_request *q, wire_response *out)
{
    if (ends_with(q->path, "/models") && strcmp(q->method, "GET") == 0) {
        list_models(s, q, out);
    } else if (!ends_with(q->path, "/chat/completions")) {
        wire_error(404, "not_found", "this server knows /v1/chat/completions and /v1/models",
                   q->keep_alive, out);
    } else if (strcmp(q->method, "POST") != 0) {
        wire_error(405, "method_not_allowed", "use POST", q->keep_alive, out);
    } else {
        cJSON *body = cJSON_ParseWithLength(q->body.p, q->body.n);
        if (body)
            complete(s, q, body, out);
        else
            wire_error(400, "invalid_json", "the body is not JSON", q->keep_alive, out);
        cJSON_Delete(body);
    }
}

/* ---- connections ---- */

static void drop(connection *c)
{
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
        wire_error(status, "bad_request", "this request cannot be read", false, &c->out);
        ws_buf_reset(&c->in);
    } else {
        answer(s, &q, &c->out);
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
            if (over)
                drop(c);
            else if (c->in.n)
                take_request(s, c); /* pipelined */
            return;
        }
        size_t end = c->out.piece[c->piece].end;
        ssize_t n =
            send(c->fd, c->out.bytes.p + c->sent, end - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            drop(c);
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
        drop(c);
        return;
    }
    ws_buf_add(&c->in, bytes, (size_t)n);
    if (c->in.overflow)
        drop(c);
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
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
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
            drop(&s->c[i]);
    for (int i = 0; i < s->n_scripts; i++)
        script_release(&s->script[i]);
    free(s->script);
    if (s->listener >= 0)
        close(s->listener);
    free(s);
}

static ws_status server_new(const replay_options *o, server **out, ws_err *err)
{
    server *s = ws_calloc(1, sizeof *s);
    s->listener = -1;
    s->no_stream = o->no_stream;
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        s->c[i].fd = -1;
    ws_status st = load_scripts(s, o, err);
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
    for (int i = 0; i < s->n_scripts; i++)
        printf("%s: %d scripted replies from %s\n", s->script[i].model, s->script[i].n_turns,
               s->script[i].path);
    fflush(stdout);
    serve(s);
    server_free(s);
    return WS_OK;
}
