#include "agent/serve/web.h"

#include "agent/serve/mhd.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTION_MEMORY = 32 << 10, RUNS_AT_ONCE = 64 };

/* Where a connection stands, and since when: each place has its deadline. */
typedef enum place { WAITS, RECEIVES, IS_JUDGED, SENDS } place;

typedef struct connection {
    struct connection *next, *prev;
    int fd;
    place place;
    int64_t since_ns;
    web_request *request;
    bool cut; /* shut down: it ends at the next turn */
} connection;

struct web_request {
    web_server *server;
    connection *on;
    struct MHD_Connection *mhd;
    char path[128];
    ws_buf body;
    bool complete, suspended, answered, over; /* over: the body is larger than it may be */
    struct MHD_Response *response;
    int status;
    void *kept;
};

struct web_server {
    web_options o;
    struct MHD_Daemon *daemon;
    connection *first;
    int n_open;
    int64_t swept_ns;
    MHD_socket listener; /* not listened on any more; MHD_INVALID_SOCKET: it still is */
};

/* ---- answers ---- */

static struct MHD_Response *make_response(const web_answer *a)
{
    char seconds[16];
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(a->json), (void *)(uintptr_t)a->json, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return NULL;
    MHD_add_response_header(r, "Content-Type", "application/json");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    snprintf(seconds, sizeof seconds, "%d", a->retry_after_s);
    if (a->retry_after_s)
        MHD_add_response_header(r, "Retry-After", seconds);
    if (a->allow)
        MHD_add_response_header(r, "Allow", a->allow);
    if (a->status == 401)
        MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    return r;
}

static void set_place(connection *c, place p)
{
    c->place = p;
    c->since_ns = ws_now_ns();
}

static enum MHD_Result queue(struct MHD_Connection *mhd, connection *on, int status,
                             struct MHD_Response *response)
{
    enum MHD_Result done = response ? MHD_queue_response(mhd, (unsigned)status, response) : MHD_NO;
    if (response)
        MHD_destroy_response(response);
    if (on)
        set_place(on, SENDS);
    return done;
}

void web_request_answer(web_request *r, const web_answer *a)
{
    if (r->answered)
        ws_bug("a request is answered twice");
    r->answered = true;
    r->status = a->status;
    r->response = make_response(a);
    if (!r->suspended)
        return;
    r->suspended = false;
    MHD_resume_connection(r->mhd);
}

/* ---- requests ---- */

static const char *header(struct MHD_Connection *mhd, const char *name)
{
    const char *z = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
    return z ? z : "";
}

static int64_t content_length(struct MHD_Connection *mhd)
{
    const char *z = header(mhd, "Content-Length");
    char *end;
    errno = 0;
    long long n = strtoll(z, &end, 10);
    return *z && !*end && !errno && n >= 0 ? n : -1;
}

static connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

static enum MHD_Result refuse_too_large(web_server *s, struct MHD_Connection *mhd, connection *on)
{
    char json[160];
    snprintf(json, sizeof json,
             "{\"error\":{\"code\":\"too_large\",\"message\":\"the body has more than "
             "%zu bytes\"}}",
             s->o.max_body);
    return queue(mhd, on, 413, make_response(&(web_answer){.status = 413, .json = json}));
}

static enum MHD_Result begin(web_server *s, struct MHD_Connection *mhd, const char *path,
                             const char *method, void **context)
{
    connection *on = connection_of(mhd);
    web_head head = {method, path, header(mhd, "Content-Type"), header(mhd, "Authorization"),
                      header(mhd, "Origin"), content_length(mhd)};
    web_answer refusal = {0};
    if (!on)
        return MHD_NO;
    if (!s->o.begin(s->o.ud, &head, &refusal))
        return queue(mhd, on, refusal.status, make_response(&refusal));
    if (head.content_length > (int64_t)s->o.max_body)
        return refuse_too_large(s, mhd, on);
    web_request *r = ws_calloc(1, sizeof *r);
    *r = (web_request){.server = s, .on = on, .mhd = mhd, .body.max = s->o.max_body + 1};
    snprintf(r->path, sizeof r->path, "%s", path);
    on->request = r;
    s->n_open++;
    *context = r;
    set_place(on, RECEIVES);
    return MHD_YES;
}

/* Called by MHD: once with the head, once for each piece of the body, once when it is whole, and
 * once more when a request that waited goes on. */
