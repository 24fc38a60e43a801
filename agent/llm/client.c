/* Requests with their retries. A job goes QUEUED -> RUNNING -> (WAITING -> RUNNING)* -> FINISHED;
 * llm_poll moves it. A reply counts only when its end was seen: half a stream is never passed on as
 * an answer. */
#include "agent/llm/chat.h"
#include "agent/llm/http.h"
#include "agent/llm/sse.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* Servers without keys are given words like EMPTY or local, which may stand in a kernel. */
enum { MIN_SECRET = 8, MAX_ATTEMPTS = 100, MAX_ERROR_BODY = 1 << 20 };
static const double MAX_BACKOFF_S = 8, MAX_RATE_BACKOFF_S = 30;

typedef enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_WAITING, JOB_FINISHED } job_state;
/* What the body turned out to be: servers answer JSON to a stream request and streams to a plain
 * one. */
typedef enum body_kind { BODY_UNKNOWN, BODY_SSE, BODY_JSON, BODY_OTHER } body_kind;

typedef struct job {
    struct job *next;
    llm_client *client;
    int id;
    job_state state;
    llm_request q; /* owns its strings */
    llm_message *message;
    unsigned quirks;            /* in use by the attempt that runs */
    int tries, protocol_errors; /* tries do not count resends for a quirk */
    int64_t first_ns, not_before_ns;
    double waited_s; /* before the attempt that runs */
    http_transfer *transfer;
    ws_buf body, raw; /* as sent; as received, of the last attempt */
    body_kind kind;
    sse_parser sse;
    chat_reply reply;
    bool progress; /* an event came in the piece being fed */
    llm_attempt *attempt;
    int n_attempts, cap_attempts;
    llm_outcome outcome;
    char error[1024], hint[512];
    bool fatal;
} job;

typedef struct model_quirks {
    char *model;
    unsigned quirks;
} model_quirks;

struct llm_client {
    http_pool *pool;
    char *url, *key;
    cassette *cassette;
    bool names_turns; /* X-Warpsmith-Turn, to a server on this machine */
    llm_limits limits;
    job *first;
    int next_id, n_running;
    int64_t gate_ns; /* a 429 pauses every request of this key until then */
    model_quirks *known;
    int n_known, cap_known;
};

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

/* "https://host/v1", ".../v1/" and ".../v1/chat/completions" name the same server. A query (Azure's
 * api-version) stays at the end. */
static char *endpoint(const char *base)
{
    static const char tail[] = "/chat/completions";
    ws_buf url = {0};
    size_t n = strcspn(base, "?#");
    const char *query = base + n;
    while (n && base[n - 1] == '/')
        n--;
    ws_buf_add(&url, base, n);
    if (n < sizeof tail || memcmp(base + n - (sizeof tail - 1), tail, sizeof tail - 1))
        ws_buf_adds(&url, tail);
    if (*query == '?')
        ws_buf_adds(&url, query);
    return ws_buf_take(&url);
}

/* The key becomes a header line: printable ASCII only, so that it cannot end the line. */
static ws_status check_key(const llm_client_options *o, const http_url *u, ws_err *err)
{
    if (!o->api_key || !*o->api_key)
        return WS_OK;
    for (const char *p = o->api_key; *p; p++)
        if (*p <= ' ' || *p > '~')
            return ws_fail(err, WS_EUSAGE,
                           "the API key holds a blank or a character that is not ASCII");
    if (!u->tls && !u->loopback && !o->allow_insecure) {
        ws_fail(err, WS_EUSAGE, "the base URL is plain http: the key would be sent in the clear");
        return ws_hint(err, "use https, or --insecure-http when the network is trusted");
    }
    return WS_OK;
}

