#include "agent/llm/wire.h"

#include "agent/llm/wire_body.h"
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

/* One part, split where it stalls. */
static void add_part(wire_response *r, bool chunked, const wire_parts *p, size_t from, size_t to,
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
static void frame(const wire_parts *p, int status, const char *type, bool chunked, bool keep_alive,
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
    wire_parts p = {0};
    ws_buf_adds(&p.body, body);
    wire_end_part(&p);
    const char *start = body + strspn(body, " \t\r\n");
    bool json = *start == '{' || *start == '[';
    frame(&p, status, json ? "application/json" : "text/plain", false, keep_alive,
          a ? a : &no_faults, out);
    wire_parts_release(&p);
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

void wire_complete(const wire_completion *c, const script_answer *a, wire_response *out)
{
    static void (*const body[WIRE_SHAPES])(const wire_completion *, const script_answer *,
                                           wire_parts *) = {wire_chat_body, wire_responses_body,
                                                            wire_messages_body};
    wire_parts p = {0};
    body[c->shape](c, a, &p);
    frame(&p, 200, c->stream ? "text/event-stream" : "application/json", c->stream, c->keep_alive,
          a, out);
    wire_parts_release(&p);
}
