#include "agent/llm/sse.h"

#include <string.h>

void sse_init(sse_parser *p, size_t max_event_bytes)
{
    *p = (sse_parser){.line = {.max = max_event_bytes}, .data = {.max = max_event_bytes}};
}

void sse_release(sse_parser *p)
{
    ws_buf_release(&p->line);
    ws_buf_release(&p->data);
}

static void dispatch(sse_parser *p, sse_handler fn, void *ud)
{
    if (p->has_data && !p->data.overflow)
        fn(ud, ws_buf_z(&p->data), p->data.n);
    if (!p->data.overflow)
        ws_buf_reset(&p->data);
    p->has_data = false;
}

/* Only data counts: no server's event name says what its data does not, and id and retry serve
 * reconnection, which a POST cannot do. */
static void add_field(sse_parser *p, ws_str name, ws_str value)
{
    if (!ws_str_eqz(name, "data"))
        return;
    if (p->has_data)
        ws_buf_addc(&p->data, '\n');
    ws_buf_add(&p->data, value.p, value.n);
    p->has_data = true;
}

static void end_line(sse_parser *p, sse_handler fn, void *ud)
{
    ws_str line = {ws_buf_z(&p->line), p->line.n};
    if (!p->past_start && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
        line = (ws_str){line.p + 3, line.n - 3};
    p->past_start = true;
    if (!line.n) {
        dispatch(p, fn, ud);
    } else if (line.p[0] != ':') {
        const char *colon = memchr(line.p, ':', line.n);
        size_t name = colon ? (size_t)(colon - line.p) : line.n;
        size_t value = colon ? name + 1 : line.n;
        if (value < line.n && line.p[value] == ' ')
            value++;
        add_field(p, (ws_str){line.p, name}, (ws_str){line.p + value, line.n - value});
    }
    ws_buf_reset(&p->line);
}

bool sse_feed(sse_parser *p, const char *bytes, size_t n, sse_handler fn, void *ud)
{
    size_t i = 0;
    while (i < n) {
        if (p->after_cr && bytes[i] == '\n')
            i++;
        p->after_cr = false;
        size_t start = i;
        while (i < n && bytes[i] != '\n' && bytes[i] != '\r')
            i++;
        ws_buf_add(&p->line, bytes + start, i - start);
        if (p->line.overflow)
            return false;
        if (i < n) {
            p->after_cr = bytes[i++] == '\r';
            end_line(p, fn, ud);
        }
        if (p->data.overflow)
            return false;
    }
    return true;
}

void sse_finish(sse_parser *p, sse_handler fn, void *ud)
{
    if (p->line.n)
        end_line(p, fn, ud);
    dispatch(p, fn, ud);
}
