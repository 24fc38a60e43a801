/* A run of the archive as the controller had it: attempts, turns with their steps, what was spent.
 */
#include "agent/loop/state.h"

#include "agent/llm/cassette.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- steps ---- */

static int64_t id_of(const loop_state *s, int attempt)
{
    return attempt >= 0 ? s->attempt[attempt].candidate->id : 0;
}

const char *loop_step_json(loop_state *s, const loop_turn *t)
{
    const strat_step *p = &t->step;
    ws_buf text = {0};
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "lane", t->lane);
    cJSON_AddNumberToObject(j, "round", t->round);
    cJSON_AddStringToObject(j, "reply", p->reply == STRAT_TEXT ? "text" : "kernel");
    cJSON_AddNumberToObject(j, "model", p->model);
    if (p->subject >= 0)
        ws_json_add_int(j, "subject", id_of(s, p->subject));
    if (p->n_inspirations) {
        cJSON *list = cJSON_AddArrayToObject(j, "inspirations");
        for (int i = 0; i < p->n_inspirations; i++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber((double)id_of(s, p->inspiration[i])));
    }
    if (p->idea)
        cJSON_AddStringToObject(j, "idea", p->idea);
    if (p->note_json)
        cJSON_AddItemToObject(j, "note", cJSON_Parse(p->note_json));
    ws_json_print(j, false, &text);
    cJSON_Delete(j);
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

static int attempt_of(const loop_state *s, const cJSON *id)
{
    int64_t want;
    if (!ws_json_whole(id, &want))
        return -1;
    for (int i = 0; i < s->n_attempts; i++)
        if (s->attempt[i].candidate->id == want)
            return i;
    return -1;
}

static const cJSON *get(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static int small(const cJSON *v, int fallback)
{
    int64_t n;
    return ws_json_whole(v, &n) && n >= 0 && n < 1 << 30 ? (int)n : fallback;
}

static const char *kept_text(ws_arena *a, const cJSON *v)
{
    return cJSON_IsString(v) ? ws_arena_strdup(a, v->valuestring) : NULL;
}

/* Runs from before steps were kept had one lane, whose steps went by purpose alone. */
static void read_step(loop_state *s, loop_turn *t)
{
    const db_call *c = &t->call;
    cJSON *j = c->step_json ? cJSON_Parse(c->step_json) : NULL;
    const cJSON *id, *reply = get(j, "reply"), *note = get(j, "note");
    strat_step *p = &t->step;
    t->lane = small(get(j, "lane"), c->turn % s->lanes);
    t->round = small(get(j, "round"), c->turn / s->lanes);
    *p = (strat_step){.purpose = c->purpose ? c->purpose : "generate",
                      .model = small(get(j, "model"), 0),
                      .subject = attempt_of(s, get(j, "subject")),
                      .idea = kept_text(&s->arena, get(j, "idea"))};
    if (cJSON_IsString(reply) && strcmp(reply->valuestring, "text") == 0)
        p->reply = STRAT_TEXT;
    if (p->model >= s->o->n_models) /* it goes on with fewer */
        p->model = 0;
    cJSON_ArrayForEach(id, get(j, "inspirations"))
    {
        int at = attempt_of(s, id);
        if (at >= 0 && p->n_inspirations < STRAT_MAX_INSPIRATIONS)
            p->inspiration[p->n_inspirations++] = at;
    }
    if (note) {
        ws_buf text = {0};
        ws_json_print(note, false, &text);
        p->note_json = ws_arena_strdup(&s->arena, ws_buf_z(&text));
        ws_buf_release(&text);
    }
    cJSON_Delete(j);
}

/* ---- attempts ---- */

static int turn_of_call(const db_call *call, int n, int64_t id)
{
    for (int i = 0; i < n; i++)
        if (call[i].id == id)
            return call[i].turn;
    return -1;
}

static ws_status restore_attempts(loop_state *s, const db_call *call, int n_calls, ws_err *err)
{
    db_candidate *list;
    int n;
    if (db_candidate_list(s->db, s->run.id, &s->arena, &list, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        const char *verdict;
        if (db_verdict_json(s->db, list[i].id, &s->arena, &verdict, err))
            return err->status;
        loop_remember(s, &list[i], verdict, turn_of_call(call, n_calls, list[i].call));
    }
    return WS_OK;
}

/* ---- turns ---- */

static cJSON *attempts_of(const db_call *c)
{
    cJSON *array = c->attempts_json ? cJSON_Parse(c->attempts_json) : NULL;
    return array ? array : cJSON_CreateArray();
}

static bool is_lost(const cJSON *attempt)
{
    const char *outcome = cJSON_GetStringValue(get(attempt, "outcome"));
    return outcome && strcmp(outcome, "lost") == 0;
}

static int count_lost(const cJSON *attempts)
{
    const cJSON *o;
    int n = 0;
    cJSON_ArrayForEach(o, attempts)
        n += is_lost(o);
    return n;
}

/* Those that a session stored which was not killed. */
static int count_stored(const cJSON *attempts)
{
    const cJSON *o;
    int n = 0;
    cJSON_ArrayForEach(o, attempts)
        n += !is_lost(o) && !get(o, "recorded");
    return n;
}

/* Whether the exchange was found in the cassette by an earlier session. */
static bool is_known(const cJSON *attempts, const cassette_exchange *x)
{
    const cJSON *o;
    int64_t seq;
    cJSON_ArrayForEach(o, attempts)
        if (ws_json_whole(get(o, "recorded"), &seq) && seq == x->seq)
            return true;
    return false;
}

static cJSON *add_attempt(cJSON *attempts, const char *outcome, const char *detail)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "outcome", outcome);
    cJSON_AddStringToObject(o, "detail", detail);
    cJSON_AddItemToArray(attempts, o);
    return o;
}

