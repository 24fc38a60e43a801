/* Verdicts: what is sent to the judges, and what comes back into the archive. A kernel whose
 * binary, plan and setting are known is judged once: the others get a copy of the verdict. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "agent/llm/extract.h"
#include "agent/strategy/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "harness/plan/plan.h"
#include "reference/emit.h"
#include "verifier/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A kernel on its way to a verdict, or one of this session that has it. */
struct loop_job {
    int id;
    loop_turn *turn; /* NULL: generation 0 */
    db_candidate c;  /* what is known before the verdict */
    int place;       /* in the tuner's batch, -1: no point of it */
    bool over;
    char key[WS_SHA256_HEX]; /* binary, plan, setting; "" until compiled */
    int leader;              /* the job whose verdict it gets, -1: its own */
    bool alone;              /* judged by itself whatever equals it */
    int64_t *tune;           /* of a point, n_tune values */
    int n_tune;
    /* seconds: a faster kernel is verified in full; one that may be faster is assembled */
    double full_below, assemble_below;
    vfy_verdict *verdict; /* when over */
};

/* ---- what is known ---- */

/* Of two that are equally fast the one of the earlier turn, whichever was judged first. */
static bool better(const strat_attempt *a, const strat_attempt *b)
{
    double t = strat_seconds(a->candidate), best = strat_seconds(b->candidate);
    return t < best || (t == best && a->turn < b->turn);
}

/* A kernel that met the quick runs alone is no winner: it was no faster than one that the turn
 * knew. Verdicts of before there were depths do not say. */
static bool may_win(const strat_attempt *a)
{
    cJSON *v = cJSON_Parse(a->verdict_json);
    const cJSON *evidence = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    const char *depth =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evidence, "depth"));
    bool full = a->turn < 0 || !depth || strcmp(depth, "full") == 0;
    cJSON_Delete(v);
    return full;
}

void loop_remember(loop_state *s, const db_candidate *c, const char *verdict, int turn)
{
    db_candidate *copy = WS_ARENA_NEW(&s->arena, db_candidate, 1);
    *copy = *c;
    WS_GROW(s->attempt, s->n_attempts, s->cap_attempts);
    strat_attempt *a = &s->attempt[s->n_attempts];
    *a = (strat_attempt){.candidate = copy, .verdict_json = verdict, .turn = turn, .same_as = -1};
    strat_attempt_mark(a, &s->arena);
    if (strat_passed(a) && isfinite(strat_seconds(copy)) &&
        (s->best < 0 || better(a, &s->attempt[s->best])) && may_win(a))
        s->best = s->n_attempts;
    s->n_attempts++;
}

plan *loop_plan_of(loop_state *s, const char *source, ws_arena *a)
{
    ws_err err = {0};
    plan *p;
    hx_diag d = {0};
    if (!s->graph && ref_graph_new(s->spec, &s->graph, &err))
        return NULL;
    const plan_names names = vfy_plan_names(s->graph);
    return plan_parse(a, source, strlen(source), &names, &p, &d) ? p : NULL;
}

/* ---- storing ---- */

static void fill(loop_state *s, db_candidate *c, const vfy_verdict *v)
{
    char *when = ws_arena_alloc(&s->arena, WS_UTC_SIZE);
    ws_utc_now(when);
    c->run = s->run.id;
    c->source_sha256 = ws_arena_strdup(&s->arena, v->source_sha256);
    c->ptx_sha256 = v->ptx_sha256[0] ? ws_arena_strdup(&s->arena, v->ptx_sha256) : NULL;
    c->reason = hx_reason_name(v->reason);
    c->level = v->level;
    c->modelled_s = v->has_model ? v->model.seconds : (double)NAN;
    c->measured_s = (double)NAN;
    c->gpu = s->run.gpu;
    c->created = when;
}

ws_status loop_store(loop_state *s, db_candidate *c, const vfy_verdict *v, int turn, ws_err *err)
{
    const char *verdict;
    ws_env env = spec_env(s->spec, -1);
    ws_buf shape = {0};
    int64_t begin = ws_now_ns();
    fill(s, c, v);
    spec_env_print(&env, &shape);
    db_timing t = {.kind = "modelled",
                   .gpu = c->gpu,
                   .shape = ws_buf_z(&shape),
                   .unit = "s",
                   .sample = &c->modelled_s,
                   .n_samples = 1,
                   .environment_json = "{\"device\":\"CPU engine\"}"};
    ws_status st =
        db_candidate_add_judged(s->db, c, v, isnan(c->modelled_s) ? NULL : &t, &c->id, err);
    ws_buf_release(&shape);
    if (st || (st = db_verdict_json(s->db, c->id, &s->arena, &verdict, err)))
        return st;
    s->clock.archive += ws_seconds_since(begin);
    s->clock.compile += v->compile_seconds;
    s->clock.run += v->run_seconds;
    if (turn >= 0)
        budget_settle(&s->budget, &(budget_amount){0}, &(budget_amount){.candidates = 1});
    loop_remember(s, c, verdict, turn);
    loop_report_row(s, &s->attempt[s->n_attempts - 1]);
    return WS_OK;
}

