/* One HTTP exchange, from its body to what it was. A reply counts only when its end was seen: half
 * a stream is never passed on as an answer. */
#include "agent/llm/job.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_HEADERS = 8 };

/* ---- sending ---- */

/* A limit that is kept is sent to a server that was found not to accept it: it will say so. */
static void keep_limit(llm_quirks *q)
{
    const unsigned both = LLM_Q_COMPLETION_TOKENS | LLM_Q_PLAIN_TOKENS;
    q->bits &= ~(unsigned)LLM_Q_NO_MAX_TOKENS;
    if ((q->bits & both) == both)
        q->bits &= ~(unsigned)LLM_Q_PLAIN_TOKENS;
}

void attempt_plan(job *j)
{
    endpoint *e = j->endpoint;
    j->quirks = llm_quirks_join(*endpoint_quirks(j->client, e, j->q.model), j->own);
    if (j->q.hard_limit)
        keep_limit(&j->quirks);
    bool switched = e->may_switch && (j->quirks.bits & LLM_Q_RESPONSES);
    j->in.wire = llm_adapter_of(switched ? LLM_WIRE_RESPONSES : e->wire);
    ws_buf_reset(&j->body);
    llm_adapter_body(j->in.wire, &j->q, &j->quirks, e->provider->traits, &j->body);
}

static http_take receive(void *ud, int status, const char *bytes, size_t n)
{
    job *j = ud;
    if (status / 100 == 2 && !j->accepted)
        job_accepted(j);
    return intake_take(&j->in, status, bytes, n);
}

static void reset(job *j)
{
    const llm_limits *l = &j->client->limits;
    intake_begin(&j->in, l->max_body_bytes, l->max_event_bytes);
    j->accepted = false;
    j->start_ns = ws_now_ns();
    if (!j->first_ns)
        j->first_ns = j->start_ns;
}

void attempt_start(job *j)
{
    llm_client *c = j->client;
    const endpoint *e = j->endpoint;
    const llm_limits *l = &c->limits;
    char turn[64];
    const char *header[MAX_HEADERS] = {NULL};
    int n = 0;
    ws_err err = {0};
    reset(j);
    attempt_plan(j);
    for (const char *const *h = j->in.wire->header; h && *h && n < MAX_HEADERS - 2; h++)
        header[n++] = *h;
    for (char *const *h = e->header; *h && n < MAX_HEADERS - 2; h++)
        header[n++] = *h;
    if (e->names_turns && j->q.turn >= 0) {
        snprintf(turn, sizeof turn, "X-Warpsmith-Turn: %d", j->q.turn);
        header[n++] = turn;
    }
    http_request r = {.url = e->url[j->in.wire->wire],
                      .body = j->body.p,
                      .body_bytes = j->body.n,
                      .header = header,
                      .key = e->key,
                      .key_headers = e->key_headers,
                      .direct = e->direct,
                      .stream = j->q.stream && !(j->quirks.bits & LLM_Q_NO_STREAM),
                      .turn = j->q.turn,
                      .max_body_bytes = l->max_body_bytes,
                      .connect_s = l->connect_s,
                      .first_byte_s = l->first_byte_s,
                      .idle_s = l->idle_s,
                      .total_s = l->total_s,
                      .receive = receive,
                      .ud = j};
    if (http_start(c->pool, &r, &j->transfer, &err)) {
        j->outcome = LLM_TRANSPORT;
        snprintf(j->error, sizeof j->error, "%s", err.msg);
        j->state = JOB_FINISHED;
        return;
    }
    j->state = JOB_RUNNING;
    c->n_running++;
}

/* ---- what it was ---- */

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(word, *list) == 0)
            return true;
    return false;
}

bool attempt_reached_limit(const llm_answer *a)
{
    static const char *const words[] = {"length", "max_tokens", "max_output_tokens", NULL};
    return is_one_of(a->finish_reason, words);
}

static llm_outcome outcome_of_answer(const llm_answer *a)
{
    static const char *const refused[] = {"content_filter",     "refusal", "safety", "recitation",
                                          "prohibited_content", NULL};
    if (a->refusal.n || is_one_of(a->finish_reason, refused))
        return LLM_REFUSED;
    if (strcmp(a->finish_reason, "error") == 0)
        return LLM_SERVER;
    if (strcmp(a->finish_reason, "model_context_window_exceeded") == 0)
        return LLM_CONTEXT;
    if (!ws_str_trim((ws_str){ws_buf_z(&a->content), a->content.n}).n)
        return LLM_EMPTY;
    return attempt_reached_limit(a) ? LLM_TRUNCATED : LLM_OK;
}

/* The outcome of a 2xx response that arrived whole, as far as HTTP goes. */
static llm_outcome outcome_of_success(job *j, int status)
{
    llm_answer *a = &j->in.answer;
    if (j->in.kind == BODY_JSON) {
        llm_adapter_whole(j->in.wire, a, j->in.raw.p, j->in.raw.n);
    } else if (j->in.kind == BODY_SSE && !a->done) {
        bool sound = !a->malformed, finished = a->finished;
        intake_finish(&j->in);
        if (sound && a->malformed && !finished) /* a last event that stops in the middle */
            return LLM_CUT;
        a->malformed = !sound; /* after the answer's end it does not matter: half a [DONE] */
    }
    if (a->error.present)
        return llm_error_outcome(200, &a->error);
    if (j->in.kind == BODY_OTHER || status == 204)
        return LLM_PROTOCOL;
    if (a->malformed || j->in.kind == BODY_UNKNOWN)
        return a->partial || j->in.kind == BODY_UNKNOWN ? LLM_CUT : LLM_PROTOCOL;
    return a->finished ? outcome_of_answer(a) : LLM_CUT;
}

