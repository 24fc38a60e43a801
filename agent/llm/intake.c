#include "agent/llm/intake.h"

#include "agent/llm/provider.h"

#include <string.h>

enum { MAX_ERROR_BODY = 1 << 20 };

static void on_event(void *ud, const char *data, size_t n)
{
    llm_intake *in = ud;
    llm_adapter_event(in->wire, &in->answer, data, n);
    in->progress |= in->answer.moved;
}

/* By the first byte that is not blank; content types lie. */
static body_kind kind_of(const ws_buf *raw)
{
    static const char *const field[] = {":", "data:", "event:", "id:", "retry:"};
    ws_str s = ws_str_trim((ws_str){raw->p, raw->n});
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = ws_str_trim((ws_str){s.p + 3, s.n - 3});
    else if (s.n && s.n < 3 && memcmp(s.p, "\xef\xbb\xbf", s.n) == 0)
        return BODY_UNKNOWN;
    if (!s.n)
        return BODY_UNKNOWN;
    if (*s.p == '{' || *s.p == '[')
        return BODY_JSON;
    for (size_t i = 0; i < WS_COUNT(field); i++) {
        size_t n = strlen(field[i]);
        if (memcmp(s.p, field[i], s.n < n ? s.n : n) == 0)
            return s.n < n ? BODY_UNKNOWN : BODY_SSE;
    }
    return BODY_OTHER;
}

http_take intake_take(llm_intake *in, int status, const char *bytes, size_t n)
{
    const llm_answer *a = &in->answer;
    ws_buf_add(&in->raw, bytes, n);
    if (in->raw.overflow)
        return HTTP_TAKE_TOO_LARGE;
    if (status < 200 || status >= 300)
        return in->raw.n > MAX_ERROR_BODY ? HTTP_TAKE_TOO_LARGE : HTTP_TAKE_PROGRESS;
    if (in->kind == BODY_UNKNOWN) {
        in->kind = kind_of(&in->raw);
        if (in->kind == BODY_SSE) { /* with the blanks that came before it */
            bytes = in->raw.p;
            n = in->raw.n;
        }
    }
    if (in->kind == BODY_UNKNOWN)
        return HTTP_TAKE_NOTHING;
    if (in->kind != BODY_SSE)
        return HTTP_TAKE_PROGRESS;
    in->progress = false;
    if (!sse_feed(&in->sse, bytes, n, on_event, in))
        return HTTP_TAKE_TOO_LARGE;
    if (a->done || a->error.present || (a->finished && llm_answer_has_usage(a)))
        return HTTP_TAKE_SETTLED;
    if (!in->progress)
        return HTTP_TAKE_NOTHING;
    return a->finished ? HTTP_TAKE_ENDING : HTTP_TAKE_PROGRESS;
}

void intake_finish(llm_intake *in)
{
    sse_finish(&in->sse, on_event, in);
}

void intake_begin(llm_intake *in, int64_t max_body_bytes, int64_t max_event_bytes)
{
    intake_release(in);
    llm_answer_init(&in->answer, (size_t)max_body_bytes);
    sse_init(&in->sse, (size_t)max_event_bytes);
    in->raw.max = (size_t)max_body_bytes;
    in->kind = BODY_UNKNOWN;
}

void intake_release(llm_intake *in)
{
    sse_release(&in->sse);
    llm_answer_release(&in->answer);
    ws_buf_release(&in->raw);
}

bool intake_is_whole(const char *url, int status, const char *bytes, size_t n, bool ended)
{
    llm_wire w = llm_wire_of_url(url);
    llm_intake in = {.wire = llm_adapter_of(w ? w : LLM_WIRE_CHAT)};
    if (status / 100 != 2 || !n)
        return false;
    intake_begin(&in, (int64_t)n + 1, (int64_t)n + 1);
    bool taken = intake_take(&in, status, bytes, n) != HTTP_TAKE_TOO_LARGE;
    if (taken && in.kind == BODY_SSE)
        intake_finish(&in);
    bool whole =
        taken && (in.kind == BODY_JSON ? ended : in.answer.finished && !in.answer.error.present);
    intake_release(&in);
    return whole;
}