ws_status llm_client_open(const llm_client_options *o, llm_client **out, ws_err *err)
{
    http_url u;
    const char *base = o->base_url;
    bool replays = o->cassette && !cassette_records(o->cassette);
    *out = NULL;
    if (replays && (!base || !*base)) /* nothing is sent there, but its path is part of the key */
        base = cassette_url(o->cassette) ? cassette_url(o->cassette) : "http://127.0.0.1/v1";
    if (!base || !*base)
        return ws_fail(err, WS_EUSAGE, "no base URL of a model server is given");
    if (http_url_parse(base, &u, err) || (!replays && check_key(o, &u, err)))
        return err->status;
    if (o->loopback_only && !u.loopback)
        return ws_fail(err, WS_EUSAGE, "the base URL is not on this machine");
    llm_client *c = ws_calloc(1, sizeof *c);
    c->limits = o->limits;
    fill_limits(&c->limits);
    c->url = endpoint(base);
    c->key = ws_strdup(o->api_key && !replays ? o->api_key : "");
    c->names_turns = u.loopback;
    c->cassette = o->cassette;
    c->next_id = 1;
    http_options ho = {.api_key = c->key,
                       .azure = u.azure,
                       .direct = o->loopback_only,
                       .cassette = o->cassette,
                       .max_connections = c->limits.max_in_flight};
    if (http_open(&ho, &c->pool, err)) {
        llm_client_close(c);
        return err->status;
    }
    *out = c;
    return WS_OK;
}

static void job_free(job *j)
{
    http_free(j->transfer);
    sse_release(&j->sse);
    chat_reply_release(&j->reply);
    ws_buf_release(&j->body);
    ws_buf_release(&j->raw);
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
    if (c->key)
        explicit_bzero(c->key, strlen(c->key));
    for (int i = 0; i < c->n_known; i++)
        free(c->known[i].model);
    free(c->known);
    free(c->key);
    free(c->url);
    free(c);
}

/* ---- the key never leaves ---- */

/* Some servers echo the key in their error text. */
static void redact(const llm_client *c, char *text, size_t n)
{
    size_t k = strlen(c->key);
    if (k < MIN_SECRET || !text)
        return;
    for (char *p = text; (p = memmem(p, n - (size_t)(p - text), c->key, k)); p += k)
        memset(p, '*', k);
}

static void redact_text(const llm_client *c, char *text)
{
    redact(c, text, strlen(text));
}

/* ---- quirks ---- */

static unsigned *quirks_of(llm_client *c, const char *model)
{
    for (int i = 0; i < c->n_known; i++)
        if (strcmp(c->known[i].model, model) == 0)
            return &c->known[i].quirks;
    WS_GROW(c->known, c->n_known, c->cap_known);
    c->known[c->n_known] = (model_quirks){ws_strdup(model), 0};
    return &c->known[c->n_known++].quirks;
}

/* ---- an attempt ---- */

static void on_event(void *ud, const char *data, size_t n)
{
    job *j = ud;
    if (!j->reply.done)
        chat_reply_event(&j->reply, data, n);
    j->progress = true;
}

