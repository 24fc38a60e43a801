/* Server-sent events (WHATWG HTML, section 9.2): bytes in any pieces to whole events. CR, LF and
 * CRLF end a line, a line may be split anywhere; a byte order mark and comments are skipped;
 * several data lines of one event are joined by LF. */
#ifndef AGENT_LLM_SSE_H
#define AGENT_LLM_SSE_H

#include "base/buf.h"

typedef struct sse_parser {
    ws_buf line, data;  /* each bounded by its max */
    bool has_data, after_cr, past_start;
} sse_parser;

/* Called with every event that has data (NUL-terminated, n bytes). */
typedef void (*sse_handler)(void *ud, const char *data, size_t n);

/* An event or a line over `max_event_bytes` is an overflow. */
void sse_init(sse_parser *p, size_t max_event_bytes);
/* false: overflow; the stream is not to be read further. */
bool sse_feed(sse_parser *p, const char *bytes, size_t n, sse_handler fn, void *ud);
/* The stream has ended: a last event without its blank line is delivered too. */
void sse_finish(sse_parser *p, sse_handler fn, void *ud);
void sse_release(sse_parser *p);

#endif
