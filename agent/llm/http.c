#include "agent/llm/http_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* How long a transfer may take to end after its message is complete, and between the answer's last
 * word and what some servers send after it (usage, [DONE]). */
static const double SETTLE_S = 0.2, ENDING_S = 10.0;
/* No server has so much to say before its answer. */
enum { MAX_HEADER_BYTES = 256 << 10 };

/* ---- pool ---- */

/* URLs are archived and printed: a key must not be part of one. */
static bool holds_secret(const char *query)
{
    static const char *const words[] = {"key=", "token=", "secret=", "password=", "sig=", NULL};
    for (int i = 0; words[i]; i++)
        if (strcasestr(query, words[i]))
            return true;
    return false;
}

ws_status http_url_parse(const char *url, http_url *out, ws_err *err)
{
    char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL;
    if (curl_load(err))
        return err->status;
    CURLU *u = curl_url();
    ws_status st = WS_OK;
    if (!u || curl_url_set(u, CURLUPART_URL, url, 0) ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(u, CURLUPART_HOST, &host, 0)) {
        st = ws_fail(err, WS_EUSAGE, "the base URL is not a URL like https://host/v1");
    } else if (strcmp(scheme, "http") && strcmp(scheme, "https")) {
        st = ws_fail(err, WS_EUSAGE, "the base URL's scheme is '%s', not http or https", scheme);
    } else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        st = ws_fail(err, WS_EUSAGE, "the base URL holds a user name");
        ws_hint(err, "give the key in OPENAI_API_KEY or --api-key-file");
    } else if (curl_url_get(u, CURLUPART_QUERY, &query, 0) == CURLUE_OK && holds_secret(query)) {
        st = ws_fail(err, WS_EUSAGE, "the base URL's query holds a key, which would be stored");
        ws_hint(err, "give the key in OPENAI_API_KEY or --api-key-file");
    } else {
        *out = (http_url){.tls = strcmp(scheme, "https") == 0,
                          .azure = query && strstr(query, "api-version="),
                          .loopback = strcasecmp(host, "localhost") == 0 ||
                                      strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0};
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(query);
    curl_url_cleanup(u);
    return st;
}

ws_status http_open(const http_options *o, http_pool **out, ws_err *err)
{
    struct sigaction old;
    if (curl_load(err))
        return err->status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return ws_fail(err, WS_EENV, "libcurl cannot be initialised");
    CURLM *multi = curl_multi_init();
    if (!multi)
        return ws_fail(err, WS_EENV, "libcurl has no multi handle");
    /* A TLS write to a closed peer raises it, and curl is told to keep off signals. */
    if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)o->max_connections);
    http_pool *p = ws_calloc(1, sizeof *p);
    p->multi = multi;
    p->o = *o;
    *out = p;
    return WS_OK;
}

void http_close(http_pool *p)
{
    if (!p)
        return;
    while (p->first)
        http_free(p->first);
    curl_multi_cleanup(p->multi);
    free(p);
}

/* ---- callbacks ---- */

bool http_take_body(http_transfer *t, int status, const char *bytes, size_t n)
{
    t->body_bytes += (int64_t)n;
    if (t->settled_ns)
        return true;
    if (t->body_bytes > t->r.max_body_bytes) {
        t->too_large = true;
        return false;
    }
    switch (t->r.receive(t->r.ud, status, bytes, n)) {
    case HTTP_TAKE_NOTHING:
        break;
    case HTTP_TAKE_ENDING:
        t->ending = true;
        t->progress_ns = ws_now_ns();
        break;
    case HTTP_TAKE_PROGRESS:
        t->progress_ns = ws_now_ns();
        break;
    case HTTP_TAKE_SETTLED:
        t->settled_ns = ws_now_ns();
        break;
    case HTTP_TAKE_TOO_LARGE:
        t->too_large = true;
        return false;
    }
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ud)
{
    http_transfer *t = ud;
    long status = 0;
    cassette_add_frame(t->tape, http_seconds(t) * 1e3, bytes, size * count);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return http_take_body(t, (int)status, bytes, size * count) ? size * count : 0;
}

/* Of the response, 0: none so far. */
static int status_of(const http_transfer *t)
{
    long status = 0;
    if (t->played)
        return t->played->status;
    if (t->easy)
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

void http_take_header(http_transfer *t, ws_str line)
{
    http_response *r = &t->response;
    if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) { /* a new response after 1xx */
        header_limits_init(&r->limits);
        r->request_id[0] = r->location[0] = '\0';
        cassette_new_response(t->tape);
    } else if (!header_limits_read(&r->limits, line) &&
               !header_value(line, "x-request-id", r->request_id, sizeof r->request_id) &&
               !header_value(line, "request-id", r->request_id, sizeof r->request_id)) {
        header_value(line, "location", r->location, sizeof r->location);
    }
    cassette_add_header(t->tape, line.p, line.n);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ud)
{
    http_transfer *t = ud;
    t->header_bytes += (int64_t)(size * count);
    if (t->header_bytes > MAX_HEADER_BYTES) {
        t->too_large = true;
        return 0;
    }
    http_take_header(t, (ws_str){bytes, size * count});
    return size * count;
}

