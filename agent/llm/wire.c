#include "agent/llm/wire.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HEAD = 64 << 10, MAX_BODY = 32 << 20 };

/* ---- requests ---- */

static bool header_is(ws_str line, const char *name, ws_str *value)
{
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0)
        return false;
    *value = ws_str_trim((ws_str){line.p + n + 1, line.n - n - 1});
    return true;
}

static bool whole_number(ws_str s, int64_t max, int64_t *out)
{
    int64_t v = 0;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || (v = 10 * v + (s.p[i] - '0')) > max)
            return false;
    }
    *out = v;
    return true;
}

static bool parse_first_line(ws_str line, wire_request *out)
{
    char version[16];
    char text[sizeof out->method + sizeof out->path + sizeof version];
    if (line.n >= sizeof text)
        return false;
    memcpy(text, line.p, line.n);
    text[line.n] = '\0';
    if (sscanf(text, "%7s %255s %15s", out->method, out->path, version) != 3 ||
        strncmp(version, "HTTP/1.", 7) != 0)
        return false;
    out->keep_alive = strcmp(version, "HTTP/1.0") != 0;
    return true;
}

/* 0, or the status of the refusal. */
static int parse_header(ws_str line, wire_request *out, int64_t *length)
{
    ws_str v;
    int64_t turn;
    if (header_is(line, "Content-Length", &v))
        return whole_number(v, MAX_BODY, length) ? 0 : 413;
    if (header_is(line, "Transfer-Encoding", &v))
        return 411;
    if (header_is(line, "Connection", &v)) {
        if (v.n == 5 && strncasecmp(v.p, "close", 5) == 0)
            out->keep_alive = false;
    } else if (header_is(line, "Expect", &v)) {
        out->expects_continue = true;
    } else if (header_is(line, "X-Warpsmith-Turn", &v)) {
        if (!whole_number(v, 1 << 30, &turn))
            return 400;
        out->turn = (int)turn;
    }
    return 0;
}

wire_state wire_parse(const char *bytes, size_t n, wire_request *out, int *status)
{
    const char *end = n ? memmem(bytes, n, "\r\n\r\n", 4) : NULL;
    int64_t length = 0;
    *out = (wire_request){.turn = -1};
    *status = 431;
    if (!end)
        return n > MAX_HEAD ? WIRE_BAD : WIRE_MORE;
    *status = 400;
    bool first = true;
    for (const char *p = bytes; p < end;) {
        const char *eol = memmem(p, (size_t)(end + 2 - p), "\r\n", 2);
        ws_str line = {p, (size_t)(eol - p)};
        int refused = 0;
        if (first && !parse_first_line(line, out))
            return WIRE_BAD;
        if (!first && (refused = parse_header(line, out, &length))) {
            *status = refused;
            return WIRE_BAD;
        }
        first = false;
        p = eol + 2;
    }
    size_t head = (size_t)(end + 4 - bytes);
    if (n - head < (size_t)length)
        return WIRE_MORE;
    out->body = (ws_str){bytes + head, (size_t)length};
    out->bytes = head + (size_t)length;
    return WIRE_WHOLE;
}

/* ---- responses ---- */

void wire_response_release(wire_response *r)
{
    ws_buf_release(&r->bytes);
    free(r->piece);
    *r = (wire_response){0};
}

const char *wire_status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Status";
    }
}

void wire_end_piece(wire_response *r, int64_t wait_ms)
{
    WS_GROW(r->piece, r->n_pieces, r->cap_pieces);
    r->piece[r->n_pieces++] = (wire_piece){r->bytes.n, wait_ms};
}

void wire_add_chunk(wire_response *r, bool chunked, const char *p, size_t n, int64_t wait_ms)
{
    if (!n)
        return;
    if (chunked)
        ws_buf_printf(&r->bytes, "%zx\r\n", n);
    ws_buf_add(&r->bytes, p, n);
    if (chunked)
        ws_buf_adds(&r->bytes, "\r\n");
    wire_end_piece(r, wait_ms);
}

/* A body in parts that end at `end[i]`. */
typedef struct parts {
    ws_buf body;
    size_t *end;
    int n, cap;
} parts;

static void end_part(parts *p)
{
    WS_GROW(p->end, p->n, p->cap);
    p->end[p->n++] = p->body.n;
}