/* A request that failed, in a session that was killed before it was stored. What was not refused
 * may have to be paid, and nobody told how much. */
static void add_failed(cJSON *attempts, const cassette_exchange *x)
{
    bool refused = x->status && x->status / 100 != 2, sent = x->sent || x->status || !x->error.n;
    llm_outcome o = !sent              ? LLM_TRANSPORT
                    : x->status == 429 ? LLM_RATE_LIMITED
                    : x->status >= 500 ? LLM_SERVER
                                       : LLM_BAD_REQUEST;
    cJSON *j = add_attempt(attempts, sent && !refused ? "lost" : llm_outcome_name(o),
                           "it failed before the process ended");
    cJSON_AddNumberToObject(j, "http_status", x->status);
    ws_json_add_int(j, "recorded", x->seq);
}

/* What a killed session had sent for the call. The answer that was recorded is taken from there
 * when it is asked again, and counts as it is; a request that was not recorded did not leave, if
 * all that left was. */
static void add_unstored(loop_state *s, const loop_turn *t, cJSON *attempts)
{
    const char *body = t->call.prompt_json ? t->call.prompt_json : "";
    bool recorded = s->cassette && s->all_recorded && cassette_is_sound(s->cassette);
    const cassette_exchange *x;
    int stored = count_stored(attempts);
    for (int i = 0; s->cassette && (x = cassette_request(s->cassette, t->turn, i)); i++)
        if (!is_known(attempts, x) && stored-- <= 0 && !cassette_is_answer(x))
            add_failed(attempts, x);
    if (recorded || (s->cassette && cassette_has_answer(s->cassette, body, strlen(body), t->turn)))
        return;
    add_attempt(attempts, "lost", "the process ended before the answer");
    s->unrecorded_lost++;
}

/* Nobody told what a lost request cost: a limit in dollars counts its most. */
static void claim_lost(loop_state *s, const loop_turn *t)
{
    int m = t->step.model;
    if (!s->priced[m] || !(s->o->budget.most.usd > 0))
        return;
    int64_t bytes = t->call.prompt_json ? (int64_t)strlen(t->call.prompt_json) : 0;
    double usd = price_most(&s->price[m], bytes, s->o->max_tokens);
    s->uncounted_usd += usd;
    budget_settle(&s->budget, &(budget_amount){0}, &(budget_amount){.usd = usd});
}

static void restore_turn(loop_state *s, const db_call *c)
{
    loop_turn *t = WS_ARENA_NEW(&s->arena, loop_turn, 1);
    *t = (loop_turn){.turn = c->turn, .call = *c, .attempt = -1};
    read_step(s, t);
    t->answered = loop_answered(c);
    for (int i = 0; t->answered && i < s->n_attempts && t->attempt < 0; i++)
        if (s->attempt[i].candidate->call == c->id &&
            strcmp(s->attempt[i].candidate->origin, "tuned") != 0)
            t->attempt = i;
    WS_GROW(s->turn, s->n_turns, s->cap_turns);
    s->turn[s->n_turns++] = t;
}

static void keep_attempts(loop_state *s, loop_turn *t, const cJSON *attempts)
{
    ws_buf text = {0};
    ws_json_print(attempts, false, &text);
    if (cJSON_GetArraySize(attempts))
        t->call.attempts_json = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
}

void loop_count_restored(loop_state *s)
{
    budget_amount none = {0};
    for (int i = 0; i < s->n_turns; i++) {
        loop_turn *t = s->turn[i];
        cJSON *attempts = attempts_of(&t->call);
        int before = count_lost(attempts);
        if (strcmp(t->call.state, "sent") == 0) {
            add_unstored(s, t, attempts);
            keep_attempts(s, t, attempts);
        }
        for (int k = before; k < count_lost(attempts); k++)
            claim_lost(s, t);
        s->lost_requests += count_lost(attempts);
        cJSON_Delete(attempts);
        budget_amount b = loop_spent_by(&t->call);
        budget_settle(&s->budget, &none, &b);
    }
    for (int i = 0; i < s->n_attempts; i++)
        if (s->attempt[i].turn >= 0)
            budget_settle(&s->budget, &none, &(budget_amount){.candidates = 1});
}

ws_status loop_restore(loop_state *s, ws_err *err)
{
    db_totals totals;
    db_call *call;
    int n;
    if (db_call_list(s->db, s->run.id, &s->arena, &call, &n, err) ||
        restore_attempts(s, call, n, err) || db_run_totals(s->db, s->run.id, &totals, err))
        return err->status;
    for (int i = 0; i < n; i++)
        restore_turn(s, &call[i]);
    /* A session that was killed told nothing: then at least its verdicts count, and of its calls
     * those that did not run beside others. */
    double least = totals.judge_seconds + totals.model_seconds / s->lanes;
    if (s->seconds_before < least)
        s->seconds_before = least;
    return WS_OK;
}