int64_t loop_candidates_left(const loop_state *s)
{
    int64_t most = s->budget.limit.most.candidates;
    return most ? most - s->budget.spent.candidates - s->open_jobs : INT64_MAX;
}

/* ---- jobs ---- */

static loop_job *new_job(loop_state *s, loop_turn *t, const db_candidate *c, int place)
{
    loop_job *j = ws_calloc(1, sizeof *j);
    WS_GROW(s->job, s->n_jobs, s->cap_jobs);
    j->id = s->n_jobs;
    j->turn = t;
    j->c = *c;
    j->c.source = ws_arena_strdup(&s->arena, c->source);
    j->place = place;
    j->leader = -1;
    s->job[s->n_jobs++] = j;
    s->open_jobs++;
    return j;
}

void loop_jobs_free(loop_state *s)
{
    for (int i = 0; i < s->n_jobs; i++) {
        free(s->job[i]->verdict);
        free(s->job[i]->tune);
        free(s->job[i]);
    }
    free(s->job);
    s->job = NULL;
    s->n_jobs = s->open_jobs = 0;
}

static void send(loop_state *s, const loop_job *j)
{
    lane_submit(s->judges, &(lane_job){.id = j->id,
                                       .source = j->c.source,
                                       .tune = j->tune,
                                       .n_tune = j->n_tune,
                                       .full_below = j->full_below,
                                       .assemble_below = j->assemble_below});
}

/* The time of the fastest kernel that the turn knows: only one that is faster may become the best,
 * and has to pass full verification for it. What a turn knows follows from its number alone,
 * so that whatever order the verdicts come in changes none of them; and the fastest that it knows
 * has passed in full itself, or is the plain translation. */
static double fastest_known(const loop_state *s, const loop_turn *t)
{
    ws_arena a = {0};
    strat_view v;
    double best = (double)INFINITY;
    loop_view(s, t->lane, t->round, &a, &v, NULL);
    for (int i = 0; i < v.n_attempts; i++)
        if (strat_passed(&v.attempt[i]) && isfinite(strat_seconds(v.attempt[i].candidate)))
            best = fmin(best, strat_seconds(v.attempt[i].candidate));
    if (t->attempt >= 0 && strat_passed(&s->attempt[t->attempt])) /* whose tune space is searched */
        best = fmin(best, strat_seconds(s->attempt[t->attempt].candidate));
    ws_arena_release(&a);
    return best;
}

static void submit(loop_state *s, loop_turn *t, const db_candidate *c, int place,
                   const int64_t *tune, int n_tune)
{
    loop_job *j = new_job(s, t, c, place);
    if (tune) {
        j->n_tune = n_tune;
        j->tune = ws_calloc((size_t)n_tune + 1, sizeof *j->tune);
        memcpy(j->tune, tune, (size_t)n_tune * sizeof *tune);
    }
    j->full_below = !t ? 0 : s->o->reply ? (double)INFINITY : fastest_known(s, t);
    /* The tuner compares times, and somebody who sent a reply wants to know all of it. */
    j->assemble_below = t && place < 0 ? j->full_below : (double)INFINITY;
    send(s, j);
}

/* Stores the verdict and moves the turn on. */
static ws_status finish(loop_state *s, loop_job *j, const vfy_verdict *v, ws_err *err)
{
    loop_turn *t = j->turn;
    j->over = true;
    s->open_jobs--;
    j->verdict = ws_calloc(1, sizeof *j->verdict);
    *j->verdict = *v;
    if (cli_interrupted && v->reason != HX_PASS) { /* the signal may have hit what it ran in */
        if (t)
            t->judging = false;
        return WS_OK;
    }
    if (j->place >= 0)
        return loop_tuned(s, t, j->place, &j->c, v, err);
    if (loop_store(s, &j->c, v, t ? t->turn : -1, err) || !t)
        return err->status;
    t->judging = false;
    t->attempt = s->n_attempts - 1;
    return WS_OK; /* loop_advance tunes it, or ends the turn */
}

