#include "agent/loop/state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHARS_PER_TOKEN = 3, /* of a prompt, on the safe side */
    SHORTEST_REPLY = 500 /* tokens; a budget with less room for a reply is spent */
};

bool loop_answered(const db_call *c)
{
    static const char *const answers[] = {"ok", "truncated", "refused", "empty", "too_large"};
    if (strcmp(c->state, "done") != 0 || !c->outcome)
        return false;
    for (size_t i = 0; i < WS_COUNT(answers); i++)
        if (strcmp(c->outcome, answers[i]) == 0)
            return true;
    return false;
}

/* The requests of this session after those that earlier ones made for the same call. */
static cJSON *earlier_attempts(const db_call *earlier)
{
    cJSON *array = earlier && earlier->attempts_json ? cJSON_Parse(earlier->attempts_json) : NULL;
    if (!array)
        array = cJSON_CreateArray();
    if (earlier && strcmp(earlier->state, "sent") == 0) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "outcome", "lost");
        cJSON_AddStringToObject(o, "detail", "the process ended before the answer");
        cJSON_AddItemToArray(array, o);
    }
    return array;
}

static char *attempts_json(ws_arena *a, const db_call *earlier, const llm_reply *r)
{
    cJSON *array = earlier_attempts(earlier);
    ws_buf text = {0};
    for (int i = 0; i < r->n_attempts; i++) {
        const llm_attempt *t = &r->attempt[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "outcome", llm_outcome_name(t->outcome));
        cJSON_AddNumberToObject(o, "http_status", t->http_status);
        cJSON_AddNumberToObject(o, "seconds", t->seconds);
        cJSON_AddNumberToObject(o, "waited_seconds", t->waited_s);
        cJSON_AddStringToObject(o, "detail", t->detail);
        cJSON_AddStringToObject(o, "request_id", t->request_id);
        cJSON_AddItemToArray(array, o);
    }
    ws_json_print(array, false, &text);
    cJSON_Delete(array);
    char *copy = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

static char *now(ws_arena *a)
{
    char *when = ws_arena_alloc(a, WS_UTC_SIZE);
    ws_utc_now(when);
    return when;
}

static void record_reply(loop_state *s, const db_call *earlier, const llm_reply *r, db_call *c)
{
    ws_arena *a = &s->arena;
    c->state = "done";
    c->outcome = llm_outcome_name(r->outcome);
    c->content = ws_arena_strdup(a, r->content);
    c->reasoning = r->reasoning ? ws_arena_strdup(a, r->reasoning) : "";
    c->raw = r->raw ? ws_arena_strdup(a, r->raw) : "";
    c->finish_reason = ws_arena_strdup(a, r->finish_reason);
    c->model = ws_arena_strdup(a, r->model);
    c->error = ws_arena_strdup(a, r->error);
    c->prompt_tokens = r->prompt_tokens;
    c->cached_tokens = r->cached_tokens;
    c->completion_tokens = r->completion_tokens;
    c->reasoning_tokens = r->reasoning_tokens;
    c->usage_estimated = r->usage_estimated;
    c->cost_usd = r->cost_usd;
    c->seconds = r->seconds;
    c->attempts_json = attempts_json(a, earlier, r);
    c->ended = now(a);
}

/* Waits for the one request in flight. An interrupt or the time budget cancels it. */
static void await(loop_state *s, int id, llm_reply *reply)
{
    int done;
    bool cancelled = false;
    int64_t begin = ws_now_ns();
    while (!llm_poll(s->client, 100, &done, reply) || done != id) {
        loop_report_waiting(s, ws_seconds_since(begin));
        bool late = s->o->budget.seconds > 0 && loop_spent_seconds(s) > s->o->budget.seconds;
        if (!cancelled && (cli_interrupted || late)) {
            llm_cancel(s->client, id);
            cancelled = true;
        }
    }
    loop_report_waiting(s, -1);
}

static ws_status begin_call(loop_state *s, const loop_step *step, const llm_request *q, db_call *c,
                            ws_err *err)
{
    ws_buf body = {0};
    llm_request_body(q, &body);
    *c = (db_call){.run = s->run.id,
                   .turn = s->turn,
                   .purpose = step->purpose,
                   .state = "sent",
                   .prompt_json = ws_arena_strdup(&s->arena, ws_buf_z(&body)),
                   .model = s->run.model,
                   .prompt_tokens = -1,
                   .cached_tokens = -1,
                   .completion_tokens = -1,
                   .reasoning_tokens = -1,
                   .cost_usd = (double)NAN,
                   .started = now(&s->arena)};
    ws_buf_release(&body);
    /* A call that an earlier session sent and never saw answered keeps its row. */
    if (s->turn < s->n_calls) {
        c->id = s->call[s->turn].id;
        return WS_OK;
    }
    return db_call_begin(s->db, c, &c->id, err);
}

static void account(loop_state *s, const llm_reply *r)
{
    s->requests += r->n_attempts;
    if (r->prompt_tokens > 0)
        s->tokens += r->prompt_tokens;
    if (r->completion_tokens > 0)
        s->tokens += r->completion_tokens;
}

/* No answer after every retry: the run ends here, and resumes with the same question. */
static void give_up(loop_state *s, const llm_reply *r)
{
    if (s->o->budget.calls && s->requests >= s->o->budget.calls) { /* the retries were cut short */
        s->stop = ws_arena_printf(&s->arena, "the call budget is spent: %s", r->error);
        s->status = "limit";
        return;
    }
    s->stop = ws_arena_strdup(&s->arena, r->error);
    s->status = "failed";
    snprintf(s->hint, sizeof s->hint, "%.500s%sto go on: %s", r->hint, r->hint[0] ? "; " : "",
             cli_resume_hint);
}

/* What may still be spent: the reply's limit within the token budget. False: no room for a call. */
static bool within_budget(loop_state *s, const llm_message *m, int n, llm_request *q)
{
    const loop_budget *b = &s->o->budget;
    int64_t prompt = 0;
    for (int i = 0; i < n; i++)
        prompt += (int64_t)strlen(m[i].content) / CHARS_PER_TOKEN;
    if (b->calls)
        q->max_requests = (int)(b->calls - s->requests);
    if (!b->tokens)
        return true;
    int64_t left = b->tokens - s->tokens - prompt;
    if (left < SHORTEST_REPLY) {
        s->stop = ws_arena_printf(&s->arena,
                                  "the token budget is spent: %" PRId64 " of %" PRId64
                                  " used, the next prompt takes about %" PRId64,
                                  s->tokens, b->tokens, prompt);
        s->status = "limit";
        return false;
    }
    if (!q->max_tokens || q->max_tokens > left)
        q->max_tokens = left;
    return true;
}

/* A reply that was obtained elsewhere: a call without requests. */
static ws_status take_given(loop_state *s, db_call *done, ws_err *err)
{
    llm_reply r = {.outcome = LLM_OK,
                   .content = ws_strdup(s->o->reply),
                   .prompt_tokens = -1,
                   .cached_tokens = -1,
                   .completion_tokens = -1,
                   .reasoning_tokens = -1,
                   .cost_usd = (double)NAN};
    snprintf(r.model, sizeof r.model, "%s", s->run.model ? s->run.model : "");
    record_reply(s, s->turn < s->n_calls ? &s->call[s->turn] : NULL, &r, done);
    llm_reply_release(&r);
    return db_call_end(s->db, done, err);
}

ws_status loop_ask(loop_state *s, const loop_step *step, db_call *done, ws_err *err)
{
    loop_history h = loop_history_of(s);
    loop_prompt p;
    llm_reply reply = {0};
    int id;
    if (loop_prompt_make(s->spec, s->o->prompts, s->run.gpu, &h, step, &p, err))
        return err->status;
    llm_message message[2] = {{"system", p.system, 0}, {"user", p.user, 0}};
    llm_request q = {.model = s->run.model,
                     .message = message,
                     .n_messages = 2,
                     .stream = !s->o->no_stream,
                     .max_tokens = s->o->max_tokens,
                     .temperature = s->o->temperature,
                     .reasoning_effort = s->o->reasoning_effort};
    q.turn = s->turn;
    *done = (db_call){.state = "sent"};
    const db_call *earlier = s->turn < s->n_calls ? &s->call[s->turn] : NULL;
    ws_status st = WS_OK;
    if (s->o->reply) {
        if (!(st = begin_call(s, step, &q, done, err)))
            st = take_given(s, done, err);
        goto out;
    }
    if (!within_budget(s, message, 2, &q))
        goto out;
    st = begin_call(s, step, &q, done, err);
    if (!st)
        st = llm_submit(s->client, &q, &id, err);
    if (!st) {
        await(s, id, &reply);
        record_reply(s, earlier, &reply, done);
        account(s, &reply);
        st = db_call_end(s->db, done, err);
        if (!loop_answered(done) && reply.outcome != LLM_CANCELLED)
            give_up(s, &reply);
        llm_reply_release(&reply);
    }
out:
    loop_prompt_release(&p);
    return st;
}
