/* What follows from an attempt: the end of the request in words, another one, when, and what the
 * other requests of the endpoint have to wait for. */
#include "agent/llm/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double MAX_BACKOFF_S = 8, MAX_RATE_BACKOFF_S = 30;
static const double LONGEST_WAIT_S = 1e7; /* whatever a server names: so that times stay numbers */

/* ---- in words ---- */

typedef struct outcome_text {
    const char *error, *hint;
    bool fatal; /* no further request can succeed either */
} outcome_text;

static const outcome_text texts[] = {
    [LLM_OK] = {"", "", false},
    [LLM_TRUNCATED] = {"the reply reached the token limit", "raise --max-tokens", false},
    [LLM_REFUSED] = {"the model refused", "", false},
    [LLM_EMPTY] = {"the reply has no text",
                   "when the model reasons, raise --max-tokens: reasoning counts too", false},
    [LLM_AUTH] = {"the server does not accept the key", "", true},
    [LLM_QUOTA] = {"the account's quota is spent", "", true},
    [LLM_RATE_LIMITED] = {"the server limits the rate of requests", "try again later", false},
    [LLM_CONTEXT] = {"the prompt is too long for the model",
                     "take a model with a longer context, or shorter templates with --prompts",
                     false},
    [LLM_BAD_REQUEST] = {"the server does not accept the request", "", false},
    [LLM_SERVER] = {"the server failed", "try again later", false},
    [LLM_TRANSPORT] = {"cannot reach the server", "check --base-url", false},
    [LLM_STALL] = {"the server stopped sending", "raise --idle-timeout for a slow one", false},
    [LLM_CUT] = {"the connection ended in the middle of the reply", "try again later", false},
    [LLM_PROTOCOL] = {"", "check --base-url", false},
    [LLM_TOO_LARGE] = {"the reply is larger than the limit", "", false},
    [LLM_CANCELLED] = {"cancelled", "", false},
    [LLM_NO_RECORDING] = {"the recording holds no answer to this request",
                          "replay with the options of the recorded run, or --loose", true},
};

static outcome_text text_of(llm_outcome o, int status)
{
    static const outcome_text unknown = {"the server does not know this model or address",
                                         "check --model, and that --base-url ends in /v1", true};
    static const outcome_text elsewhere = {"the server redirects elsewhere, which is not followed",
                                           "give the final address as --base-url", true};
    if (o == LLM_BAD_REQUEST && status == 404)
        return unknown;
    if (o == LLM_BAD_REQUEST && status / 100 == 3)
        return elsewhere;
    return (size_t)o < WS_COUNT(texts) ? texts[o] : (outcome_text){"?", "", false};
}

static void describe_key(const job *j, char *out, size_t size)
{
    const llm_provider *p = j->endpoint->provider;
    if (j->endpoint->key[0])
        snprintf(out, size, "check %s or --api-key-file, and --base-url", p->key_env[0]);
    else
        snprintf(out, size, "no key is set: give %s or --api-key-file", p->key_env[0]);
}

static const char *sentence(const job *j, const outcome_text *t, llm_outcome o, char *room,
                            size_t size)
{
    if (o != LLM_PROTOCOL)
        return t->error;
    snprintf(room, size, "the server's answer is not %s",
             j->in.wire ? j->in.wire->what : "a reply");
    return room;
}

void job_finish(job *j, llm_outcome o, const llm_attempt *last)
{
    outcome_text t = text_of(o, last ? last->http_status : 0);
    char room[128];
    const char *error = sentence(j, &t, o, room, sizeof room);
    j->state = JOB_FINISHED;
    j->outcome = o;
    j->fatal = t.fatal;
    snprintf(j->hint, sizeof j->hint, "%s", t.hint);
    if (o == LLM_AUTH)
        describe_key(j, j->hint, sizeof j->hint);
    if (o == LLM_OK)
        return;
    bool told = last && last->detail[0] && strcmp(last->detail, error) != 0;
    if (last && last->http_status && last->http_status / 100 != 2)
        snprintf(j->error, sizeof j->error, "%s (HTTP %d)%s%s", error, last->http_status,
                 told ? ": " : "", told ? last->detail : "");
    else if (told && o == LLM_EMPTY && attempt_reached_limit(&j->in.answer))
        snprintf(j->error, sizeof j->error, "%s: reasoning took all of its tokens", error);
    else if (told && (o == LLM_EMPTY || o == LLM_TRUNCATED))
        snprintf(j->error, sizeof j->error, "%s (finish reason %s)", error, last->detail);
    else
        snprintf(j->error, sizeof j->error, "%s%s%s", error, told ? ": " : "",
                 told ? last->detail : "");
    size_t n = strlen(j->error);
    if (j->tries > 1)
        snprintf(j->error + n, sizeof j->error - n, " (after %d tries)", j->tries);
}