static void parts_release(parts *p)
{
    ws_buf_release(&p->body);
    free(p->end);
}

/* One part, split where it stalls. */
static void add_part(wire_response *r, bool chunked, const parts *p, size_t from, size_t to,
                     const script_answer *a)
{
    size_t stall = a->stall_ms && a->stall_after >= 0 ? (size_t)a->stall_after : SIZE_MAX;
    if (stall < from || stall >= to) {
        wire_add_chunk(r, chunked, p->body.p + from, to - from, a->chunk_ms);
        return;
    }
    wire_add_chunk(r, chunked, p->body.p + from, stall - from, a->chunk_ms);
    wire_add_chunk(r, chunked, p->body.p + stall, to - stall, a->stall_ms);
}

/* Head and body with the faults of `a`. */
static void frame(const parts *p, int status, const char *type, bool chunked, bool keep_alive,
                  const script_answer *a, wire_response *out)
{
    size_t total = p->body.n;
    bool cut = a->cut_after >= 0 && (size_t)a->cut_after < total;
    if (cut)
        total = (size_t)a->cut_after;
    out->close = !keep_alive || (cut && !a->clean);
    ws_buf_printf(&out->bytes, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s", status,
                  wire_status_text(status), type, a->headers ? a->headers : "");
    if (chunked)
        ws_buf_adds(&out->bytes, "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n");
    else
        ws_buf_printf(&out->bytes, "Content-Length: %zu\r\n", cut && !a->clean ? p->body.n : total);
    ws_buf_printf(&out->bytes, "Connection: %s\r\n\r\n", out->close ? "close" : "keep-alive");
    wire_end_piece(out, a->stall_after < 0 ? a->stall_ms : 0);
    size_t from = 0;
    for (int i = 0; i < p->n && from < total; i++) {
        size_t to = p->end[i] < total ? p->end[i] : total;
        add_part(out, chunked, p, from, to, a);
        from = to;
    }
    if (chunked && (!cut || a->clean)) {
        ws_buf_adds(&out->bytes, "0\r\n\r\n");
        wire_end_piece(out, 0);
    }
}

static const script_answer no_faults = {.stall_after = -1, .cut_after = -1};

void wire_json(const char *body, int status, const script_answer *a, bool keep_alive,
               wire_response *out)
{
    parts p = {0};
    ws_buf_adds(&p.body, body);
    end_part(&p);
    const char *start = body + strspn(body, " \t\r\n");
    bool json = *start == '{' || *start == '[';
    frame(&p, status, json ? "application/json" : "text/plain", false, keep_alive,
          a ? a : &no_faults, out);
    parts_release(&p);
}

void wire_error(int status, const char *code, const char *message, bool keep_alive,
                wire_response *out)
{
    ws_buf body = {0};
    cJSON *root = cJSON_CreateObject(), *e = cJSON_AddObjectToObject(root, "error");
    cJSON_AddStringToObject(e, "message", message);
    cJSON_AddStringToObject(e, "type", "invalid_request_error");
    cJSON_AddNullToObject(e, "param");
    cJSON_AddStringToObject(e, "code", code);
    ws_json_print(root, false, &body);
    cJSON_Delete(root);
    wire_json(ws_buf_z(&body), status, NULL, keep_alive, out);
    ws_buf_release(&body);
}

/* ---- completions ---- */

/* What is common to a completion and a chunk; *choice is NULL when `with_choice` is false. */
static cJSON *new_object(const wire_completion *c, const char *kind, bool with_choice,
                         cJSON **choice)
{
    char id[48];
    cJSON *o = cJSON_CreateObject();
    snprintf(id, sizeof id, "chatcmpl-scripted-%" PRId64, c->id);
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "object", kind);
    ws_json_add_int(o, "created", c->created_s);
    cJSON_AddStringToObject(o, "model", c->model);
    cJSON_AddStringToObject(o, "system_fingerprint", "scripted");
    cJSON *choices = cJSON_AddArrayToObject(o, "choices");
    *choice = NULL;
    if (with_choice) {
        *choice = cJSON_CreateObject();
        ws_json_add_int(*choice, "index", 0);
        cJSON_AddItemToArray(choices, *choice);
    }
    return o;
}