/* ---- transfers ---- */

static bool add_header(http_transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->header, line);
    if (more)
        t->header = more;
    return more != NULL;
}

/* "<name><key>", of which no copy stays. */
static bool add_key(http_transfer *t, const char *name)
{
    ws_buf line = {0};
    ws_buf_printf(&line, "%s%s", name, t->r.key);
    bool all = add_header(t, ws_buf_z(&line));
    explicit_bzero(line.p, line.cap);
    ws_buf_release(&line);
    return all;
}

static bool add_headers(http_transfer *t)
{
    static const struct {
        unsigned bit;
        const char *name;
    } key[] = {{HTTP_KEY_BEARER, "Authorization: Bearer "},
               {HTTP_KEY_X_API_KEY, "x-api-key: "},
               {HTTP_KEY_AZURE, "api-key: "}};
    bool all = add_header(t, "Content-Type: application/json") && add_header(t, "Expect:") &&
               add_header(t, t->r.stream ? "Accept: text/event-stream, application/json"
                                         : "Accept: application/json");
    for (const char *const *h = t->r.header; all && h && *h; h++)
        all = add_header(t, *h);
    for (size_t i = 0; i < WS_COUNT(key) && t->r.key && *t->r.key; i++)
        if (all && (t->r.key_headers & key[i].bit))
            all = add_key(t, key[i].name);
    t->r.header = NULL;
    return all;
}

static void set_options(http_transfer *t)
{
    CURL *e = t->easy;
    const char *ca = getenv("SSL_CERT_FILE"); /* as curl's own program does */
    if (!ca || !*ca)
        ca = getenv("CURL_CA_BUNDLE");
    curl_easy_setopt(e, CURLOPT_URL, t->r.url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* On a connection that was used before, curl sends a request again by itself when the peer
     * closes it without a word: a second request that nobody counts, and that may be billed. */
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "warpsmith");
    /* Asks for plain text, and decodes what a proxy compresses all the same. */
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->r.body);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->r.body_bytes);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->header);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(t->r.connect_s * 1e3));
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    if (t->r.direct)
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    if (ca && *ca)
        curl_easy_setopt(e, CURLOPT_CAINFO, ca);
}

ws_status http_start(http_pool *p, const http_request *r, http_transfer **out, ws_err *err)
{
    http_transfer *t = ws_calloc(1, sizeof *t);
    t->pool = p;
    t->r = *r;
    t->start_ns = ws_now_ns();
    header_limits_init(&t->response.limits);
    t->next = p->first;
    p->first = t;
    if (http_tape_replay(t)) {
        *out = t;
        return WS_OK;
    }
    t->easy = curl_easy_init();
    if (!t->easy || !add_headers(t)) {
        http_free(t);
        return ws_fail(err, WS_EENV, "libcurl cannot make a request");
    }
    set_options(t);
    CURLMcode rc = curl_multi_add_handle(p->multi, t->easy);
    if (rc) {
        http_free(t);
        return ws_fail(err, WS_EENV, "libcurl cannot start a request: %s", curl_multi_strerror(rc));
    }
    http_tape_begin(t);
    *out = t;
    return WS_OK;
}

void http_free(http_transfer *t)
{
    if (!t)
        return;
    if (t->tape)
        t->response.status = status_of(t);
    http_tape_end(t, CASSETTE_CANCELLED);
    for (http_transfer **p = &t->pool->first; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    if (t->easy) {
        curl_multi_remove_handle(t->pool->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    for (struct curl_slist *h = t->header; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(t->header);
    free(t);
}

const http_response *http_result(const http_transfer *t)
{
    return &t->response;
}

double http_seconds(const http_transfer *t)
{
    return ws_seconds_since(t->start_ns);
}

void *http_context(const http_transfer *t)
{
    return t->r.ud;
}

/* ---- ends ---- */

void http_end_transfer(http_transfer *t, http_end how, const char *fmt, ...)
{
    long bytes = 0;
    va_list ap;
    if (t->easy)
        curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
    t->response.sent = t->played ? t->played->sent : bytes > 0;
    t->response.status = status_of(t);
    t->response.end = how;
    t->response.seconds = t->played ? t->played->end_ms * 1e-3 : http_seconds(t);
    va_start(ap, fmt);
    vsnprintf(t->response.error, sizeof t->response.error, fmt, ap);
    va_end(ap);
    t->ended = true;
    if (t->easy)
        curl_multi_remove_handle(t->pool->multi, t->easy);
    http_tape_end(t, how == HTTP_COMPLETE  ? CASSETTE_COMPLETE
                     : how == HTTP_FAILED  ? CASSETTE_FAILED
                     : how == HTTP_CUT     ? CASSETTE_CUT
                     : how == HTTP_STALLED ? CASSETTE_STALLED
                                           : CASSETTE_TOO_LARGE);
}

/* Retries that make sense after a failure to connect: a name may resolve the second time, a
 * certificate does not get better. */
static int retries_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return 1;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return 0;
    default:
        return 1000;
    }
}

static void end_by_curl(http_transfer *t, CURLcode rc)
{
    const char *why = t->curl_error[0] ? t->curl_error : curl_easy_strerror(rc);
    int status = status_of(t);
    t->response.worth_retrying = retries_of(rc);
    if (t->too_large)
        http_end_transfer(t, HTTP_TOO_LARGE, "the reply is larger than the limit");
    else if (rc == CURLE_OK || t->settled_ns)
        http_end_transfer(t, HTTP_COMPLETE, "%s", "");
    else if (t->body_bytes > 0 || status > 0)
        http_end_transfer(t, HTTP_CUT, "%s", why);
    else
        http_end_transfer(t, HTTP_FAILED, "%s", why);
}

static void collect(http_pool *p)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(p->multi, &left))) {
        http_transfer *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = m->data.result; /* `m` dies with the handle's removal */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        end_by_curl(t, rc);
    }
}

