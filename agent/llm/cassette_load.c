#include "agent/llm/cassette_state.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* ---- bytes ---- */

static int digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static bool read_base64(const char *z, ws_buf *out)
{
    size_t n = strlen(z);
    if (n % 4)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        int pad = z[i + 3] != '=' ? 0 : z[i + 2] != '=' ? 1 : 2;
        int d[4] = {digit_of(z[i]), digit_of(z[i + 1]), pad < 2 ? digit_of(z[i + 2]) : 0,
                    pad < 1 ? digit_of(z[i + 3]) : 0};
        if (d[0] < 0 || d[1] < 0 || d[2] < 0 || d[3] < 0 || (pad && i + 4 < n))
            return false;
        unsigned v =
            (unsigned)d[0] << 18 | (unsigned)d[1] << 12 | (unsigned)d[2] << 6 | (unsigned)d[3];
        char bytes[3] = {(char)(v >> 16), (char)(v >> 8 & 255), (char)(v & 255)};
        ws_buf_add(out, bytes, (size_t)(3 - pad));
    }
    return true;
}

/* {"text": ...} or {"base64": ...} */
static ws_status read_bytes(const cJSON *o, const char *where, ws_buf *out, ws_err *err)
{
    const char *text = cJSON_GetStringValue(get(o, "text"));
    const char *code = cJSON_GetStringValue(get(o, "base64"));
    if (text)
        ws_buf_adds(out, text);
    else if (!code || !read_base64(code, out))
        return ws_fail(err, WS_EINPUT, "%s: expected 'text', or 'base64'", where);
    return WS_OK;
}

/* ---- one line ---- */

static ws_status read_double(const cJSON *o, const char *where, const char *key, double *out,
                             ws_err *err)
{
    const cJSON *v = get(o, key);
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0))
        return ws_fail(err, WS_EINPUT, "%s.%s: expected a number, not negative", where, key);
    *out = v->valuedouble;
    return WS_OK;
}

static ws_status read_int(const cJSON *o, const char *where, const char *key, int64_t fallback,
                          int64_t *out, ws_err *err)
{
    const cJSON *v = get(o, key);
    *out = fallback;
    if (!v || (ws_json_whole(v, out) && *out >= 0 && *out <= INT32_MAX))
        return WS_OK;
    return ws_fail(err, WS_EINPUT, "%s.%s: expected a whole number, not negative", where, key);
}

static void read_headers(const cJSON *o, ws_buf *out)
{
    const cJSON *h;
    cJSON_ArrayForEach(h, get(o, "headers"))
    {
        if (cJSON_IsString(h) && !strpbrk(h->valuestring, "\r\n"))
            ws_buf_printf(out, "%s\n", h->valuestring);
    }
}

static ws_status read_request(const cJSON *o, cassette_exchange *x, ws_err *err)
{
    const cJSON *body = get(o, "body");
    const char *method, *url;
    if (ws_json_string(o, "request", "method", &method, err) ||
        ws_json_string(o, "request", "url", &url, err))
        return err->status;
    ws_buf_adds(&x->method, method);
    ws_buf_adds(&x->url, url);
    read_headers(o, &x->request_headers);
    if (body)
        ws_json_print(body, false, &x->body);
    else if (read_bytes(get(o, "body_bytes"), "request.body_bytes", &x->body, err))
        return err->status;
    return WS_OK;
}

static ws_status read_end(const cJSON *r, cassette_exchange *x, ws_err *err)
{
    const char *end, *error = cJSON_GetStringValue(get(r, "error"));
    int64_t retries;
    if (ws_json_string(r, "response", "end", &end, err) ||
        read_double(r, "response", "end_ms", &x->end_ms, err) ||
        read_int(r, "response", "worth_retrying", 0, &retries, err))
        return err->status;
    ws_buf_adds(&x->error, error ? error : "");
    x->worth_retrying = (int)retries;
    x->sent = get(r, "sent") ? cJSON_IsTrue(get(r, "sent")) : strcmp(end, "failed") != 0;
    for (int e = CASSETTE_COMPLETE; e <= CASSETTE_CANCELLED; e++)
        if (strcmp(end, cassette_end_name((cassette_end)e)) == 0) {
            x->end = (cassette_end)e;
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "response.end: '%s' is no end of an exchange", end);
}

static ws_status read_response(const cJSON *r, cassette_exchange *x, ws_err *err)
{
    const cJSON *frames, *f;
    int64_t status;
    if (read_int(r, "response", "status", 0, &status, err) ||
        ws_json_array(r, "response", "frames", &frames, err))
        return err->status;
    x->status = (int)status;
    read_headers(r, &x->headers);
    cJSON_ArrayForEach(f, frames)
    {
        double ms = 0;
        if (read_double(f, "response.frames", "ms", &ms, err) ||
            read_bytes(f, "response.frames", &x->bytes, err))
            return err->status;
        WS_GROW(x->frame, x->n_frames, x->cap_frames);
        x->frame[x->n_frames++] = (cassette_frame){x->bytes.n, ms};
    }
    return read_end(r, x, err);
}

