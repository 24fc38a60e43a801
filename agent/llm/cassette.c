#include "agent/llm/cassette_state.h"
#include "agent/llm/keeper.h"

#include "agent/version.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_SECRET = 8 }; /* servers without keys are given words like EMPTY */

/* ---- an exchange ---- */

void cassette_exchange_free(cassette_exchange *x)
{
    if (!x)
        return;
    ws_buf_release(&x->method);
    ws_buf_release(&x->url);
    ws_buf_release(&x->body);
    ws_buf_release(&x->request_headers);
    ws_buf_release(&x->headers);
    ws_buf_release(&x->bytes);
    ws_buf_release(&x->error);
    free(x->frame);
    free(x->model);
    free(x);
}

const char *cassette_end_name(cassette_end e)
{
    static const char *const names[] = {"complete", "failed",    "cut",
                                        "stalled",  "too_large", "cancelled"};
    return names[e];
}

/* Headers whose value is kept. All that is not listed may hold a secret or name a person. */
static bool may_keep(const char *line, size_t n)
{
    static const char *const names[] = {"accept",
                                        "content-type",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "user-agent",
                                        "date",
                                        "anthropic-version",
                                        "anthropic-beta",
                                        "x-warpsmith-turn",
                                        "retry-after",
                                        "retry-after-ms",
                                        "x-should-retry",
                                        "x-request-id",
                                        "request-id",
                                        "openai-processing-ms",
                                        "openai-version",
                                        "content-encoding",
                                        NULL};
    static const char *const families[] = {"x-ratelimit-", "anthropic-ratelimit-", NULL};
    const char *colon = memchr(line, ':', n);
    size_t length = colon ? (size_t)(colon - line) : 0;
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], line, length) == 0)
            return true;
    for (int i = 0; families[i]; i++)
        if (length > strlen(families[i]) &&
            strncasecmp(families[i], line, strlen(families[i])) == 0)
            return true;
    return false;
}

static void add_line(ws_buf *to, const char *line, size_t n)
{
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
        n--;
    const char *colon = memchr(line, ':', n);
    if (!colon)
        return;
    if (may_keep(line, n)) {
        ws_buf_add(to, line, n);
    } else {
        ws_buf_add(to, line, (size_t)(colon - line));
        ws_buf_adds(to, ": [redacted]");
    }
    ws_buf_addc(to, '\n');
}

void cassette_add_request_header(cassette_exchange *x, const char *line)
{
    if (x)
        add_line(&x->request_headers, line, strlen(line));
}

void cassette_add_header(cassette_exchange *x, const char *line, size_t n)
{
    if (x)
        add_line(&x->headers, line, n);
}

void cassette_new_response(cassette_exchange *x)
{
    if (x)
        ws_buf_reset(&x->headers);
}

void cassette_add_frame(cassette_exchange *x, double at_ms, const char *bytes, size_t n)
{
    if (!x || !n)
        return;
    ws_buf_add(&x->bytes, bytes, n);
    WS_GROW(x->frame, x->n_frames, x->cap_frames);
    x->frame[x->n_frames++] = (cassette_frame){x->bytes.n, at_ms};
}

/* ---- recording ---- */

static ws_status write_line(cassette *c, const ws_buf *line, ws_err *err)
{
    if (line->overflow)
        return ws_fail(err, WS_ELIMIT, "recording '%s': an exchange is too large", c->path);
    if (!ws_write_all(c->fd, line->p, line->n) || fdatasync(c->fd))
        return ws_fail_errno(err, WS_EENV, "cannot record to '%s'", c->path);
    return WS_OK;
}

static ws_status write_header(cassette *c, const char *run_json, ws_err *err)
{
    ws_buf line = {0};
    cJSON *run = run_json ? cJSON_Parse(run_json) : cJSON_CreateObject();
    if (!run)
        return ws_fail(err, WS_EBUG, "recording '%s': the run's description is not JSON", c->path);
    c->header = cJSON_CreateObject();
    cJSON_AddNumberToObject(c->header, "cassette", 1);
    cJSON_AddItemToObject(c->header, "run", run);
    cJSON_AddStringToObject(c->header, "warpsmith", WARPSMITH_VERSION);
    ws_json_print(c->header, false, &line);
    ws_buf_addc(&line, '\n');
    ws_status st = write_line(c, &line, err);
    ws_buf_release(&line);
    return st;
}

/* What was recorded before stays; a torn last line goes. */
static ws_status go_on(cassette *c, int64_t size, ws_err *err)
{
    int64_t whole = 0;
    if (cassette_load(c, &whole, err))
        return err->status;
    if (whole < size && ftruncate(c->fd, whole))
        return ws_fail_errno(err, WS_EENV, "cannot cut the torn last line off '%s'", c->path);
    return WS_OK;
}

