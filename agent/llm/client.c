/* The calls, and the queue of requests. */
#include "agent/llm/job.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ATTEMPTS = 100 };

const char *llm_outcome_name(llm_outcome o)
{
    static const char *const name[] = {
#define X(id, text) text,
        LLM_OUTCOME_LIST(X)
#undef X
    };
    return (size_t)o < WS_COUNT(name) ? name[o] : "?";
}

/* ---- opening ---- */

static void fill_limits(llm_limits *l)
{
#define DEFAULT(field, value) l->field = l->field > 0 ? l->field : (value)
    DEFAULT(max_body_bytes, 32 << 20);
    DEFAULT(max_event_bytes, 4 << 20);
    DEFAULT(connect_s, 10);
    DEFAULT(idle_s, 300);
    DEFAULT(first_byte_s, 2 * l->idle_s);
    DEFAULT(total_s, 1800);
    DEFAULT(max_attempts, 5);
    DEFAULT(max_wait_s, 120);
    DEFAULT(max_in_flight, 4);
    DEFAULT(backoff_s, 0.5);
#undef DEFAULT
    if (l->max_attempts > MAX_ATTEMPTS)
        l->max_attempts = MAX_ATTEMPTS;
}

ws_status llm_client_open(const llm_client_options *o, llm_client **out, ws_err *err)
{
    llm_client *c = ws_calloc(1, sizeof *c);
    int first;
    *out = NULL;
    c->limits = o->limits;
    fill_limits(&c->limits);
    c->store = o->quirks;
    c->cassette = o->cassette;
    c->next_id = 1;
    http_options ho = {.cassette = o->cassette, .max_connections = c->limits.max_in_flight};
    if (llm_endpoint_add(c, o, &first, err) || http_open(&ho, &c->pool, err)) {
        llm_client_close(c);
        return err->status;
    }
    *out = c;
    return WS_OK;
}

static void job_free(job *j)
{
    http_free(j->transfer);
    intake_release(&j->in);
    ws_buf_release(&j->body);
    for (int i = 0; i < j->q.n_messages; i++) {
        free((void *)(uintptr_t)j->message[i].role);
        free((void *)(uintptr_t)j->message[i].content);
    }
    free(j->message);
    free((void *)(uintptr_t)j->q.model);
    free((void *)(uintptr_t)j->q.reasoning_effort);
    free(j->attempt);
    free(j);
}

void llm_client_close(llm_client *c)
{
    if (!c)
        return;
    while (c->first) {
        job *j = c->first;
        c->first = j->next;
        job_free(j);
    }
    http_close(c->pool);
    for (int i = 0; i < c->n_endpoints; i++)
        endpoint_free(c->endpoint[i]);
    free(c->endpoint);
    free(c);
}

/* ---- the calls ---- */

ws_status llm_submit(llm_client *c, const llm_request *r, int *id, ws_err *err)
{
    if (!r->model || !*r->model || r->n_messages < 1)
        return ws_fail(err, WS_EUSAGE, "a request needs a model and a message");
    if (r->endpoint < 0 || r->endpoint >= c->n_endpoints)
        return ws_fail(err, WS_EUSAGE, "the client has no endpoint %d", r->endpoint);
    job *j = ws_calloc(1, sizeof *j), **end = &c->first;
    j->client = c;
    j->endpoint = c->endpoint[r->endpoint];
    j->id = c->next_id++;
    j->q = *r;
    j->q.model = ws_strdup(r->model);
    j->q.reasoning_effort = r->reasoning_effort ? ws_strdup(r->reasoning_effort) : NULL;
    j->message = ws_calloc((size_t)r->n_messages, sizeof *j->message);
    for (int i = 0; i < r->n_messages; i++)
        j->message[i] = (llm_message){ws_strdup(r->message[i].role),
                                      ws_strdup(r->message[i].content), r->message[i].cache_prefix};
    j->q.message = j->message;
    llm_answer_init(&j->in.answer, 0);
    while (*end)
        end = &(*end)->next;
    *end = j;
    *id = j->id;
    return WS_OK;
}

void llm_cancel(llm_client *c, int id)
{
    for (job *j = c->first; j; j = j->next) {
        if (j->id != id || j->state == JOB_FINISHED)
            continue;
        if (j->transfer) { /* a request that left is recorded: it may be paid for */
            http_response h = *http_result(j->transfer);
            h.seconds = http_seconds(j->transfer);
            attempt_record(j, &h, LLM_CANCELLED);
            http_free(j->transfer);
            j->transfer = NULL;
            c->n_running--;
        }
        job_finish(j, LLM_CANCELLED, NULL);
    }
}

int llm_in_flight(const llm_client *c)
{
    int n = 0;
    for (const job *j = c->first; j; j = j->next)
        n += j->state != JOB_FINISHED;
    return n;
}

static char *take_text(const llm_client *c, ws_buf *b)
{
    if (!b->p)
        return ws_strdup("");
    client_redact(c, b->p, b->n);
    return ws_buf_take(b);
}

