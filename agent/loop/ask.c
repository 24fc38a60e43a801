/* One model call: its prompt, its row in the archive before and after, and what came of it. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "agent/strategy/view.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool loop_answered(const db_call *c)
{
    static const char *const answers[] = {"ok", "truncated", "refused", "empty", "too_large"};
    if (!c->state || strcmp(c->state, "done") != 0 || !c->outcome)
        return false;
    for (size_t i = 0; i < WS_COUNT(answers); i++)
        if (strcmp(c->outcome, answers[i]) == 0)
            return true;
    return false;
}

int loop_calls_in_flight(const loop_state *s)
{
    return s->client ? llm_in_flight(s->client) : 0;
}

void loop_cancel_calls(loop_state *s)
{
    for (int i = 0; i < s->n_turns; i++)
        if (s->turn[i]->request)
            llm_cancel(s->client, s->turn[i]->request);
}

/* ---- the row ---- */

static char *now(ws_arena *a)
{
    char *when = ws_arena_alloc(a, WS_UTC_SIZE);
    ws_utc_now(when);
    return when;
}

/* The requests of this session after those that earlier ones made for the same call. */
static cJSON *earlier_attempts(const db_call *earlier)
{
    cJSON *array = earlier->attempts_json ? cJSON_Parse(earlier->attempts_json) : NULL;
    return array ? array : cJSON_CreateArray();
}

static void add_attempt(cJSON *array, const llm_attempt *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "outcome", llm_outcome_name(t->outcome));
    cJSON_AddNumberToObject(o, "http_status", t->http_status);
    cJSON_AddNumberToObject(o, "seconds", t->seconds);
    cJSON_AddNumberToObject(o, "waited_seconds", t->waited_s);
    cJSON_AddStringToObject(o, "detail", t->detail);
    cJSON_AddStringToObject(o, "request_id", t->request_id);
    if (t->prompt_tokens > 0)
        ws_json_add_int(o, "prompt_tokens", t->prompt_tokens);
    if (t->completion_tokens > 0)
        ws_json_add_int(o, "completion_tokens", t->completion_tokens);
    if (t->tokens_estimated)
        cJSON_AddBoolToObject(o, "tokens_estimated", true);
    cJSON_AddItemToArray(array, o);
}