static enum MHD_Result handle(void *ud, struct MHD_Connection *mhd, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *n, void **context)
{
    web_server *s = ud;
    web_request *r = *context;
    (void)version;
    if (!r)
        return begin(s, mhd, path, method, context);
    if (*n) {
        if (r->body.n + *n > s->o.max_body)
            r->over = true;
        else
            ws_buf_add(&r->body, data, *n);
        *n = 0;
        return MHD_YES;
    }
    if (r->over)
        return refuse_too_large(s, mhd, r->on);
    if (!r->complete) {
        r->complete = true;
        set_place(r->on, IS_JUDGED);
        s->o.take(s->o.ud, r);
    }
    if (r->answered) {
        struct MHD_Response *response = r->response;
        r->response = NULL;
        return queue(mhd, r->on, r->status, response);
    }
    r->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

static void request_free(web_request *r)
{
    if (r->response)
        MHD_destroy_response(r->response);
    ws_buf_release(&r->body);
    free(r);
}

static void completed(void *ud, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode how)
{
    web_server *s = ud;
    web_request *r = *context;
    connection *on = connection_of(mhd);
    (void)how;
    if (on)
        set_place(on, WAITS);
    if (!r)
        return;
    *context = NULL;
    if (r->complete && !r->answered)
        s->o.gone(s->o.ud, r);
    if (r->on)
        r->on->request = NULL;
    s->n_open--;
    request_free(r);
}

/* ---- connections ---- */

static void notice(void *ud, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode what)
{
    web_server *s = ud;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        connection *c = ws_calloc(1, sizeof *c);
        *c = (connection){.fd = i ? i->connect_fd : -1, .next = s->first};
        if (s->first)
            s->first->prev = c;
        s->first = c;
        set_place(c, WAITS);
        *context = c;
        return;
    }
    connection *c = *context;
    if (!c)
        return;
    if (c->request)
        c->request->on = NULL;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c);
    *context = NULL;
}

/* Whether nobody reads any more on the other side. */
static bool is_gone(const connection *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Who sends a byte every now and then keeps no connection: each place ends by its deadline. */
static void sweep(web_server *s)
{
    const int64_t now = ws_now_ns();
    connection *next;
    if ((double)(now - s->swept_ns) * 1e-9 < 0.5)
        return;
    s->swept_ns = now;
    for (connection *c = s->first; c; c = next) {
        const double seconds = (double)(now - c->since_ns) * 1e-9;
        const double most = c->place == WAITS ? s->o.idle_seconds : s->o.receive_seconds;
        next = c->next;
        if (c->place == IS_JUDGED) {
            web_request *r = c->request;
            if (r && r->suspended && is_gone(c)) {
                s->o.gone(s->o.ud, r);
                web_request_answer(r, &(web_answer){.status = 503, .json = "{}"});
            }
        } else if (seconds > most && !c->cut) {
            ws_log(WS_LOG_INFO, "serve: a connection is cut after %.0f s", seconds);
            c->cut = true;
            shutdown(c->fd, SHUT_RDWR);
        }
    }
}

/* ---- the server ---- */

static void log_mhd(void *ud, const char *format, va_list ap)
{
    ws_buf line = {.max = 500};
    (void)ud;
    ws_buf_vprintf(&line, format, ap);
    while (line.n && line.p[line.n - 1] == '\n')
        line.p[--line.n] = '\0';
    ws_log(WS_LOG_DEBUG, "serve: %s", ws_buf_z(&line));
    ws_buf_release(&line);
}

static bool read_address(const char *text, int port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return true;
}

bool web_is_loopback(const char *address)
{
    struct sockaddr_storage a;
    if (!read_address(address, 0, &a))
        return false;
    if (a.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr);
}

ws_status web_open(const web_options *o, web_server **out, ws_err *err)
{
    struct sockaddr_storage address;
    if (!read_address(o->address, o->port, &address))
        return ws_fail(err, WS_EUSAGE, "'%s' is no numeric address", o->address);
    if (mhd_load(err))
        return err->status;
    web_server *s = ws_calloc(1, sizeof *s);
    s->o = *o;
    s->listener = MHD_INVALID_SOCKET;
    errno = 0;
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0U),
        (uint16_t)o->port, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, notice, s, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 256U, MHD_OPTION_END);
    if (!s->daemon) {
        ws_fail_errno(err, WS_EENV, "cannot listen on %s port %d", o->address, o->port);
        free(s);
        return err->status;
    }
    *out = s;
    return WS_OK;
}

int web_port(const web_server *s)
{
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return i ? i->port : 0;
}

int web_descriptor(const web_server *s)
{
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return i ? i->epoll_fd : -1;
}

void web_run(web_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms;
    sweep(s);
    MHD_run(s->daemon);
    for (int i = 0; i < RUNS_AT_ONCE && MHD_get_timeout(s->daemon, &ms) == MHD_YES && !ms; i++)
        MHD_run(s->daemon);
}

void web_stop_listening(web_server *s)
{
    if (s->listener == MHD_INVALID_SOCKET)
        s->listener = MHD_quiesce_daemon(s->daemon);
}

int web_open_requests(const web_server *s)
{
    return s->n_open;
}

void web_close(web_server *s)
{
    if (!s)
        return;
    for (connection *c = s->first; c; c = c->next)
        if (c->request && c->request->suspended) {
            c->request->answered = true; /* nobody is told */
            c->request->suspended = false;
            MHD_resume_connection(c->request->mhd);
        }
    if (s->listener != MHD_INVALID_SOCKET)
        close(s->listener);
    MHD_stop_daemon(s->daemon);
    free(s);
}

const char *web_request_path(const web_request *r)
{
    return r->path;
}

const char *web_request_body(const web_request *r, size_t *n)
{
    *n = r->body.n;
    return ws_buf_z(&r->body);
}

void web_request_keep(web_request *r, void *data)
{
    r->kept = data;
}

void *web_request_kept(const web_request *r)
{
    return r->kept;
}