static int64_t reasoning_tokens(const script_answer *a)
{
    return a->reasoning ? (int64_t)(strlen(a->reasoning) + 3) / 4 : 0;
}

/* Tokens are estimated at four characters each. */
int64_t wire_completion_tokens(const script_answer *a)
{
    return (int64_t)(strlen(a->text) + 3) / 4 + reasoning_tokens(a);
}

static void add_usage(cJSON *o, const wire_completion *c, const script_answer *a)
{
    int64_t out = wire_completion_tokens(a);
    cJSON *u = cJSON_AddObjectToObject(o, "usage");
    ws_json_add_int(u, "prompt_tokens", c->prompt_tokens);
    ws_json_add_int(u, "completion_tokens", out);
    ws_json_add_int(u, "total_tokens", c->prompt_tokens + out);
    ws_json_add_int(cJSON_AddObjectToObject(u, "completion_tokens_details"), "reasoning_tokens",
                    reasoning_tokens(a));
}

static const char *finish_of(const script_answer *a)
{
    return a->finish_reason ? a->finish_reason : "stop";
}

static void add_event(parts *p, cJSON *o)
{
    ws_buf_adds(&p->body, "data: ");
    ws_json_print(o, false, &p->body);
    ws_buf_adds(&p->body, "\n\n");
    end_part(p);
    cJSON_Delete(o);
}

static void add_delta(parts *p, const wire_completion *c, const char *key, const char *text,
                      const char *finish)
{
    cJSON *choice, *o = new_object(c, "chat.completion.chunk", true, &choice);
    cJSON *delta = cJSON_AddObjectToObject(choice, "delta");
    if (key)
        cJSON_AddStringToObject(delta, key, text);
    if (finish)
        cJSON_AddStringToObject(choice, "finish_reason", finish);
    else
        cJSON_AddNullToObject(choice, "finish_reason");
    add_event(p, o);
}

/* The text in events of at most chunk_bytes, not inside a UTF-8 sequence. */
static void add_text_events(parts *p, const wire_completion *c, const script_answer *a,
                            const char *key, const char *text)
{
    size_t n = strlen(text), step = a->chunk_bytes > 0 ? (size_t)a->chunk_bytes : n;
    for (size_t from = 0, to; from < n; from = to) {
        to = n - from > step ? from + step : n;
        while (to < n && ((unsigned char)text[to] & 0xc0) == 0x80)
            to++;
        char *part = ws_strndup(text + from, to - from);
        add_delta(p, c, key, part, NULL);
        free(part);
    }
}

static void complete_streaming(const wire_completion *c, const script_answer *a, parts *p)
{
    add_delta(p, c, "role", "assistant", NULL);
    if (a->reasoning)
        add_text_events(p, c, a, "reasoning_content", a->reasoning);
    add_text_events(p, c, a, "content", a->text);
    add_delta(p, c, NULL, NULL, finish_of(a));
    if (c->include_usage && !a->no_usage) {
        cJSON *none, *o = new_object(c, "chat.completion.chunk", false, &none);
        add_usage(o, c, a);
        add_event(p, o);
    }
    ws_buf_adds(&p->body, "data: [DONE]\n\n");
    end_part(p);
}

static void complete_whole(const wire_completion *c, const script_answer *a, parts *p)
{
    cJSON *choice, *o = new_object(c, "chat.completion", true, &choice);
    cJSON *m = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(m, "role", "assistant");
    if (a->reasoning)
        cJSON_AddStringToObject(m, "reasoning_content", a->reasoning);
    cJSON_AddStringToObject(m, "content", a->text);
    cJSON_AddStringToObject(choice, "finish_reason", finish_of(a));
    if (!a->no_usage)
        add_usage(o, c, a);
    ws_json_print(o, false, &p->body);
    end_part(p);
    cJSON_Delete(o);
}

void wire_complete(const wire_completion *c, const script_answer *a, wire_response *out)
{
    parts p = {0};
    if (c->stream)
        complete_streaming(c, a, &p);
    else
        complete_whole(c, a, &p);
    frame(&p, 200, c->stream ? "text/event-stream" : "application/json", c->stream, c->keep_alive,
          a, out);
    parts_release(&p);
}