static ws_status read_exchange(const cJSON *o, cassette_exchange *x, ws_err *err)
{
    const cJSON *request, *response;
    int64_t turn;
    if (read_int(o, "exchange", "seq", 0, &x->seq, err) ||
        read_int(o, "exchange", "turn", -1, &turn, err) ||
        ws_json_object(o, "exchange", "request", &request, err) ||
        ws_json_object(o, "exchange", "response", &response, err) ||
        read_request(request, x, err) || read_response(response, x, err))
        return err->status;
    x->turn = (int)turn;
    cassette_key(ws_buf_z(&x->url), ws_buf_z(&x->body), x->body.n, x->key, x->near);
    cJSON *body = cJSON_ParseWithLength(ws_buf_z(&x->body), x->body.n);
    const char *model = cJSON_GetStringValue(get(body, "model"));
    x->model = ws_strdup(model ? model : "");
    cJSON_Delete(body);
    return WS_OK;
}

/* ---- the file ---- */

static ws_status read_header(cassette *c, cJSON *o, ws_err *err)
{
    const cJSON *version = get(o, "cassette");
    if (!cJSON_IsNumber(version))
        return ws_fail(err, WS_EINPUT, "not a cassette: its first line has no 'cassette'");
    if (version->valuedouble != 1)
        return ws_fail(err, WS_EINPUT, "a cassette of version %g, expected 1",
                       version->valuedouble);
    c->header = o;
    return WS_OK;
}

static ws_status read_line(cassette *c, const char *p, size_t n, int64_t number, ws_err *err)
{
    cJSON *o = NULL;
    ws_status st = ws_json_parse(p, n, &o, err);
    if (!st && !c->header) {
        if (!(st = read_header(c, o, err)))
            return WS_OK;
    } else if (!st) {
        cassette_exchange *x = ws_calloc(1, sizeof *x);
        if (!(st = read_exchange(o, x, err))) {
            WS_GROW(c->x, c->n, c->cap);
            c->x[c->n++] = x;
            c->last_seq = x->seq > c->last_seq ? x->seq : c->last_seq;
        } else {
            cassette_exchange_free(x);
        }
    }
    cJSON_Delete(o);
    return st ? ws_wrap(err, "line %" PRId64, number) : WS_OK;
}

static int by_seq(const void *a, const void *b)
{
    const cassette_exchange *x = *(cassette_exchange *const *)a;
    const cassette_exchange *y = *(cassette_exchange *const *)b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static ws_status read_lines(cassette *c, const char *p, size_t n, int64_t *whole_bytes, ws_err *err)
{
    const char *at = p, *end = p + n, *eol;
    for (int64_t line = 1; at < end && (eol = memchr(at, '\n', (size_t)(end - at)));
         at = eol + 1, line++)
        if (eol > at && read_line(c, at, (size_t)(eol - at), line, err))
            return ws_wrap(err, "'%s'", c->path);
    *whole_bytes = at - p;
    if (at < end)
        ws_log(WS_LOG_WARN,
               "'%s': the last line is torn (%zu bytes), a recorder was killed; it is "
               "not read",
               c->path, (size_t)(end - at));
    if (c->n)
        qsort(c->x, (size_t)c->n, sizeof *c->x, by_seq);
    return WS_OK;
}

ws_status cassette_load(cassette *c, int64_t *whole_bytes, ws_err *err)
{
    struct stat s;
    int fd = c->fd >= 0 ? c->fd : open(c->path, O_RDONLY | O_CLOEXEC);
    ws_status st = WS_OK;
    *whole_bytes = 0;
    if (fd < 0 || fstat(fd, &s)) {
        st = ws_fail_errno(err, WS_EENV, "cannot read '%s'", c->path);
    } else if (!S_ISREG(s.st_mode)) {
        st = ws_fail(err, WS_EINPUT, "'%s' is not a file", c->path);
    } else if (s.st_size > 0) {
        /* Mapped, because a second descriptor that is closed would take the lock with it. */
        void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            st = ws_fail_errno(err, WS_EENV, "cannot read '%s'", c->path);
        } else {
            st = read_lines(c, p, (size_t)s.st_size, whole_bytes, err);
            munmap(p, (size_t)s.st_size);
        }
    }
    if (fd >= 0 && c->fd < 0)
        close(fd);
    return st;
}