static char *attempts_json(ws_arena *a, const db_call *earlier, const llm_reply *r)
{
    cJSON *array = earlier_attempts(earlier);
    ws_buf text = {0};
    for (int i = 0; i < r->n_attempts; i++)
        add_attempt(array, &r->attempt[i]);
    ws_json_print(array, false, &text);
    cJSON_Delete(array);
    char *copy = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

static void record_reply(loop_state *s, loop_turn *t, const llm_reply *r)
{
    ws_arena *a = &s->arena;
    db_call *c = &t->call;
    c->attempts_json = attempts_json(a, c, r);
    c->state = "done";
    c->outcome = llm_outcome_name(r->outcome);
    c->content = ws_arena_strdup(a, r->content);
    c->reasoning = r->reasoning ? ws_arena_strdup(a, r->reasoning) : "";
    c->raw = r->raw ? ws_arena_strdup(a, r->raw) : "";
    c->finish_reason = ws_arena_strdup(a, r->finish_reason);
    if (r->model[0])
        c->model = ws_arena_strdup(a, r->model);
    c->provider = r->provider;
    c->usage_json = r->usage_json && *r->usage_json ? ws_arena_strdup(a, r->usage_json) : NULL;
    c->error = ws_arena_strdup(a, r->error);
    c->prompt_tokens = r->prompt_tokens;
    c->cached_tokens = r->cached_tokens;
    c->completion_tokens = r->completion_tokens;
    c->reasoning_tokens = r->reasoning_tokens;
    c->usage_estimated = r->usage_estimated;
    c->seconds = r->seconds;
    c->ended = now(a);
}

/* Before the request leaves: a run that is killed knows what it may have paid for. A call that an
 * earlier session sent and never saw answered keeps its row. */
static ws_status begin_call(loop_state *s, loop_turn *t, const char *body, ws_err *err)
{
    int64_t id = t->call.id, begin = ws_now_ns();
    const char *attempts = t->call.attempts_json;
    t->earlier_usd = id && isfinite(t->call.cost_usd) ? t->call.cost_usd : 0;
    t->call = (db_call){.id = id,
                        .run = s->run.id,
                        .turn = t->turn,
                        .purpose = t->step.purpose,
                        .state = "sent",
                        .prompt_json = ws_arena_strdup(&s->arena, body),
                        .step_json = loop_step_json(s, t),
                        .model = s->model[t->step.model].name,
                        .attempts_json = attempts,
                        .prompt_tokens = -1,
                        .cached_tokens = -1,
                        .completion_tokens = -1,
                        .reasoning_tokens = -1,
                        .cost_usd = (double)NAN,
                        .started = now(&s->arena)};
    ws_status st =
        id ? db_call_again(s->db, &t->call, err) : db_call_begin(s->db, &t->call, &t->call.id, err);
    s->clock.archive += ws_seconds_since(begin);
    return st;
}

/* ---- the prompt ---- */

static ws_status make_prompt(loop_state *s, const loop_turn *t, prompt_text *out, ws_err *err)
{
    ws_arena a = {0};
    strat_view v;
    int *to_all, *to_view;
    int64_t begin = ws_now_ns();
    loop_view(s, t->lane, t->round, &a, &v, &to_all);
    to_view = WS_ARENA_NEW(&a, int, s->n_attempts + 1);
    for (int i = 0; i < s->n_attempts; i++)
        to_view[i] = -1;
    for (int i = 0; i < v.n_attempts; i++)
        to_view[to_all[i]] = i;
    strat_step step = strat_step_mapped(&t->step, to_view);
    if (t->shrunk)
        step.n_inspirations = 0;
    prompt_context c = {.spec = s->spec,
                        .dir = s->o->prompts,
                        .gpu = s->run.gpu,
                        .view = &v,
                        .step = &step,
                        .lessons = t->shrunk ? NULL : s->lessons,
                        .related = t->shrunk ? NULL : s->related};
    ws_status st = prompt_make(&c, out, err);
    ws_arena_release(&a);
    s->clock.prompt += ws_seconds_since(begin);
    return st;
}

/* A reply that was obtained elsewhere: a call without requests. */
static ws_status take_given(loop_state *s, loop_turn *t, ws_err *err)
{
    llm_reply r = {.outcome = LLM_OK,
                   .content = ws_strdup(s->o->reply),
                   .prompt_tokens = -1,
                   .cached_tokens = -1,
                   .completion_tokens = -1,
                   .reasoning_tokens = -1,
                   .cost_usd = (double)NAN};
    snprintf(r.model, sizeof r.model, "%s", s->run.model ? s->run.model : "");
    record_reply(s, t, &r);
    llm_reply_release(&r);
    t->answered = true;
    loop_stop(s, "done", "the reply is judged");
    return db_call_end(s->db, &t->call, err);
}

static ws_status send(loop_state *s, loop_turn *t, llm_request *q, ws_err *err)
{
    ws_buf body = {0};
    loop_claimant *who = WS_ARENA_NEW(&s->arena, loop_claimant, 1);
    *who = (loop_claimant){s, t};
    q->again = loop_may_resend;
    q->ud = who;
    llm_client_body(s->client, q, &body);
    ws_status st = begin_call(s, t, ws_buf_z(&body), err);
    ws_buf_release(&body);
    t->used = (budget_amount){0};
    t->cut_short = false;
    if (!st)
        st = llm_submit(s->client, q, &t->request, err);
    if (!st)
        loop_event_call(s, "asked", t);
    return st;
}

ws_status loop_ask(loop_state *s, loop_turn *t, ws_err *err)
{
    prompt_text p;
    ws_status st = WS_OK;
    if (make_prompt(s, t, &p, err))
        return err->status;
    llm_message message[2] = {{"system", p.system, strlen(p.system)},
                              {"user", p.user, p.user_prefix}};
    llm_request q = {.endpoint = s->endpoint[t->step.model],
                     .model = s->model[t->step.model].name,
                     .message = message,
                     .n_messages = 2,
                     .stream = !s->o->no_stream,
                     .max_tokens = s->o->max_tokens,
                     .temperature = s->o->temperature,
                     .reasoning_effort = s->o->reasoning_effort,
                     .turn = t->turn};
    if (s->o->reply) {
        ws_buf body = {0};
        llm_request_body(&q, &body);
        if (!(st = begin_call(s, t, ws_buf_z(&body), err)))
            st = take_given(s, t, err);
        ws_buf_release(&body);
    } else {
        int64_t bytes = (int64_t)(strlen(p.system) + strlen(p.user));
        if (loop_claim(s, t, &q, bytes) == BUDGET_YES)
            st = send(s, t, &q, err);
    }
    prompt_release(&p);
    return st;
}

/* ---- the reply ---- */

static loop_turn *turn_of(const loop_state *s, int request)
{
    for (int i = s->n_turns - 1; i >= 0; i--)
        if (s->turn[i]->request == request)
            return s->turn[i];
    return NULL;
}

/* No answer after every retry: nothing more is asked, and a resumed run asks the same again. */
static void give_up(loop_state *s, const loop_turn *t, const llm_reply *r)
{
    ws_buf why = {0};
    if (s->stop)
        return;
    if (s->lanes > 1)
        ws_buf_printf(&why, "lane %d, ", t->lane + 1);
    ws_buf_printf(&why, "round %d: %s", t->round + 1, r->error);
    loop_stop(s, "failed", ws_buf_z(&why));
    snprintf(s->hint, sizeof s->hint, "%.500s%sto go on: %s", r->hint, r->hint[0] ? "; " : "",
             cli_resume_hint);
    ws_buf_release(&why);
}

ws_status loop_take_reply(loop_state *s, int request, llm_reply *r, ws_err *err)
{
    loop_turn *t = turn_of(s, request);
    if (!t)
        return WS_OK;
    t->request = 0;
    record_reply(s, t, r);
    loop_settle(s, t, r);
    int64_t begin = ws_now_ns();
    ws_status st = db_call_end(s->db, &t->call, err);
    s->clock.archive += ws_seconds_since(begin);
    t->answered = loop_answered(&t->call);
    loop_event_call(s, "answered", t);
    if (t->answered || r->outcome == LLM_CANCELLED)
        return st;
    if (t->cut_short)
        return st; /* loop_advance asks again when what is in flight has left room, or says that
                      there is none */
    if (r->outcome == LLM_CONTEXT && !t->shrunk) {
        ws_log(WS_LOG_WARN, "the prompt is too long for '%s': asked again without inspirations",
               s->model[t->step.model].name);
        t->shrunk = true; /* loop_advance asks again */
    } else {
        give_up(s, t, r);
    }
    return st;
}