/* What the model wrote: valid UTF-8, whatever arrived. */
static char *take_words(const llm_client *c, ws_buf *b)
{
    char *text = take_text(c, b), *valid = ws_utf8_valid(text);
    free(text);
    return valid;
}

static char *usage_text(const llm_client *c, const cJSON *usage)
{
    ws_buf text = {0};
    if (usage)
        ws_json_print(usage, false, &text);
    return take_text(c, &text);
}

/* Of the last attempt; without one nothing was spent. */
static void read_usage(const job *j, llm_reply *out)
{
    const llm_attempt none = {.cached_tokens = -1,
                              .cache_write_tokens = -1,
                              .reasoning_tokens = -1,
                              .cost_usd = (double)NAN};
    const llm_attempt *a = j->n_attempts ? &j->attempt[j->n_attempts - 1] : &none;
    out->prompt_tokens = a->prompt_tokens;
    out->completion_tokens = a->completion_tokens;
    out->cached_tokens = a->cached_tokens;
    out->cache_write_tokens = a->cache_write_tokens;
    out->reasoning_tokens = a->reasoning_tokens;
    out->usage_estimated = a->tokens_estimated;
    out->cost_usd = a->cost_usd;
}

static void deliver(job *j, llm_reply *out)
{
    llm_client *c = j->client;
    const llm_answer *a = &j->in.answer;
    *out = (llm_reply){.outcome = j->outcome,
                       .fatal = j->fatal,
                       .provider = j->endpoint->provider->name,
                       .wire = llm_wire_name(j->in.wire ? j->in.wire->wire : j->endpoint->wire)};
    read_usage(j, out);
    out->usage_json = usage_text(c, a->usage);
    out->content = take_words(c, &j->in.answer.content);
    out->reasoning = take_words(c, &j->in.answer.reasoning);
    out->raw = take_text(c, &j->in.raw);
    out->request_body = take_text(c, &j->body);
    snprintf(out->finish_reason, sizeof out->finish_reason, "%s", a->finish_reason);
    snprintf(out->model, sizeof out->model, "%s", a->model[0] ? a->model : j->q.model);
    snprintf(out->error, sizeof out->error, "%s", j->error);
    snprintf(out->hint, sizeof out->hint, "%s", j->hint);
    client_redact_text(c, out->error);
    out->attempt = j->attempt;
    out->n_attempts = j->n_attempts;
    j->attempt = NULL;
    out->seconds = j->first_ns ? ws_seconds_since(j->first_ns) : 0;
    if (cassette_at_once(c->cassette)) {
        out->seconds = 0;
        for (int i = 0; i < out->n_attempts; i++)
            out->seconds += out->attempt[i].seconds;
    }
}

static bool take_finished(llm_client *c, int *id, llm_reply *out)
{
    for (job **p = &c->first; *p; p = &(*p)->next) {
        job *j = *p;
        if (j->state != JOB_FINISHED)
            continue;
        *id = j->id;
        deliver(j, out);
        *p = j->next;
        job_free(j);
        return true;
    }
    return false;
}

/* Starts what may start; milliseconds until the next waiting job may. */
static int start_ready(llm_client *c, int at_most_ms)
{
    int64_t now = ws_now_ns();
    double next_ms = at_most_ms;
    for (job *j = c->first; j; j = j->next) {
        if ((j->state != JOB_QUEUED && j->state != JOB_WAITING) || job_shut_out(j, now) ||
            !job_has_room(j))
            continue;
        int64_t at = job_start_ns(j);
        if (at <= now)
            attempt_start(j);
        else
            next_ms = fmin(next_ms, ceil((double)(at - now) * 1e-6));
    }
    return (int)next_ms;
}

bool llm_poll_with(llm_client *c, struct pollfd *fd, int n_fds, int timeout_ms, int *id,
                   llm_reply *out)
{
    int64_t start = ws_now_ns();
    for (;;) {
        double left = timeout_ms - ws_seconds_since(start) * 1e3;
        int wait_ms = start_ready(c, left > 0 ? (int)ceil(left) : 0);
        if (take_finished(c, id, out))
            return true;
        bool ready = false;
        http_transfer *t = http_poll_with(c->pool, fd, n_fds, wait_ms, &ready);
        if (t)
            job_end_attempt(http_context(t));
        else if (left <= 0 || ready)
            return false;
    }
}

bool llm_poll(llm_client *c, int timeout_ms, int *id, llm_reply *out)
{
    return llm_poll_with(c, NULL, 0, timeout_ms, id, out);
}

void llm_client_body(llm_client *c, const llm_request *r, ws_buf *out)
{
    if (r->endpoint < 0 || r->endpoint >= c->n_endpoints)
        return;
    job j = {.client = c, .endpoint = c->endpoint[r->endpoint], .q = *r};
    attempt_plan(&j);
    ws_buf_add(out, j.body.p, j.body.n);
    ws_buf_release(&j.body);
}

void llm_reply_release(llm_reply *r)
{
    if (!r)
        return;
    free(r->content);
    free(r->reasoning);
    free(r->raw);
    free(r->request_body);
    free(r->usage_json);
    free(r->attempt);
    *r = (llm_reply){0};
}