/* ---- equal kernels ---- */

/* The leader's verdict is as deep as this job's own would be. */
static bool is_as_deep(const loop_job *j, const vfy_verdict *v)
{
    if (v->reason != HX_PASS) /* later: what would have been said without is not known */
        return v->depth == VFY_QUICK && !v->assembled;
    if (v->assembled != (v->filled_s < j->assemble_below))
        return false;
    return (v->depth == VFY_FULL) == (v->has_model && v->model.seconds < j->full_below);
}

/* A failure names lines: its copy is for the same text only. */
static bool may_share(const loop_job *j, const loop_job *leader)
{
    if (!leader->over)
        return true;
    return is_as_deep(j, leader->verdict) &&
           (leader->verdict->reason == HX_PASS || strcmp(j->c.source, leader->c.source) == 0);
}

static loop_job *find_leader(const loop_state *s, const loop_job *j)
{
    for (int i = 0; i < s->n_jobs; i++) {
        loop_job *l = s->job[i];
        if (l != j && l->leader < 0 && l->key[0] && strcmp(l->key, j->key) == 0 && may_share(j, l))
            return l;
    }
    return NULL;
}

static ws_status take_copy(loop_state *s, loop_job *j, const vfy_verdict *of, ws_err *err)
{
    vfy_verdict v = *of;
    ws_sha256_of(j->c.source, strlen(j->c.source), v.source_sha256);
    v.compile_seconds = v.run_seconds = v.total_seconds = 0;
    return finish(s, j, &v, err);
}

static void judge_again(loop_state *s, loop_job *j)
{
    j->leader = -1;
    j->key[0] = '\0';
    j->alone = true;
    send(s, j);
}

static ws_status compiled(loop_state *s, loop_job *j, const vfy_verdict *v, ws_err *err)
{
    strat_binary_key(v->ptx_sha256, j->c.source, j->c.tune_json, j->key);
    loop_job *leader = j->alone ? NULL : find_leader(s, j);
    lane_answer(s->judges, j->id, !leader);
    if (!leader)
        return WS_OK;
    j->leader = leader->id;
    return leader->over ? take_copy(s, j, leader->verdict, err) : WS_OK;
}

/* The verdict of `l`, and of those that waited for it. */
static ws_status judged(loop_state *s, loop_job *l, const vfy_verdict *v, ws_err *err)
{
    if (finish(s, l, v, err))
        return err->status;
    for (int i = 0; i < s->n_jobs; i++) {
        loop_job *j = s->job[i];
        if (j->over || j->leader != l->id)
            continue;
        if (!may_share(j, l))
            judge_again(s, j);
        else if (take_copy(s, j, l->verdict, err))
            return err->status;
    }
    return WS_OK;
}

ws_status loop_take_verdict(loop_state *s, lane_event *e, ws_err *err)
{
    loop_job *j = s->job[e->id];
    switch (e->kind) {
    case LANE_COMPILED:
        return compiled(s, j, e->verdict, err);
    case LANE_JUDGED:
        return judged(s, j, e->verdict, err);
    case LANE_FAILED:
        break;
    }
    *err = e->err;
    return err->status;
}

/* ---- translations ---- */

static ws_status translate(const loop_state *s, bool fused, ws_buf *out, ws_err *err)
{
    ref_graph *g = NULL;
    ws_status st = ref_graph_new(s->spec, &g, err);
    if (!st)
        st = (fused ? ref_emit_fused : ref_emit)(g, out, err);
    ref_graph_free(g);
    return st;
}

static ws_status judge_translation(loop_state *s, const ws_buf *source, ws_err *err)
{
    ws_status st = WS_OK;
    lane_event e;
    submit(s, NULL, &(db_candidate){.origin = "emitted", .source = ws_buf_z(source)}, -1, NULL, 0);
    while (!st && s->open_jobs)
        if (lane_poll(s->judges, 100, &e))
            st = loop_take_verdict(s, &e, err);
    return st;
}

ws_status loop_judge_generation_0(loop_state *s, ws_err *err)
{
    ws_buf source = {0};
    if (s->n_attempts)
        return WS_OK;
    ws_status st = translate(s, false, &source, err);
    if (!st)
        st = judge_translation(s, &source, err);
    ws_buf_release(&source);
    return st;
}

