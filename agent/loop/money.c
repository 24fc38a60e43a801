/* What the run may spend, and what it did: claims before requests, costs after them. */
#include "agent/loop/state.h"

#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    BYTES_PER_TOKEN = 3,     /* of a prompt, on the safe side */
    SHORTEST_REPLY = 500,    /* tokens; a budget with less room for a reply is spent */
    UNBOUNDED_REPLY = 128000 /* tokens claimed for a reply that has no limit of its own */
};

/* ---- prices ---- */

ws_status loop_open_prices(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    if (price_table_open(o->prices, &s->prices, err))
        return err->status;
    for (int i = 0; i < o->n_models; i++) {
        const loop_model *m = &o->model[i];
        s->priced[i] = price_find(s->prices, m->provider, m->name, NULL, &s->price[i]);
        s->model[i] = (strat_model){m->name, s->priced[i] ? s->price[i].in : (double)NAN,
                                    s->priced[i] ? s->price[i].out : (double)NAN};
        if (s->priced[i] || !(o->budget.most.usd > 0) || o->allow_unknown_price || o->scripted)
            continue;
        ws_fail(err, WS_EUSAGE, "--max-cost: the price of model '%s' is not known", m->name);
        return ws_hint(err, "give --prices FILE (LiteLLM's JSON), or --allow-unknown-price to let "
                            "its calls count as free");
    }
    return WS_OK;
}

/* ---- claims ---- */

/* A prompt's tokens are at most its bytes. */
static budget_amount most(const loop_state *s, const loop_turn *t, int64_t bytes, int64_t reply)
{
    int m = t->step.model;
    return (budget_amount){
        .requests = 1,
        .tokens = bytes + reply,
        .usd = s->priced[m] && !s->o->replay ? price_most(&s->price[m], bytes, reply) : 0};
}

/* The longest reply that what is left pays for; below SHORTEST_REPLY: none. */
static int64_t affordable(const loop_state *s, const loop_turn *t, int64_t bytes, int64_t wanted)
{
    budget_amount left = budget_left(&s->budget);
    int64_t reply = wanted;
    if (s->budget.limit.most.tokens && left.tokens - bytes < reply)
        reply = left.tokens - bytes;
    while (s->budget.limit.most.usd > 0 && reply >= SHORTEST_REPLY &&
           most(s, t, bytes, reply).usd > left.usd)
        reply -= reply / 8 + 1;
    return reply;
}

budget_answer loop_claim(loop_state *s, loop_turn *t, llm_request *q, int64_t bytes)
{
    char why[256] = "";
    bool limited = s->budget.limit.most.tokens || s->budget.limit.most.usd > 0;
    int64_t wanted = q->max_tokens ? q->max_tokens : UNBOUNDED_REPLY;
    budget_amount claim = most(s, t, bytes, wanted);
    budget_answer a = budget_claim(&s->budget, &claim, why, sizeof why);
    if (a == BUDGET_SPENT && limited && !loop_calls_in_flight(s)) {
        /* Alone, with the shorter reply that still fits. */
        wanted = affordable(s, t, bytes, wanted);
        if (wanted >= SHORTEST_REPLY) {
            claim = most(s, t, bytes, wanted);
            a = budget_claim(&s->budget, &claim, why, sizeof why);
        }
    }
    if (a == BUDGET_SPENT && loop_calls_in_flight(s))
        a = BUDGET_WAIT; /* what is in flight may take less than its most */
    if (a == BUDGET_SPENT)
        loop_stop(s, "limit", why);
    if (a != BUDGET_YES)
        return a;
    if (limited) {
        q->max_tokens = wanted;
        q->hard_limit = true;
    }
    t->claim = claim;
    return a;
}

/* ---- what a request took ---- */

/* USD, NaN: not known; then a limit counts the claim's most. A replay costs nothing. */
static double cost_of(const loop_state *s, int model, double told, const price_usage *u)
{
    if (s->o->replay)
        return 0;
    if (isfinite(told) || !s->priced[model])
        return told;
    return price_cost(&s->price[model], u);
}

static int64_t known(int64_t n)
{
    return n > 0 ? n : 0;
}

static int64_t tokens_of(const loop_state *s, int model, const price_usage *u)
{
    bool outside = s->priced[model] && s->price[model].reasoning_outside;
    return known(u->prompt) + known(u->completion) + (outside ? known(u->reasoning) : 0);
}

static budget_amount taken(const loop_state *s, int model, const llm_attempt *a)
{
    price_usage u = {.prompt = a->prompt_tokens,
                     .cached = a->cached_tokens,
                     .cache_write = a->cache_write_tokens,
                     .completion = a->completion_tokens,
                     .reasoning = a->reasoning_tokens};
    int64_t tokens = tokens_of(s, model, &u);
    return (budget_amount){.requests = 1,
                           .tokens = tokens,
                           .usd = tokens ? cost_of(s, model, a->cost_usd, &u) : 0};
}

bool loop_may_resend(void *ud, const llm_attempt *failed)
{
    loop_claimant *who = ud;
    loop_state *s = who->s;
    loop_turn *t = who->t;
    budget_amount took = taken(s, t->step.model, failed), none = {0};
    char why[256];
    budget_settle(&s->budget, &t->claim, &took);
    t->used.requests += took.requests;
    t->used.tokens += took.tokens;
    t->used.usd += took.usd;
    if (budget_claim(&s->budget, &t->claim, why, sizeof why) == BUDGET_YES)
        return true;
    t->claim = none;
    t->cut_short = true;
    return false;
}

void loop_settle(loop_state *s, loop_turn *t, const llm_reply *r)
{
    int m = t->step.model;
    bool answered = loop_answered(&t->call);
    bool settled = t->used.requests >= r->n_attempts; /* the last one, when it was not resent */
    budget_amount took = {0};
    if (answered) {
        price_usage u = {r->prompt_tokens, r->cached_tokens, r->cache_write_tokens,
                         r->completion_tokens, r->reasoning_tokens};
        took = (budget_amount){.replies = 1,
                               .requests = r->n_attempts - t->used.requests,
                               .tokens = tokens_of(s, m, &u),
                               .usd = cost_of(s, m, r->cost_usd, &u)};
    } else if (!settled) {
        took = taken(s, m, &r->attempt[r->n_attempts - 1]);
    }
    budget_settle(&s->budget, &t->claim, &took);
    t->claim = (budget_amount){0};
    t->call.cost_usd = took.usd + t->used.usd + t->earlier_usd;
}

/* ---- a run that is resumed ---- */

static int64_t count_of(const cJSON *o, const char *key)
{
    int64_t n;
    return ws_json_whole(cJSON_GetObjectItemCaseSensitive(o, key), &n) && n > 0 ? n : 0;
}

budget_amount loop_spent_by(const db_call *c)
{
    budget_amount b = {.replies = loop_answered(c)};
    cJSON *array = c->attempts_json ? cJSON_Parse(c->attempts_json) : NULL;
    const cJSON *o;
    int n = cJSON_GetArraySize(array), i = 0;
    cJSON_ArrayForEach(o, array)
    {
        b.requests++;
        if (++i < n || !b.replies) /* the last one's stand in the row */
            b.tokens += count_of(o, "prompt_tokens") + count_of(o, "completion_tokens");
    }
    if (b.replies)
        b.tokens += known(c->prompt_tokens) + known(c->completion_tokens);
    if (isfinite(c->cost_usd))
        b.usd = c->cost_usd;
    cJSON_Delete(array);
    return b;
}