static llm_outcome outcome_of(job *j, const http_response *h)
{
    bool told = h->status >= 300; /* the status says enough, however its body ends */
    switch (h->end) {
    case HTTP_FAILED:
        return LLM_TRANSPORT;
    case HTTP_STALLED:
        if (!told)
            return LLM_STALL;
        break;
    case HTTP_TOO_LARGE:
        if (!told)
            return LLM_TOO_LARGE;
        break;
    case HTTP_NO_RECORDING:
        return LLM_NO_RECORDING;
    case HTTP_CUT:
        /* An answer whose end was seen before the connection broke is whole. */
        if (h->status / 100 == 2 && j->in.kind == BODY_SSE && j->in.answer.finished &&
            !j->in.answer.error.present)
            return outcome_of_answer(&j->in.answer);
        if (h->status / 100 == 2)
            return LLM_CUT;
        break;
    case HTTP_COMPLETE:
        break;
    }
    if (j->in.raw.p) /* before it is parsed: parts of it are kept in bounded texts */
        client_redact(j->client, j->in.raw.p, j->in.raw.n);
    if (h->status / 100 == 2)
        return outcome_of_success(j, h->status);
    llm_error_parse(ws_buf_z(&j->in.raw), j->in.raw.n, &j->in.answer.error);
    return llm_error_outcome(h->status, &j->in.answer.error);
}

llm_outcome attempt_outcome(job *j, const http_response *h)
{
    llm_outcome o = outcome_of(j, h);
    if (o == LLM_OK || o == LLM_TRUNCATED) { /* the rest has no text that anyone reads */
        llm_answer_settle(&j->in.answer);
        o = outcome_of_answer(&j->in.answer);
    }
    return o;
}

/* ---- what it cost ---- */

static int64_t tokens_of(size_t bytes)
{
    return (int64_t)(bytes + 3) / 4;
}

/* Whether a server may count the attempt that it did not tell the usage of. */
static bool may_be_billed(const job *j, const http_response *h)
{
    const llm_answer *a = &j->in.answer;
    if (h->end == HTTP_NO_RECORDING || !h->sent)
        return false;
    if (h->status == 0)
        return true;
    if (h->status / 100 != 2 || j->in.kind == BODY_OTHER)
        return false;
    return !a->error.present || a->content.n || a->reasoning.n;
}

static void count_tokens(const job *j, const http_response *h, llm_attempt *t)
{
    const llm_answer *a = &j->in.answer;
    bool billed = may_be_billed(j, h);
    size_t sent = 0;
    for (int i = 0; i < j->q.n_messages; i++)
        sent += strlen(j->message[i].content);
    t->prompt_tokens = a->prompt_tokens;
    t->cached_tokens = a->cached_tokens;
    t->cache_write_tokens = a->cache_write_tokens;
    t->completion_tokens = a->completion_tokens;
    t->reasoning_tokens = a->reasoning_tokens;
    t->cost_usd = a->cost_usd;
    t->tokens_estimated = billed && (a->prompt_tokens < 0 || a->completion_tokens < 0);
    if (a->prompt_tokens < 0)
        t->prompt_tokens = billed ? tokens_of(sent) : 0;
    if (a->completion_tokens < 0)
        t->completion_tokens = billed ? tokens_of(a->content.n + a->reasoning.n + a->refusal.n) : 0;
    /* Gemini's compatible endpoint counts the thinking in the total only. */
    int64_t total = (int64_t)cJSON_GetNumberValue(llm_get(a->usage, "total_tokens"));
    if ((j->endpoint->provider->traits & LLM_TRAIT_THOUGHT_OUTSIDE) && a->prompt_tokens >= 0 &&
        total > a->prompt_tokens + a->completion_tokens)
        t->completion_tokens = total - a->prompt_tokens;
}

/* The words of the server, of curl, or the beginning of a body that is neither. */
static void describe(const job *j, const http_response *h, llm_outcome o, char *out, size_t size)
{
    const llm_answer *a = &j->in.answer;
    out[0] = '\0';
    if (a->error.present && a->error.message[0])
        llm_plain_text(a->error.message, strlen(a->error.message), out, size);
    else if (h->error[0])
        snprintf(out, size, "%s", h->error);
    else if (h->status / 100 == 3 && h->location[0])
        snprintf(out, size, "it points to '%s'", h->location);
    else if (o == LLM_CUT)
        snprintf(out, size, "the reply ended before it was complete (%zu bytes)", j->in.raw.n);
    else if (o == LLM_REFUSED && a->refusal.n)
        llm_plain_text(a->refusal.p, a->refusal.n, out, size < 400 ? size : 400);
    else if (o == LLM_CANCELLED)
        snprintf(out, size, "cancelled after %zu bytes", j->in.raw.n);
    else if (o != LLM_OK && o != LLM_TRUNCATED && o != LLM_EMPTY && o != LLM_REFUSED)
        llm_plain_text(j->in.raw.p, j->in.raw.n, out, size < 200 ? size : 200);
    else
        snprintf(out, size, "%s", a->finish_reason);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    client_redact_text(j->client, out);
}

const llm_attempt *attempt_record(job *j, const http_response *h, llm_outcome o)
{
    WS_GROW(j->attempt, j->n_attempts, j->cap_attempts);
    llm_attempt *a = &j->attempt[j->n_attempts++];
    *a = (llm_attempt){
        .outcome = o, .http_status = h->status, .seconds = h->seconds, .waited_s = j->waited_s};
    describe(j, h, o, a->detail, sizeof a->detail);
    snprintf(a->request_id, sizeof a->request_id, "%s", h->request_id);
    client_redact_text(j->client, a->request_id);
    count_tokens(j, h, a);
    return a;
}
