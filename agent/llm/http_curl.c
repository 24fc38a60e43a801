/* HTTP by libcurl: addresses, a request's options and headers, and what curl says of its end. */
#include "agent/llm/http_state.h"

#include "base/mem.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* No server has so much to say before its answer. */
enum { MAX_HEADER_BYTES = 256 << 10 };

/* ---- addresses ---- */

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

/* ---- the pool ---- */

ws_status http_curl_open(http_pool *p, ws_err *err)
{
    struct sigaction old;
    if (curl_load(err))
        return err->status;
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return ws_fail(err, WS_EENV, "libcurl cannot be initialised");
    p->multi = curl_multi_init();
    if (!p->multi)
        return ws_fail(err, WS_EENV, "libcurl has no multi handle");
    /* A TLS write to a closed peer raises it, and curl is told to keep off signals. */
    if (!sigaction(SIGPIPE, NULL, &old) && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)p->o.max_connections);
    return WS_OK;
}

void http_curl_close(http_pool *p)
{
    if (p->multi)
        curl_multi_cleanup(p->multi);
}

/* ---- callbacks ---- */

int http_curl_status(const http_transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

bool http_curl_sent(const http_transfer *t)
{
    long bytes = 0;
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ud)
{
    http_transfer *t = ud;
    int status = http_curl_status(t);
    cassette_add_frame(t->tape, http_seconds(t) * 1e3, bytes, size * count);
    return http_take_body(t, status, bytes, size * count) ? size * count : 0;
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

/* ---- requests ---- */

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

ws_status http_curl_start(http_transfer *t, ws_err *err)
{
    t->easy = curl_easy_init();
    if (!t->easy || !add_headers(t))
        return ws_fail(err, WS_EENV, "libcurl cannot make a request");
    set_options(t);
    CURLMcode rc = curl_multi_add_handle(t->pool->multi, t->easy);
    if (rc)
        return ws_fail(err, WS_EENV, "libcurl cannot start a request: %s", curl_multi_strerror(rc));
    return WS_OK;
}

void http_curl_stop(http_transfer *t)
{
    curl_multi_remove_handle(t->pool->multi, t->easy);
}

void http_curl_free(http_transfer *t)
{
    if (t->easy) {
        curl_multi_remove_handle(t->pool->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    for (struct curl_slist *h = t->header; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    if (t->header)
        curl_slist_free_all(t->header);
}

/* ---- ends ---- */

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
    int status = http_curl_status(t);
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

void http_curl_perform(http_pool *p)
{
    CURLMsg *m;
    int running, left;
    curl_multi_perform(p->multi, &running);
    while ((m = curl_multi_info_read(p->multi, &left))) {
        http_transfer *t = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = m->data.result; /* `m` dies with the handle's removal */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        end_by_curl(t, rc);
    }
}

/* On curl's sockets and on the caller's. */
void http_curl_wait(http_pool *p, const struct pollfd *fd, int n_fds, int wait_ms)
{
    struct curl_waitfd *extra = ws_calloc((size_t)n_fds + 1, sizeof *extra);
    for (int i = 0; i < n_fds; i++)
        extra[i] = (struct curl_waitfd){.fd = fd[i].fd,
                                        .events = (fd[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
                                                  (fd[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)};
    curl_multi_poll(p->multi, extra, (unsigned)n_fds, wait_ms, NULL);
    free(extra);
}