static void warn_of_retry(const job *j, llm_outcome o, const llm_attempt *a, double wait_s)
{
    char status[32] = "", room[128];
    outcome_text t = text_of(o, a->http_status);
    if (a->http_status && a->http_status / 100 != 2)
        snprintf(status, sizeof status, " (HTTP %d)", a->http_status);
    ws_log(WS_LOG_WARN, "%s%s%s%s; try %d of %d in %.1f s", sentence(j, &t, o, room, sizeof room),
           status, a->detail[0] ? ": " : "", a->detail, j->tries + 1,
           j->client->limits.max_attempts, wait_s);
}

/* ---- waiting ---- */

static double random_unit(void)
{
    uint32_t x = 0;
    ws_err none = {0};
    return ws_random(&x, sizeof x, &none) ? 0.5 : x / 4294967296.0;
}

/* The wait that the server names, in a header, in the error, or as the reset of a limit that is
 * used up; NaN: none. */
static double told_wait(const job *j, const http_response *h, llm_outcome o)
{
    if (!isnan(h->limits.retry_after_s))
        return fmin(h->limits.retry_after_s, LONGEST_WAIT_S);
    if (!isnan(j->in.answer.error.retry_after_s))
        return fmin(j->in.answer.error.retry_after_s, LONGEST_WAIT_S);
    double reset = o == LLM_RATE_LIMITED ? header_limits_wait(&h->limits, true) : 0;
    return reset > 0 ? fmin(reset, LONGEST_WAIT_S) : (double)NAN;
}

/* A wait that the server names is kept, stretched a little so that clients spread. Else half of it
 * is jitter. Rates are counted by the minute: without a named wait a 429 is waited out longer than
 * a failure. */
static double wait_before_retry(const job *j, double told, llm_outcome o)
{
    double step = j->client->limits.backoff_s * exp2(j->tries - 1), jitter = random_unit();
    if (cassette_at_once(j->client->cassette))
        return 0;
    if (told > 0)
        return told * (1 + 0.1 * jitter);
    if (o == LLM_RATE_LIMITED)
        return (0.5 + 0.5 * jitter) * fmin(4 * step, MAX_RATE_BACKOFF_S);
    return (0.5 + 0.5 * jitter) * fmin(step, MAX_BACKOFF_S);
}

static void close_gate(endpoint *e, double seconds)
{
    int64_t until = ws_now_ns() + (int64_t)(seconds * 1e9);
    if (until > e->gate_ns)
        e->gate_ns = until;
}

/* A 429, or a server that says that it has more than it can do. */
static bool is_overload(const job *j, const http_response *h, llm_outcome o)
{
    static const char *const words[] = {"overloaded", NULL};
    return o == LLM_RATE_LIMITED ||
           (o == LLM_SERVER && (h->status == 503 || h->status == 529 ||
                                llm_error_says(&j->in.answer.error, words)));
}

/* Whatever the server asks for holds for every request of this key: none is sent meanwhile, and
 * after an overload they come back one at first, then two, four. */
static void note_wait(job *j, const http_response *h, double told, double wait_s, llm_outcome o)
{
    endpoint *e = j->endpoint;
    bool overload = is_overload(j, h, o);
    if (cassette_at_once(j->client->cassette))
        return;
    if (overload) {
        e->window = 1;
        e->limited_ns = ws_now_ns();
    }
    if (told > j->client->limits.max_wait_s)
        e->shut_ns = ws_now_ns() + (int64_t)(told * 1e9);
    else if (told > 0 || overload)
        close_gate(e, wait_s);
}

void job_accepted(job *j)
{
    endpoint *e = j->endpoint;
    const llm_limits *l = &j->client->limits;
    double wait = header_limits_wait(&http_result(j->transfer)->limits, false);
    j->accepted = true;
    if (j->start_ns > e->limited_ns && e->window < l->max_in_flight)
        e->window *= 2;
    /* Some proxies name limits that they do not keep: longer than a wait is waited it is not
     * believed before a 429 says the same. */
    if (wait > 0 && !cassette_at_once(j->client->cassette))
        close_gate(e, fmin(wait, l->max_wait_s));
}

static void say_wait(job *j, double asked_s)
{
    size_t n = strlen(j->error);
    snprintf(j->error + n, sizeof j->error - n, "; it asks to wait %.0f s, more than %.0f s",
             asked_s, j->client->limits.max_wait_s);
}

bool job_shut_out(job *j, int64_t now_ns)
{
    endpoint *e = j->endpoint;
    const llm_attempt *last = j->n_attempts ? &j->attempt[j->n_attempts - 1] : NULL;
    if (e->dead && j->id < e->dead_below) {
        job_finish(j, e->dead, last);
        snprintf(j->error, sizeof j->error, "%s", e->why);
        return true;
    }
    if (e->shut_ns <= now_ns)
        return false;
    job_finish(j, LLM_RATE_LIMITED, last);
    say_wait(j, (double)(e->shut_ns - now_ns) * 1e-9);
    return true;
}

/* No request of this key can succeed; one that is made later may find that changed. A 403 may
 * concern one model only. */
static void note_dead_key(job *j, const http_response *h, llm_outcome o)
{
    endpoint *e = j->endpoint;
    if (o != LLM_QUOTA && (o != LLM_AUTH || h->status == 403))
        return;
    e->dead = o;
    e->dead_below = j->client->next_id;
    memcpy(e->why, j->error, sizeof e->why);
}

