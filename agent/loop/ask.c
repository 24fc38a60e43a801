#include "agent/loop/state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *attempts_json(ws_arena *a, const llm_reply *r)
{
    cJSON *array = cJSON_CreateArray();
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

static void record_reply(loop_state *s, const llm_reply *r, db_call *c)
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
    c->attempts_json = attempts_json(a, r);
    c->ended = now(a);
}

/* Waits for the one request in flight. An interrupt or the time budget cancels it. */
static void await(loop_state *s, int id, llm_reply *reply)
{
    int done;
    bool cancelled = false;
    while (!llm_poll(s->client, 100, &done, reply) || done != id) {
        double spent = s->seconds_before + ws_seconds_since(s->start_ns);
        bool late = s->o->budget.seconds > 0 && spent > s->o->budget.seconds;
        if (!cancelled && (cli_interrupted || late)) {
            llm_cancel(s->client, id);
            cancelled = true;
        }
    }
}

static ws_status begin_call(loop_state *s, const loop_step *step, const llm_request *q, db_call *c,
                            ws_err *err)
{
    ws_buf body = {0};
    llm_request_body(q, &body);
    *c = (db_call){.run = s->run.id, .turn = s->turn, .purpose = step->purpose, .state = "sent",
                   .prompt_json = ws_arena_strdup(&s->arena, ws_buf_z(&body)), .model = s->run.model,
                   .prompt_tokens = -1, .cached_tokens = -1, .completion_tokens = -1,
                   .reasoning_tokens = -1, .cost_usd = (double)NAN, .started = now(&s->arena)};
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
    if (r->fatal || r->outcome == LLM_AUTH || r->outcome == LLM_QUOTA) {
        s->stop = ws_arena_printf(&s->arena, "%s", r->error);
        s->status = "failed";
    }
}

ws_status loop_ask(loop_state *s, const loop_step *step, db_call *done, ws_err *err)
{
    loop_history h = loop_history_of(s);
    loop_prompt p;
    llm_reply reply = {0};
    int id;
    if (loop_prompt_make(s->spec, s->o->prompts, s->run.gpu, &h, step, &p, err))
        return err->status;
    llm_message message[2] = {{"system", p.system}, {"user", p.user}};
    llm_request q = {.model = s->run.model, .message = message, .n_messages = 2,
                     .stream = !s->o->no_stream, .max_tokens = s->o->max_tokens,
                     .temperature = s->o->temperature, .reasoning_effort = s->o->reasoning_effort};
    q.turn = s->turn;
    ws_status st = begin_call(s, step, &q, done, err);
    if (!st)
        st = llm_submit(s->client, &q, &id, err);
    if (!st) {
        await(s, id, &reply);
        if (reply.outcome == LLM_CANCELLED) { /* not an answer: the call stays "sent" for --resume */
            done->outcome = "cancelled";
        } else {
            record_reply(s, &reply, done);
            account(s, &reply);
            st = db_call_end(s->db, done, err);
        }
        llm_reply_release(&reply);
    }
    loop_prompt_release(&p);
    return st;
}