/* A header alone, or the beginning of one: of a recorder that was killed before its first exchange.
 */
static bool holds_nothing(const cassette *c, int64_t size)
{
    static const char start[] = "{\"cassette\":1";
    char bytes[sizeof start];
    size_t n = size < (int64_t)sizeof start - 1 ? (size_t)size : sizeof start - 1;
    if (c->header)
        return c->n == 0;
    return pread(c->fd, bytes, n, 0) == (ssize_t)n && memcmp(bytes, start, n) == 0;
}

/* Not to go on with, so nothing may be lost. */
static ws_status start_anew(cassette *c, int64_t size, ws_err *err)
{
    int64_t whole = 0;
    ws_err ignored = {0};
    bool readable = !cassette_load(c, &whole, &ignored);
    if (!readable || !holds_nothing(c, size)) {
        ws_fail(err, WS_EUSAGE, "'%s' holds a recording, which would be lost", c->path);
        return ws_hint(err, "name another file, or --resume the run that it is of");
    }
    cJSON_Delete(c->header);
    c->header = NULL;
    return ftruncate(c->fd, 0) ? ws_fail_errno(err, WS_EENV, "cannot empty '%s'", c->path) : WS_OK;
}

ws_status cassette_record_open(const char *path, const char *run_json, bool append, cassette **out,
                               ws_err *err)
{
    struct stat s;
    cassette *c = ws_calloc(1, sizeof *c);
    ws_err ignored = {0};
    ws_status st = WS_OK;
    ws_buf mark = {0};
    ws_buf_printf(&mark, "%s.open", path);
    c->mark = ws_buf_take(&mark);
    c->path = ws_strdup(path);
    c->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (c->fd < 0)
        st = ws_fail_errno(err, WS_EENV, "cannot record to '%s'", path);
    else if (!(st = cassette_lock(c, err)) && fstat(c->fd, &s))
        st = ws_fail_errno(err, WS_EENV, "cannot record to '%s'", path);
    else if (!st && s.st_size > 0)
        st = append ? go_on(c, s.st_size, err) : start_anew(c, s.st_size, err);
    if (!st && !c->header)
        st = write_header(c, run_json, err);
    if (!st) {
        *out = c;
        return WS_OK;
    }
    if (cassette_close(c, &ignored))
        ws_log(WS_LOG_DEBUG, "%s", ignored.msg);
    return st;
}

bool cassette_records(const cassette *c)
{
    return c && c->fd >= 0;
}

/* Without user name, query and fragment, where keys may stand. */
static void add_url(ws_buf *to, const char *url)
{
    ws_buf_add(to, url, strcspn(url, "?#"));
}

cassette_exchange *cassette_begin(cassette *c, const char *method, const char *url,
                                  const char *body, size_t n, int turn)
{
    if (!cassette_records(c))
        return NULL;
    cassette_exchange *x = ws_calloc(1, sizeof *x);
    x->seq = ++c->last_seq;
    x->turn = turn;
    ws_buf_adds(&x->method, method);
    add_url(&x->url, url);
    ws_buf_add(&x->body, body, n);
    cassette_key(url, body, n, x->key, NULL);
    return x;
}

static void mask(ws_buf *text, const char *secret)
{
    size_t k = secret ? strlen(secret) : 0;
    if (k < MIN_SECRET || !text->n)
        return;
    for (char *p = text->p; (p = memmem(p, text->n - (size_t)(p - text->p), secret, k)); p += k)
        memset(p, '*', k);
}

static bool is_text(const char *p, size_t n)
{
    if (memchr(p, '\0', n))
        return false;
    char *copy = ws_strndup(p, n); /* ws_utf8_length wants a byte to follow */
    size_t i = 0, step;
    while (i < n && (step = ws_utf8_length(copy + i)) > 0 && i + step <= n)
        i += step;
    free(copy);
    return i == n;
}

