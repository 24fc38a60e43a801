#include "agent/llm/replay_source.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A recorded stall lasts until the client gives up. */
enum { FOREVER_MS = 24 * 3600 * 1000 };

/* The value of a recorded header, empty when it was not sent. */
static ws_str header(const cassette_exchange *x, const char *name)
{
    size_t k = strlen(name);
    const char *p = ws_buf_z(&x->headers);
    for (size_t n; *p; p += n + 1) {
        n = strcspn(p, "\n");
        if (n > k && p[k] == ':' && strncasecmp(p, name, k) == 0)
            return ws_str_trim((ws_str){p + k + 1, n - k - 1});
    }
    return (ws_str){"", 0};
}

/* Headers that the framing here decides, and what was not kept. */
static bool is_framing(const char *line, size_t n)
{
    static const char *const names[] = {
        "content-length:", "transfer-encoding:", "connection:", "content-encoding:", "date:"};
    for (size_t i = 0; i < WS_COUNT(names); i++)
        if (n >= strlen(names[i]) && strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return memmem(line, n, "[redacted]", 10) != NULL;
}

static void add_head(const cassette_exchange *x, bool chunked, bool keep_alive, wire_response *out)
{
    ws_str length = header(x, "content-length");
    ws_buf_printf(&out->bytes, "HTTP/1.1 %d %s\r\n", x->status, wire_status_text(x->status));
    const char *p = ws_buf_z(&x->headers);
    for (size_t n; *p; p += n + 1) {
        n = strcspn(p, "\n");
        if (!is_framing(p, n))
            ws_buf_printf(&out->bytes, "%.*s\r\n", (int)n, p);
    }
    if (chunked)
        ws_buf_adds(&out->bytes, "Transfer-Encoding: chunked\r\n");
    else if (x->end == CASSETTE_COMPLETE)
        ws_buf_printf(&out->bytes, "Content-Length: %zu\r\n", x->bytes.n);
    else if (length.n) /* longer than what came */
        ws_buf_printf(&out->bytes, "Content-Length: %.*s\r\n", WS_STR_ARG(length));
    ws_buf_printf(&out->bytes, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}

static void add_exchange(const cassette *c, const cassette_exchange *x, bool keep_alive,
                         wire_response *out)
{
    bool whole = x->end == CASSETTE_COMPLETE;
    ws_str coding = header(x, "transfer-encoding");
    bool chunked = coding.n == 7 && strncasecmp(coding.p, "chunked", 7) == 0;
    double last_ms = 0;
    out->close = !keep_alive || !whole;
    if (x->status) {
        add_head(x, chunked, !out->close, out);
        wire_end_piece(out, 0);
    }
    for (int i = 0; i < x->n_frames; i++) {
        size_t from = i ? x->frame[i - 1].end : 0;
        double wait_s = cassette_due_s(c, x->frame[i].at_ms - last_ms);
        wire_add_chunk(out, chunked, x->bytes.p + from, x->frame[i].end - from,
                       (int64_t)(wait_s * 1e3));
        last_ms = x->frame[i].at_ms;
    }
    if (whole && chunked)
        ws_buf_adds(&out->bytes, "0\r\n\r\n");
    if (x->end == CASSETTE_STALLED)
        wire_end_piece(out, FOREVER_MS);
    else
        wire_end_piece(out, (int64_t)(cassette_due_s(c, x->end_ms - last_ms) * 1e3));
}

void replay_tape_answer(cassette *c, const wire_request *q, wire_response *out, replay_note *note)
{
    char hint[512] = "", text[640];
    const cassette_exchange *x =
        cassette_find(c, q->path, q->body.p, q->body.n, q->turn, hint, sizeof hint);
    if (!x) {
        snprintf(text, sizeof text, "no recording of this request: %s", hint);
        wire_error(404, "no_recording", text, q->keep_alive, out);
        note->status = 404;
        return;
    }
    note->status = x->status;
    note->answer = x->end == CASSETTE_COMPLETE && x->status / 100 == 2;
    add_exchange(c, x, q->keep_alive, out);
}