/* ---- timers ---- */

/* Seconds until a timer of `t` runs out, and which: 0 first byte, 1 idle, 2 total, 3 settle. */
static double time_left(const http_transfer *t, int *which)
{
    double left[4] = {(double)INFINITY, (double)INFINITY,
                      t->r.total_s - ws_seconds_since(t->start_ns), (double)INFINITY};
    double idle_s = t->ending ? fmin(t->r.idle_s, ENDING_S) : t->r.idle_s;
    if (t->progress_ns)
        left[1] = idle_s - ws_seconds_since(t->progress_ns);
    else
        left[0] = t->r.first_byte_s - ws_seconds_since(t->start_ns);
    if (t->settled_ns)
        left[3] = SETTLE_S - ws_seconds_since(t->settled_ns);
    *which = 0;
    for (int i = 1; i < 4; i++)
        if (left[i] < left[*which])
            *which = i;
    return left[*which];
}

/* Ends what is over time; seconds until the next timer. */
static double check_timers(http_pool *p)
{
    double nearest = 3600;
    int which;
    for (http_transfer *t = p->first; t; t = t->next) {
        if (t->ended || t->played)
            continue;
        double left = time_left(t, &which);
        if (left > 0)
            nearest = left < nearest ? left : nearest;
        else if (t->settled_ns || (t->ending && which == 1))
            http_end_transfer(t, HTTP_COMPLETE, "%s", "");
        else if (which == 0)
            http_end_transfer(t, HTTP_STALLED, "no data within %g s", t->r.first_byte_s);
        else if (which == 1)
            http_end_transfer(t, HTTP_STALLED, "no data for %g s in the middle of the reply",
                              t->r.idle_s);
        else
            http_end_transfer(t, HTTP_STALLED, "the reply was not complete after %g s",
                              t->r.total_s);
    }
    return nearest;
}

static http_transfer *take_ended(http_pool *p)
{
    for (http_transfer *t = p->first; t; t = t->next)
        if (t->ended && !t->delivered) {
            t->delivered = true;
            return t;
        }
    return NULL;
}

/* Waits on curl's sockets and on the caller's; true: one of the caller's is ready. */
static bool wait_for(http_pool *p, struct pollfd *fd, int n_fds, int wait_ms)
{
    struct curl_waitfd *extra = ws_calloc((size_t)n_fds + 1, sizeof *extra);
    bool ready = false;
    for (int i = 0; i < n_fds; i++)
        extra[i] = (struct curl_waitfd){.fd = fd[i].fd,
                                        .events = (fd[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                                                  (fd[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)};
    curl_multi_poll(p->multi, extra, (unsigned)n_fds, wait_ms, NULL);
    free(extra);
    if (n_fds && poll(fd, (nfds_t)n_fds, 0) > 0) /* with hang-ups, which curl does not tell */
        ready = true;
    return ready;
}

http_transfer *http_poll_with(http_pool *p, struct pollfd *fd, int n_fds, int timeout_ms,
                              bool *ready)
{
    int64_t start = ws_now_ns();
    *ready = false;
    for (;;) {
        int running;
        curl_multi_perform(p->multi, &running);
        collect(p);
        double timer_s = fmin(check_timers(p), fmax(http_tape_play(p), 0));
        http_transfer *t = take_ended(p);
        double left_ms = timeout_ms - ws_seconds_since(start) * 1e3;
        if (t || left_ms <= 0 || *ready)
            return t;
        *ready = wait_for(p, fd, n_fds, (int)ceil(fmin(left_ms, timer_s * 1e3)));
    }
}