ws_status loop_judge_fused(loop_state *s, ws_err *err)
{
    ws_buf source = {0};
    ws_err why = {0};
    ws_status st = WS_OK;
    for (int i = 1; i < s->n_attempts; i++)
        if (strcmp(s->attempt[i].candidate->origin, "emitted") == 0)
            return WS_OK;
    if (translate(s, true, &source, &why)) /* the run has what it is for */
        ws_log(WS_LOG_WARN, "there is no fused translation: %s", why.msg);
    else
        st = judge_translation(s, &source, err);
    ws_buf_release(&source);
    return st;
}

/* ---- replies ---- */

static ws_status store_unusable(loop_state *s, loop_turn *t, db_candidate *c, hx_reason reason,
                                const char *source, const char *why, ws_err *err)
{
    vfy_verdict v = {.reason = reason,
                     .level = VFY_NONE,
                     .registers = -1,
                     .shared_bytes = -1,
                     .spill_bytes = -1};
    snprintf(v.text, sizeof v.text, "%s", why);
    ws_sha256_of(source, strlen(source), v.source_sha256);
    c->source = ws_arena_strdup(&s->arena, source);
    ws_status st = loop_store(s, c, &v, t->turn, err);
    t->attempt = s->n_attempts - 1;
    if (!st)
        loop_turn_done(s, t);
    return st;
}

/* The reply's beginning before its code: what the model says it changed, or said in the place of
 * code. */
static const char *note_of(loop_state *s, const char *content)
{
    enum { LONGEST = 300 };
    const char *fence = strstr(content, "```");
    ws_str text =
        ws_str_trim((ws_str){content, fence ? (size_t)(fence - content) : strlen(content)});
    if (text.n > LONGEST)
        for (text.n = LONGEST; text.n && ((unsigned char)text.p[text.n] & 0xc0) == 0x80;)
            text.n--; /* not inside a UTF-8 sequence */
    return text.n ? ws_arena_strndup(&s->arena, text.p, text.n) : NULL;
}

static db_candidate candidate_of(loop_state *s, const loop_turn *t)
{
    int parent = t->step.subject;
    return (db_candidate){.call = t->call.id,
                          .round = t->round + 1,
                          .origin = "model",
                          .parent = parent >= 0 ? s->attempt[parent].candidate->id : 0,
                          .note = note_of(s, t->call.content ? t->call.content : "")};
}

ws_status loop_judge_reply(loop_state *s, loop_turn *t, ws_err *err)
{
    ws_buf code = {0};
    const db_call *call = &t->call;
    const char *content = call->content ? call->content : "";
    db_candidate c = candidate_of(s, t);
    ws_status st = WS_OK;
    bool cut = strcmp(call->outcome, "truncated") == 0;
    if (loop_candidates_left(s) <= 0) { /* judged when the run goes on with more */
        loop_stop(s, "limit", "the candidate budget is spent");
        return WS_OK;
    }
    if (strcmp(call->outcome, "ok") != 0 && !cut) /* refused, empty, too large */
        return store_unusable(s, t, &c, HX_NO_CODE, "",
                              call->error && *call->error ? call->error : call->outcome, err);
    llm_extract_status found = llm_extract_cuda(content, strlen(content), &code);
    if (found == LLM_EXTRACT_NONE && !cut)
        st = store_unusable(s, t, &c, HX_NO_CODE, "", "the reply has no CUDA code block", err);
    else if (found == LLM_EXTRACT_NONE)
        st = store_unusable(s, t, &c, HX_NO_CODE, "",
                            "the reply reached the token limit before its code", err);
    else if (found == LLM_EXTRACT_TRUNCATED || (cut && found == LLM_EXTRACT_BARE))
        st = store_unusable(s, t, &c, HX_TRUNCATED, ws_buf_z(&code),
                            cut ? "the reply reached the token limit inside its code block"
                                : "the reply ends inside its code block",
                            err);
    else {
        c.source = ws_buf_z(&code);
        t->judging = true;
        submit(s, t, &c, -1, NULL, 0);
    }
    ws_buf_release(&code);
    return st;
}

void loop_judge_point(loop_state *s, loop_turn *t, const char *source, const char *tune_json,
                      const int64_t *tune, int n_tune, int place)
{
    const db_candidate *base = s->attempt[t->attempt].candidate;
    db_candidate c = {.parent = base->id,
                      .round = base->round,
                      .call = base->call,
                      .origin = "tuned",
                      .source = source,
                      .tune_json = tune_json,
                      .note = base->note};
    submit(s, t, &c, place, tune, n_tune);
}