int64_t job_start_ns(const job *j)
{
    return j->not_before_ns > j->endpoint->gate_ns ? j->not_before_ns : j->endpoint->gate_ns;
}

bool job_has_room(const job *j)
{
    const llm_client *c = j->client;
    int unanswered = 0;
    if (c->n_running >= c->limits.max_in_flight)
        return false;
    for (const job *k = c->first; k; k = k->next)
        unanswered += k->endpoint == j->endpoint && k->state == JOB_RUNNING && !k->accepted;
    return unanswered < j->endpoint->window;
}

/* ---- another one ---- */

/* Whether the call has made as many requests as it may, or its owner wants no more. */
static bool may_resend(const job *j, const llm_attempt *failed)
{
    if (j->q.max_requests > 0 && j->n_attempts >= j->q.max_requests)
        return false;
    return !j->q.again || j->q.again(j->q.ud, failed);
}

static bool may_retry(job *j, const http_response *h, llm_outcome o)
{
    if (j->tries >= j->client->limits.max_attempts || h->limits.should_retry == 0)
        return false;
    switch (o) {
    case LLM_SERVER: /* 501 and 505: the server cannot do it, and will not learn it in a second */
        return (h->status != 501 && h->status != 505) || h->limits.should_retry == 1;
    case LLM_RATE_LIMITED:
    case LLM_STALL:
    case LLM_CUT:
        return true;
    case LLM_TRANSPORT:
        return j->tries <= h->worth_retrying;
    case LLM_PROTOCOL:
        return ++j->protocol_errors <= 1; /* a proxy's page, once */
    case LLM_BAD_REQUEST:
        return h->limits.should_retry == 1;
    default:
        return false;
    }
}

/* The request, changed by what the server refused; false: it cannot be, or no more is to be
 * sent. */
static bool adapt(job *j, llm_outcome o, const llm_attempt *a)
{
    llm_lesson lesson;
    llm_refusal r = {.error = &j->in.answer.error,
                     .request = &j->q,
                     .body = ws_buf_z(&j->body),
                     .wire = j->in.wire->wire,
                     .may_switch = j->endpoint->may_switch,
                     .in_use = j->quirks};
    if ((o != LLM_BAD_REQUEST && o != LLM_CONTEXT) || !llm_quirk_for(&r, &lesson) ||
        !may_resend(j, a))
        return false;
    ws_log(WS_LOG_INFO, "model '%s': resending without what the server refuses: %s", j->q.model,
           a->detail);
    endpoint_learn(j->client, j->endpoint, j->q.model, lesson.learned);
    j->own = llm_quirks_join(j->own, lesson.own);
    j->state = JOB_QUEUED;
    return true;
}

/* Ollama and its like drop the beginning of a prompt that is longer than their context, and answer
 * what is left. No tokenizer has so many bytes in a token of source text. */
static void warn_of_cut_prompt(job *j, const llm_attempt *a)
{
    enum { MOST_BYTES_PER_TOKEN = 8, SHORT_PROMPT = 4096 };
    endpoint *e = j->endpoint;
    size_t sent = 0;
    for (int i = 0; i < j->q.n_messages; i++)
        sent += strlen(j->message[i].content);
    if (e->warned || a->tokens_estimated || !(e->provider->traits & LLM_TRAIT_LOCAL) ||
        sent < SHORT_PROMPT || a->prompt_tokens * MOST_BYTES_PER_TOKEN >= (int64_t)sent)
        return;
    e->warned = true;
    ws_log(WS_LOG_WARN,
           "%s counted %lld tokens of a prompt of %zu bytes: its context may be too short, and the "
           "prompt cut (Ollama: OLLAMA_CONTEXT_LENGTH)",
           e->provider->name, (long long)a->prompt_tokens, sent);
}

void job_end_attempt(job *j)
{
    llm_client *c = j->client;
    http_response h = *http_result(j->transfer);
    llm_outcome o = attempt_outcome(j, &h);
    const llm_attempt *a = attempt_record(j, &h, o);
    http_free(j->transfer);
    j->transfer = NULL;
    c->n_running--;
    j->waited_s = 0;
    if (o == LLM_OK || o == LLM_TRUNCATED || o == LLM_EMPTY)
        warn_of_cut_prompt(j, a);
    if (adapt(j, o, a))
        return;
    j->tries++;
    double told = told_wait(j, &h, o), wait_s = wait_before_retry(j, told, o);
    if (o == LLM_RATE_LIMITED || o == LLM_SERVER)
        note_wait(j, &h, told, wait_s, o);
    if (!may_retry(j, &h, o)) {
        job_finish(j, o, a);
        note_dead_key(j, &h, o);
    } else if (told > c->limits.max_wait_s) {
        job_finish(j, o, a);
        say_wait(j, told);
    } else if (!may_resend(j, a)) {
        job_finish(j, o, a);
    } else {
        warn_of_retry(j, o, a, wait_s);
        j->waited_s = wait_s;
        j->not_before_ns = ws_now_ns() + (int64_t)(wait_s * 1e9);
        j->state = JOB_WAITING;
    }
}
