/* The tune space of a kernel that passes, searched without the model. Points are judged side by
 * side and stored in the order in which the search asked for them, so that a run looks alike
 * whatever finished first; a resumed run goes through the same search with the verdicts that it
 * has. */
#include "agent/loop/state.h"

#include "agent/tune/search.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4 };

typedef struct point {
    int64_t row[PLAN_MAX_TUNE];
    const char *tune_json;
    bool judged, stored;
    db_candidate c;
    vfy_verdict *verdict; /* when judged in this session */
    tune_result result;
} point;

struct loop_tuning {
    ws_arena arena;
    plan *plan;
    ws_env dims;
    tune_search *search;
    point point[BATCH];
    int n, next; /* points of the batch; the first that is not stored */
};

void loop_tuning_free(loop_tuning *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n; i++)
        free(t->point[i].verdict);
    tune_search_free(t->search);
    ws_arena_release(&t->arena);
    free(t);
}

static const char *tune_json(loop_state *s, const plan *p, const int64_t *row)
{
    cJSON *o = cJSON_CreateObject();
    ws_buf text = {0};
    for (int i = 0; i < p->n_tune; i++)
        ws_json_add_int(o, p->tune[i].name, row[i]);
    ws_json_print(o, false, &text);
    cJSON_Delete(o);
    const char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

/* ---- results ---- */

static int number(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? (int)v->valuedouble : -1;
}

static tune_result result_of(const db_candidate *c, const char *verdict_json)
{
    cJSON *v = verdict_json ? cJSON_Parse(verdict_json) : NULL;
    const cJSON *r = cJSON_GetObjectItemCaseSensitive(v, "resources");
    bool right = strcmp(c->reason, "pass") == 0 && isfinite(strat_seconds(c));
    tune_result out = {.right = right,
                       .seconds = right ? strat_seconds(c) : (double)NAN,
                       .facts = {number(r, "registers"), number(r, "shared_bytes"),
                                 number(r, "spill_bytes"), (double)NAN}};
    cJSON_Delete(v);
    return out;
}

static const strat_attempt *stored_point(const loop_state *s, int64_t parent, const char *tune)
{
    for (int i = 0; i < s->n_attempts; i++) {
        const db_candidate *c = s->attempt[i].candidate;
        if (c->parent == parent && c->tune_json && strcmp(c->tune_json, tune) == 0)
            return &s->attempt[i];
    }
    return NULL;
}

/* ---- batches ---- */

/* The next batch; points of an earlier session have their verdicts. false: the search is over. */
static bool next_batch(loop_state *s, const loop_turn *t)
{
    loop_tuning *u = t->tuning;
    const int64_t *rows;
    const db_candidate *base = s->attempt[t->attempt].candidate;
    u->next = 0;
    u->n = tune_search_ask(u->search, &rows);
    for (int i = 0; i < u->n; i++) {
        point *p = &u->point[i];
        *p = (point){0};
        memcpy(p->row, rows + (size_t)i * (size_t)u->plan->n_tune,
               (size_t)u->plan->n_tune * sizeof *p->row);
        p->tune_json = tune_json(s, u->plan, p->row);
        const strat_attempt *known = stored_point(s, base->id, p->tune_json);
        if (!known)
            continue;
        p->judged = p->stored = true;
        p->result = result_of(known->candidate, known->verdict_json);
    }
    return u->n > 0;
}

static void submit_batch(loop_state *s, loop_turn *t)
{
    loop_tuning *u = t->tuning;
    const char *source = s->attempt[t->attempt].candidate->source;
    for (int i = 0; i < u->n; i++) {
        const point *p = &u->point[i];
        if (!p->judged)
            loop_judge_point(s, t, source, p->tune_json, p->row, u->plan->n_tune, i);
    }
}

static int points_to_judge(const loop_tuning *u)
{
    int n = 0;
    for (int i = 0; i < u->n; i++)
        n += !u->point[i].judged;
    return n;
}

/* Batches that are known whole cost nothing. */
static void go_on(loop_state *s, loop_turn *t)
{
    loop_tuning *u = t->tuning;
    for (;;) {
        if (s->stop_tuning || !next_batch(s, t) || points_to_judge(u) > loop_candidates_left(s)) {
            loop_turn_done(s, t);
            return;
        }
        if (points_to_judge(u)) {
            submit_batch(s, t);
            return;
        }
        for (int i = 0; i < u->n; i++)
            tune_search_tell(u->search, u->point[i].row, &u->point[i].result);
    }
}

ws_status loop_tuned(loop_state *s, loop_turn *t, int place, const db_candidate *c,
                     const vfy_verdict *v, ws_err *err)
{
    loop_tuning *u = t->tuning;
    point *p = &u->point[place];
    p->c = *c;
    p->verdict = ws_calloc(1, sizeof *p->verdict);
    *p->verdict = *v;
    p->judged = true;
    for (; u->next < u->n && u->point[u->next].judged; u->next++) {
        point *q = &u->point[u->next];
        if (q->stored)
            continue;
        if (loop_store(s, &q->c, q->verdict, t->turn, err))
            return err->status;
        q->stored = true;
        const strat_attempt *a = &s->attempt[s->n_attempts - 1];
        q->result = result_of(a->candidate, a->verdict_json);
        free(q->verdict);
        q->verdict = NULL;
    }
    if (u->next < u->n)
        return WS_OK;
    for (int i = 0; i < u->n; i++)
        tune_search_tell(u->search, u->point[i].row, &u->point[i].result);
    go_on(s, t);
    return WS_OK;
}

void loop_tune(loop_state *s, loop_turn *t)
{
    const strat_attempt *base = &s->attempt[t->attempt];
    loop_tuning *u = ws_calloc(1, sizeof *u);
    tune_result known = result_of(base->candidate, base->verdict_json);
    tune_options o = {
        .max_points = (int)s->o->tune_max + 1, .batch = BATCH, .seed = s->seed ^ (uint64_t)t->turn};
    t->tuning = u;
    u->dims = spec_env(s->spec, -1);
    if (strat_passed(base) && s->o->tune_max > 0 && !s->stop_tuning)
        u->plan = loop_plan_of(s, base->candidate->source, &u->arena);
    if (u->plan && u->plan->n_tune)
        u->search = tune_search_new(u->plan, &u->dims, &o, &known);
    if (!u->search) {
        loop_turn_done(s, t);
        return;
    }
    go_on(s, t);
}