/* By the first byte that is not blank; content types lie. */
static body_kind kind_of(const ws_buf *raw)
{
    static const char *const field[] = {":", "data:", "event:", "id:", "retry:"};
    ws_str s = ws_str_trim((ws_str){raw->p, raw->n});
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = ws_str_trim((ws_str){s.p + 3, s.n - 3});
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

static http_take receive(void *ud, int status, const char *bytes, size_t n)
{
    job *j = ud;
    ws_buf_add(&j->raw, bytes, n);
    if (j->raw.overflow)
        return HTTP_TAKE_TOO_LARGE;
    if (status < 200 || status >= 300)
        return j->raw.n > MAX_ERROR_BODY ? HTTP_TAKE_TOO_LARGE : HTTP_TAKE_PROGRESS;
    if (j->kind == BODY_UNKNOWN) {
        j->kind = kind_of(&j->raw);
        if (j->kind == BODY_SSE) { /* with the blanks that came before it */
            bytes = j->raw.p;
            n = j->raw.n;
        }
    }
    if (j->kind != BODY_SSE)
        return HTTP_TAKE_PROGRESS;
    j->progress = false;
    if (!sse_feed(&j->sse, bytes, n, on_event, j))
        return HTTP_TAKE_TOO_LARGE;
    if (j->reply.done || j->reply.error.present ||
        (j->reply.finished && chat_reply_has_usage(&j->reply)))
        return HTTP_TAKE_SETTLED;
    if (!j->progress)
        return HTTP_TAKE_NOTHING;
    return j->reply.finished ? HTTP_TAKE_ENDING : HTTP_TAKE_PROGRESS;
}

static void start_attempt(job *j)
{
    llm_client *c = j->client;
    const llm_limits *l = &c->limits;
    char turn[64];
    const char *header[2] = {NULL, NULL};
    ws_err err = {0};
    sse_release(&j->sse);
    chat_reply_release(&j->reply);
    chat_reply_init(&j->reply);
    sse_init(&j->sse, (size_t)l->max_event_bytes);
    ws_buf_release(&j->raw);
    j->raw.max = (size_t)l->max_body_bytes;
    j->reply.content.max = j->reply.reasoning.max = (size_t)l->max_body_bytes;
    j->kind = BODY_UNKNOWN;
    j->quirks = *quirks_of(c, j->q.model);
    ws_buf_reset(&j->body);
    chat_body(&j->q, j->quirks, &j->body);
    if (c->names_turns && j->q.turn >= 0) {
        snprintf(turn, sizeof turn, "X-Warpsmith-Turn: %d", j->q.turn);
        header[0] = turn;
    }
    if (!j->first_ns)
        j->first_ns = ws_now_ns();
    http_request r = {.url = c->url,
                      .body = j->body.p,
                      .body_bytes = j->body.n,
                      .header = header,
                      .stream = j->q.stream,
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

/* ---- what an attempt was ---- */

static bool reached_limit(const chat_reply *r)
{
    return strcmp(r->finish_reason, "length") == 0 || strcmp(r->finish_reason, "max_tokens") == 0;
}

static llm_outcome outcome_of_reply(const chat_reply *r)
{
    if (r->refusal.n || strcmp(r->finish_reason, "content_filter") == 0)
        return LLM_REFUSED;
    if (strcmp(r->finish_reason, "error") == 0)
        return LLM_SERVER;
    if (!ws_str_trim((ws_str){ws_buf_z(&r->content), r->content.n}).n)
        return LLM_EMPTY;
    return reached_limit(r) ? LLM_TRUNCATED : LLM_OK;
}

/* The outcome of a 2xx response that arrived whole, as far as HTTP goes. */
static llm_outcome outcome_of_success(job *j)
{
    chat_reply *r = &j->reply;
    if (j->kind == BODY_JSON)
        chat_reply_whole(r, j->raw.p, j->raw.n);
    else if (j->kind == BODY_SSE && !r->done) {
        bool sound = !r->malformed, finished = r->finished;
        sse_finish(&j->sse, on_event, j);
        if (sound && r->malformed && !finished) /* a last event that stops in the middle */
            return LLM_CUT;
        r->malformed = !sound; /* after the answer's end it does not matter: half a [DONE] */
    }
    if (r->error.present)
        return chat_error_outcome(200, &r->error);
    if (r->malformed || j->kind == BODY_OTHER || j->kind == BODY_UNKNOWN)
        return r->partial || j->kind == BODY_UNKNOWN ? LLM_CUT : LLM_PROTOCOL;
    if (!r->finished)
        return LLM_CUT;
    return outcome_of_reply(r);
}

static llm_outcome outcome_of_attempt(job *j, const http_response *h)
{
    switch (h->end) {
    case HTTP_FAILED:
        return LLM_TRANSPORT;
    case HTTP_STALLED:
        return LLM_STALL;
    case HTTP_TOO_LARGE:
        return LLM_TOO_LARGE;
    case HTTP_NO_RECORDING:
        return LLM_NO_RECORDING;
    case HTTP_CUT:
        /* An answer whose end was seen before the connection broke is whole. */
        if (h->status / 100 == 2 && j->kind == BODY_SSE && j->reply.finished &&
            !j->reply.error.present)
            return outcome_of_reply(&j->reply);
        if (h->status / 100 == 2)
            return LLM_CUT;
        break;
    case HTTP_COMPLETE:
        break;
    }
    if (j->raw.p) /* before it is parsed: parts of it are kept in bounded texts */
        redact(j->client, j->raw.p, j->raw.n);
    if (h->status / 100 == 2)
        return outcome_of_success(j);
    chat_error_parse(ws_buf_z(&j->raw), j->raw.n, &j->reply.error);
    return chat_error_outcome(h->status, &j->reply.error);
}

/* The words of the server, of curl, or the beginning of a body that is neither. */
static void describe(const job *j, const http_response *h, llm_outcome o, char *out, size_t size)
{
    const chat_reply *r = &j->reply;
    out[0] = '\0';
    if (r->error.present && r->error.message[0])
        chat_plain_text(r->error.message, strlen(r->error.message), out, size);
    else if (h->error[0])
        snprintf(out, size, "%s", h->error);
    else if (h->status / 100 == 3 && h->location[0])
        snprintf(out, size, "it points to '%s'", h->location);
    else if (o == LLM_CUT)
        snprintf(out, size, "the reply ended before it was complete (%zu bytes)", j->raw.n);
    else if (o == LLM_REFUSED && r->refusal.n)
        chat_plain_text(r->refusal.p, r->refusal.n, out, size < 400 ? size : 400);
    else if (o == LLM_CANCELLED)
        snprintf(out, size, "cancelled after %zu bytes", j->raw.n);
    else if (o != LLM_OK && o != LLM_TRUNCATED && o != LLM_EMPTY && o != LLM_REFUSED)
        chat_plain_text(j->raw.p, j->raw.n, out, size < 200 ? size : 200);
    else
        snprintf(out, size, "%s", r->finish_reason);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    redact_text(j->client, out);
}

static llm_attempt *record(job *j, const http_response *h, llm_outcome o)
{
    WS_GROW(j->attempt, j->n_attempts, j->cap_attempts);
    llm_attempt *a = &j->attempt[j->n_attempts++];
    *a = (llm_attempt){
        .outcome = o, .http_status = h->status, .seconds = h->seconds, .waited_s = j->waited_s};
    describe(j, h, o, a->detail, sizeof a->detail);
    snprintf(a->request_id, sizeof a->request_id, "%s", h->request_id);
    redact_text(j->client, a->request_id);
    return a;
}

/* ---- ends ---- */

typedef struct outcome_text {
    const char *error, *hint;
    bool fatal; /* no further request can succeed either */
} outcome_text;

static outcome_text text_of_outcome(llm_outcome o, int status)
{
    switch (o) {
    case LLM_OK:
        return (outcome_text){"", "", false};
    case LLM_TRUNCATED:
        return (outcome_text){"the reply reached the token limit", "raise --max-tokens", false};
    case LLM_REFUSED:
        return (outcome_text){"the model refused", "", false};
    case LLM_EMPTY:
        return (outcome_text){"the reply has no text",
                              "when the model reasons, raise --max-tokens: reasoning counts too",
                              false};
    case LLM_AUTH:
        return (outcome_text){"the server does not accept the key",
                              "check OPENAI_API_KEY or --api-key-file, and --base-url", true};
    case LLM_QUOTA:
        return (outcome_text){"the account's quota is spent", "", true};
    case LLM_RATE_LIMITED:
        return (outcome_text){"the server limits the rate of requests", "try again later", false};
    case LLM_CONTEXT:
        return (outcome_text){
            "the prompt is too long for the model",
            "take a model with a longer context, or shorter templates with --prompts", false};
    case LLM_BAD_REQUEST:
        if (status == 404)
            return (outcome_text){"the server does not know this model or address",
                                  "check --model, and that --base-url ends in /v1", true};
        if (status / 100 == 3)
            return (outcome_text){"the server redirects elsewhere, which is not followed",
                                  "give the final address as --base-url", true};
        return (outcome_text){"the server does not accept the request", "", false};
    case LLM_SERVER:
        return (outcome_text){"the server failed", "try again later", false};
    case LLM_TRANSPORT:
        return (outcome_text){"cannot reach the server", "check --base-url", false};
    case LLM_STALL:
        return (outcome_text){"the server stopped sending", "raise --idle-timeout for a slow one",
                              false};
    case LLM_CUT:
        return (outcome_text){"the connection ended in the middle of the reply", "try again later",
                              false};
    case LLM_PROTOCOL:
        return (outcome_text){"the server's answer is not a chat completion", "check --base-url",
                              false};
    case LLM_TOO_LARGE:
        return (outcome_text){"the reply is larger than the limit", "", false};
    case LLM_CANCELLED:
        return (outcome_text){"cancelled", "", false};
    case LLM_NO_RECORDING:
        return (outcome_text){"the recording holds no answer to this request",
                              "replay with the options of the recorded run, or --loose", true};
    }
    return (outcome_text){"?", "", false};
}

static void finish(job *j, llm_outcome o, const llm_attempt *last)
{
    outcome_text t = text_of_outcome(o, last ? last->http_status : 0);
    j->state = JOB_FINISHED;
    j->outcome = o;
    j->fatal = t.fatal;
    snprintf(j->hint, sizeof j->hint, "%s", t.hint);
    if (o == LLM_OK)
        return;
    bool told = last && last->detail[0] && strcmp(last->detail, t.error) != 0;
    if (last && last->http_status && last->http_status / 100 != 2)
        snprintf(j->error, sizeof j->error, "%s (HTTP %d)%s%s", t.error, last->http_status,
                 told ? ": " : "", told ? last->detail : "");
    else if (told && o == LLM_EMPTY && reached_limit(&j->reply))
        snprintf(j->error, sizeof j->error, "%s: reasoning took all of its tokens", t.error);
    else if (told && (o == LLM_EMPTY || o == LLM_TRUNCATED))
        snprintf(j->error, sizeof j->error, "%s (finish reason %s)", t.error, last->detail);
    else if (told)
        snprintf(j->error, sizeof j->error, "%s: %s", t.error, last->detail);
    else
        snprintf(j->error, sizeof j->error, "%s", t.error);
    size_t n = strlen(j->error);
    if (j->tries > 1)
        snprintf(j->error + n, sizeof j->error - n, " (after %d tries)", j->tries);
}

static double random_unit(void)
{
    uint32_t x = 0;
    return getrandom(&x, sizeof x, 0) == sizeof x ? x / 4294967296.0 : 0.5;
}

/* The wait that the server names, NaN: none. */
static double told_wait(const job *j, const http_response *h)
{
    return isnan(h->retry_after_s) ? j->reply.error.retry_after_s : h->retry_after_s;
}

/* Full jitter; a wait that the server names is kept, stretched a little so that clients spread.
 * Rates are counted by the minute: without a named wait a 429 is waited out longer than a failure.
 */
static double wait_before_retry(const job *j, const http_response *h, llm_outcome o)
{
    double told = told_wait(j, h), step = j->client->limits.backoff_s * exp2(j->tries - 1);
    double jitter = random_unit();
    if (cassette_at_once(j->client->cassette))
        return 0;
    if (told > 0)
        return told * (1 + 0.1 * jitter);
    if (o == LLM_RATE_LIMITED)
        return (0.5 + 0.5 * jitter) * fmin(4 * step, MAX_RATE_BACKOFF_S);
    return jitter * fmin(step, MAX_BACKOFF_S);
}

/* Whether the call has made as many requests as it may. */
static bool used_up(const job *j)
{
    return j->q.max_requests > 0 && j->n_attempts >= j->q.max_requests;
}

static bool may_retry(job *j, const http_response *h, llm_outcome o)
{
    if (j->tries >= j->client->limits.max_attempts || h->should_retry == 0 || used_up(j))
        return false;
    switch (o) {
    case LLM_RATE_LIMITED:
    case LLM_SERVER:
    case LLM_STALL:
    case LLM_CUT:
        return true;
    case LLM_TRANSPORT:
        return j->tries <= h->worth_retrying;
    case LLM_PROTOCOL:
        return ++j->protocol_errors <= 1; /* a proxy's page, once */
    default:
        return h->should_retry == 1;
    }
}

static void warn_of_retry(const job *j, llm_outcome o, const llm_attempt *a, double wait_s)
{
    char status[32] = "";
    if (a->http_status && a->http_status / 100 != 2)
        snprintf(status, sizeof status, " (HTTP %d)", a->http_status);
    ws_log(WS_LOG_WARN, "%s%s%s%s; try %d of %d in %.1f s",
           text_of_outcome(o, a->http_status).error, status, a->detail[0] ? ": " : "", a->detail,
           j->tries + 1, j->client->limits.max_attempts, wait_s);
}

static void end_attempt(job *j)
{
    llm_client *c = j->client;
    http_response h = *http_result(j->transfer);
    llm_outcome o = outcome_of_attempt(j, &h);
    const llm_attempt *a = record(j, &h, o);
    http_free(j->transfer);
    j->transfer = NULL;
    c->n_running--;
    j->waited_s = 0;
    bool adapts = o == LLM_BAD_REQUEST || o == LLM_CONTEXT;
    unsigned quirk = adapts ? chat_quirk_for(&j->reply.error, &j->q, j->quirks) : 0;
    if (quirk && !used_up(j)) {
        ws_log(WS_LOG_INFO, "model '%s': resending without what the server refuses: %s", j->q.model,
               a->detail);
        *quirks_of(c, j->q.model) |= quirk;
        j->state = JOB_QUEUED;
        return;
    }
    j->tries++;
    double wait_s = wait_before_retry(j, &h, o);
    if (!may_retry(j, &h, o)) {
        finish(j, o, a);
    } else if (wait_s > c->limits.max_wait_s ||
               (cassette_at_once(c->cassette) && told_wait(j, &h) > c->limits.max_wait_s)) {
        finish(j, o, a);
        size_t n = strlen(j->error);
        snprintf(j->error + n, sizeof j->error - n, "; it asks to wait %.0f s, more than %.0f s",
                 told_wait(j, &h), c->limits.max_wait_s);
    } else {
        warn_of_retry(j, o, a, wait_s);
        j->waited_s = wait_s;
        j->not_before_ns = ws_now_ns() + (int64_t)(wait_s * 1e9);
        j->state = JOB_WAITING;
        if (o == LLM_RATE_LIMITED && j->not_before_ns > c->gate_ns)
            c->gate_ns = j->not_before_ns;
    }
}

/* ---- the calls ---- */

ws_status llm_submit(llm_client *c, const llm_request *r, int *id, ws_err *err)
{
    if (!r->model || !*r->model || r->n_messages < 1)
        return ws_fail(err, WS_EUSAGE, "a request needs a model and a message");
    job *j = ws_calloc(1, sizeof *j), **end = &c->first;
    j->client = c;
    j->id = c->next_id++;
    j->q = *r;
    j->q.model = ws_strdup(r->model);
    j->q.reasoning_effort = r->reasoning_effort ? ws_strdup(r->reasoning_effort) : NULL;
    j->message = ws_calloc((size_t)r->n_messages, sizeof *j->message);
    for (int i = 0; i < r->n_messages; i++)
        j->message[i] =
            (llm_message){ws_strdup(r->message[i].role), ws_strdup(r->message[i].content)};
    j->q.message = j->message;
    chat_reply_init(&j->reply);
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
            record(j, &h, LLM_CANCELLED);
            http_free(j->transfer);
            j->transfer = NULL;
            c->n_running--;
        }
        finish(j, LLM_CANCELLED, NULL);
    }
}

int llm_in_flight(const llm_client *c)
{
    int n = 0;
    for (const job *j = c->first; j; j = j->next)
        n += j->state != JOB_FINISHED;
    return n;
}

static void read_usage(const job *j, llm_reply *out)
{
    const chat_reply *r = &j->reply;
    out->prompt_tokens = r->prompt_tokens;
    out->completion_tokens = r->completion_tokens;
    out->cached_tokens = r->cached_tokens;
    out->reasoning_tokens = r->reasoning_tokens;
    out->cost_usd = r->cost_usd;
    bool answered = j->outcome == LLM_OK || j->outcome == LLM_TRUNCATED || j->outcome == LLM_EMPTY;
    if (!answered || (r->prompt_tokens >= 0 && r->completion_tokens >= 0))
        return;
    size_t sent = 0;
    for (int i = 0; i < j->q.n_messages; i++)
        sent += strlen(j->message[i].content);
    out->usage_estimated = true;
    if (out->prompt_tokens < 0)
        out->prompt_tokens = (int64_t)(sent + 3) / 4;
    if (out->completion_tokens < 0)
        out->completion_tokens = (int64_t)(r->content.n + r->reasoning.n + 3) / 4;
}

static char *take_text(const llm_client *c, ws_buf *b)
{
    if (!b->p)
        return ws_strdup("");
    redact(c, b->p, b->n);
    return ws_buf_take(b);
}

static void deliver(job *j, llm_reply *out)
{
    llm_client *c = j->client;
    *out = (llm_reply){.outcome = j->outcome, .fatal = j->fatal};
    read_usage(j, out);
    out->content = take_text(c, &j->reply.content);
    out->reasoning = take_text(c, &j->reply.reasoning);
    out->raw = take_text(c, &j->raw);
    out->request_body = take_text(c, &j->body);
    snprintf(out->finish_reason, sizeof out->finish_reason, "%s", j->reply.finish_reason);
    snprintf(out->model, sizeof out->model, "%s", j->reply.model[0] ? j->reply.model : j->q.model);
    snprintf(out->error, sizeof out->error, "%s", j->error);
    snprintf(out->hint, sizeof out->hint, "%s", j->hint);
    redact_text(c, out->error);
    out->attempt = j->attempt;
    out->n_attempts = j->n_attempts;
    j->attempt = NULL;
    out->seconds = j->first_ns ? ws_seconds_since(j->first_ns) : 0;
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
        if ((j->state != JOB_QUEUED && j->state != JOB_WAITING) ||
            c->n_running >= c->limits.max_in_flight)
            continue;
        int64_t at = j->not_before_ns > c->gate_ns ? j->not_before_ns : c->gate_ns;
        if (at <= now)
            start_attempt(j);
        else
            next_ms = fmin(next_ms, ceil((double)(at - now) * 1e-6));
    }
    return (int)next_ms;
}

bool llm_poll(llm_client *c, int timeout_ms, int *id, llm_reply *out)
{
    int64_t start = ws_now_ns();
    for (;;) {
        double left = timeout_ms - ws_seconds_since(start) * 1e3;
        int wait_ms = start_ready(c, left > 0 ? (int)left : 0);
        if (take_finished(c, id, out))
            return true;
        http_transfer *t = http_poll(c->pool, wait_ms);
        if (t)
            end_attempt(http_context(t));
        else if (left <= 0)
            return false;
    }
}

void llm_reply_release(llm_reply *r)
{
    if (!r)
        return;
    free(r->content);
    free(r->reasoning);
    free(r->raw);
    free(r->request_body);
    free(r->attempt);
    *r = (llm_reply){0};
}