static void add_base64(cJSON *o, const char *key, const char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = ws_malloc((n + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)(unsigned char)p[i] << 16;
        v |= i + 1 < n ? (unsigned)(unsigned char)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? (unsigned)(unsigned char)p[i + 2] : 0;
        *to++ = digit[v >> 18];
        *to++ = digit[v >> 12 & 63];
        *to++ = i + 1 < n ? digit[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digit[v & 63] : '=';
    }
    *to = '\0';
    cJSON_AddStringToObject(o, key, text);
    free(text);
}

static void add_bytes(cJSON *o, const char *p, size_t n)
{
    if (!is_text(p, n)) {
        add_base64(o, "base64", p, n);
        return;
    }
    char *text = ws_strndup(p, n);
    cJSON_AddStringToObject(o, "text", text);
    free(text);
}

/* As JSON when that gives the same bytes again, which is easier to read; else as text. */
static void add_body(cJSON *o, const ws_buf *body)
{
    ws_buf again = {0};
    cJSON *v = cJSON_ParseWithLength(ws_buf_z(body), body->n);
    if (v)
        ws_json_print(v, false, &again);
    if (v && again.n == body->n && memcmp(again.p, body->p, body->n) == 0) {
        cJSON_AddItemToObject(o, "body", v);
    } else {
        cJSON_Delete(v);
        add_bytes(cJSON_AddObjectToObject(o, "body_bytes"), ws_buf_z(body), body->n);
    }
    ws_buf_release(&again);
}

static void add_headers(cJSON *o, const ws_buf *lines)
{
    cJSON *array = cJSON_AddArrayToObject(o, "headers");
    const char *p = ws_buf_z(lines), *end = p + lines->n;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        char *line = ws_strndup(p, (size_t)(eol - p)), *clean = ws_utf8_valid(line);
        cJSON_AddItemToArray(array, cJSON_CreateString(clean));
        free(clean);
        free(line);
        p = eol + 1;
    }
}

static double tenths(double ms)
{
    return round(ms * 10) / 10;
}

static cJSON *exchange_json(const cassette_exchange *x)
{
    char when[WS_UTC_SIZE];
    cJSON *o = cJSON_CreateObject();
    ws_utc_now(when);
    ws_json_add_int(o, "seq", x->seq);
    if (x->turn >= 0)
        ws_json_add_int(o, "turn", x->turn);
    cJSON_AddStringToObject(o, "key", x->key);
    cJSON_AddStringToObject(o, "ended", when);
    cJSON *q = cJSON_AddObjectToObject(o, "request");
    cJSON_AddStringToObject(q, "method", ws_buf_z(&x->method));
    cJSON_AddStringToObject(q, "url", ws_buf_z(&x->url));
    add_headers(q, &x->request_headers);
    add_body(q, &x->body);
    cJSON *r = cJSON_AddObjectToObject(o, "response");
    ws_json_add_int(r, "status", x->status);
    add_headers(r, &x->headers);
    cJSON *frames = cJSON_AddArrayToObject(r, "frames");
    for (int i = 0; i < x->n_frames; i++) {
        size_t from = i ? x->frame[i - 1].end : 0;
        cJSON *f = cJSON_CreateObject();
        ws_json_add_double(f, "ms", tenths(x->frame[i].at_ms));
        add_bytes(f, x->bytes.p + from, x->frame[i].end - from);
        cJSON_AddItemToArray(frames, f);
    }
    cJSON_AddStringToObject(r, "end", cassette_end_name(x->end));
    ws_json_add_double(r, "end_ms", tenths(x->end_ms));
    if (x->end != CASSETTE_COMPLETE) {
        char *clean = ws_utf8_valid(ws_buf_z(&x->error));
        cJSON_AddStringToObject(r, "error", clean);
        free(clean);
        ws_json_add_int(r, "worth_retrying", x->worth_retrying);
        cJSON_AddBoolToObject(r, "sent", x->sent);
    }
    return o;
}

void cassette_record(cassette *c, cassette_exchange *x, const char *secret)
{
    ws_buf line = {0};
    ws_err err = {0};
    if (!x)
        return;
    line.max = (size_t)1 << 30;
    ws_buf *const texts[] = {&x->body,  &x->request_headers, &x->headers,
                             &x->bytes, &x->error,           &x->url};
    for (size_t i = 0; i < WS_COUNT(texts); i++)
        mask(texts[i], secret);
    cJSON *o = exchange_json(x);
    ws_json_print(o, false, &line);
    cJSON_Delete(o);
    ws_buf_addc(&line, '\n');
    if (!c->failure.status && write_line(c, &line, &err)) {
        ws_log(WS_LOG_ERROR, "%s", err.msg);
        c->failure = err;
    }
    ws_buf_release(&line);
    cassette_exchange_free(x);
}

ws_status cassette_close(cassette *c, ws_err *err)
{
    ws_status st = WS_OK;
    if (!c)
        return WS_OK;
    if (c->keeper)
        st = keeper_end(c->keeper, err);
    if (c->failure.status) {
        *err = c->failure;
        st = err->status;
    }
    if (c->fd >= 0 && close(c->fd) && !st)
        st = ws_fail_errno(err, WS_EENV, "cannot record to '%s'", c->path);
    for (int i = 0; i < c->n; i++)
        cassette_exchange_free(c->x[i]);
    free(c->x);
    cJSON_Delete(c->header);
    free(c->path);
    free(c->mark);
    free(c);
    return st;
}
