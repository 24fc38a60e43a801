#include "agent/loop/state.h"

#include "agent/cli.h"
#include "agent/llm/extract.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/sha256.h"
#include "harness/plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void remember(loop_state *s, const db_candidate *c, const char *verdict)
{
    db_candidate *copy = WS_ARENA_NEW(&s->arena, db_candidate, 1);
    *copy = *c;
    WS_GROW(s->attempt, s->n_attempts, s->cap_attempts);
    s->attempt[s->n_attempts] = (loop_attempt){copy, verdict};
    double t = loop_seconds(copy);
    bool faster = s->best < 0 || t < loop_seconds(s->attempt[s->best].candidate);
    if (strcmp(copy->reason, "pass") == 0 && isfinite(t) && faster)
        s->best = s->n_attempts;
    s->n_attempts++;
}

static ws_status store(loop_state *s, db_candidate *c, const vfy_verdict *v, ws_err *err)
{
    char *when = ws_arena_alloc(&s->arena, WS_UTC_SIZE);
    ws_utc_now(when);
    c->run = s->run.id;
    c->source = ws_arena_strdup(&s->arena, c->source);
    c->source_sha256 = ws_arena_strdup(&s->arena, v->source_sha256);
    c->ptx_sha256 = v->ptx_sha256[0] ? ws_arena_strdup(&s->arena, v->ptx_sha256) : NULL;
    c->reason = hx_reason_name(v->reason);
    c->level = v->level;
    c->modelled_s = v->has_model ? v->model.seconds : (double)NAN;
    c->measured_s = (double)NAN;
    c->gpu = s->run.gpu;
    c->created = when;
    const char *verdict;
    ws_env env = spec_env(s->spec, -1);
    ws_buf shape = {0};
    spec_env_print(&env, &shape);
    db_timing t = {.kind = "modelled",
                   .gpu = c->gpu,
                   .shape = ws_buf_z(&shape),
                   .unit = "s",
                   .sample = &c->modelled_s,
                   .n_samples = 1,
                   .environment_json = "{\"device\":\"CPU engine\"}"};
    ws_status st =
        db_candidate_add_timed(s->db, c, v, isnan(c->modelled_s) ? NULL : &t, &c->id, err);
    ws_buf_release(&shape);
    if (st || (st = db_verdict_json(s->db, c->id, &s->arena, &verdict, err)))
        return st;
    remember(s, c, verdict);
    loop_report_row(s, &s->attempt[s->n_attempts - 1]);
    return WS_OK;
}

ws_status loop_judge(loop_state *s, const db_candidate *template, const char *source,
                     const int64_t *tune, ws_err *err)
{
    vfy_verdict v;
    db_candidate c = *template;
    vfy_options vo = {.arch = s->run.arch, .gpu = s->run.gpu, .seed = s->seed, .tune = tune};
    c.source = source;
    if (vfy_verify(s->session, source, strlen(source), &vo, &v, err))
        return err->status;
    /* A signal to the whole session may have hit the worker: no verdict then, --resume judges
     * again. */
    if (cli_interrupted && v.reason != HX_PASS)
        return WS_OK;
    return store(s, &c, &v, err);
}

/* ---- the tune space of a kernel that passes ---- */

static char *tune_json(loop_state *s, const plan *p, const int64_t *row)
{
    cJSON *o = cJSON_CreateObject();
    ws_buf text = {0};
    for (int i = 0; i < p->n_tune; i++)
        ws_json_add_int(o, p->tune[i].name, row[i]);
    ws_json_print(o, false, &text);
    cJSON_Delete(o);
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

static bool tried(const loop_state *s, int64_t parent, const char *tune)
{
    for (int i = 0; i < s->n_attempts; i++) {
        const db_candidate *c = s->attempt[i].candidate;
        if (c->parent == parent && c->tune_json && strcmp(c->tune_json, tune) == 0)
            return true;
    }
    return false;
}

/* The candidate's plan with the spec's names; NULL when it does not parse. */
static plan *parse_plan(const loop_state *s, const char *source, ws_arena *a)
{
    const spec *sp = s->spec;
    int n_in = sp->n_inputs + sp->n_weights;
    const char **tensor = WS_ARENA_NEW(a, const char *, n_in + sp->n_outputs);
    const char **dim = WS_ARENA_NEW(a, const char *, sp->n_dims + 1);
    for (int i = 0; i < n_in; i++)
        tensor[i] = sp->tensor[i].name;
    for (int i = 0; i < sp->n_outputs; i++)
        tensor[n_in + i] = sp->output[i];
    for (int i = 0; i < sp->n_dims; i++)
        dim[i] = sp->dim[i].name;
    plan_names names = {tensor, n_in + sp->n_outputs, dim, sp->n_dims};
    plan *p;
    hx_diag d = {0};
    return plan_parse(a, source, strlen(source), &names, &p, &d) ? p : NULL;
}

/* Every other choice of the plan's tunables, as candidates of the same round. The first value of
 * each is what loop_judge compiled. */
static ws_status tune(loop_state *s, int subject, ws_err *err)
{
    const db_candidate *base = s->attempt[subject].candidate;
    ws_arena a = {0};
    ws_env env = spec_env(s->spec, -1);
    int64_t *row = NULL;
    ws_status st = WS_OK;
    plan *p = parse_plan(s, base->source, &a);
    int n = p && p->n_tune ? plan_enumerate(&a, p, &env, (int)s->o->tune_max, &row) : 0;
    for (int r = 0; !st && r < n && !cli_interrupted; r++) {
        const int64_t *choice = row + (size_t)r * (size_t)p->n_tune;
        bool is_default = true;
        for (int t = 0; t < p->n_tune; t++)
            is_default &= choice[t] == p->tune[t].value[0];
        char *text = tune_json(s, p, choice);
        if (is_default || tried(s, base->id, text))
            continue;
        db_candidate c = {.parent = base->id,
                          .round = base->round,
                          .call = base->call,
                          .origin = "tuned",
                          .tune_json = text,
                          .note = base->note};
        st = loop_judge(s, &c, base->source, choice, err);
    }
    ws_arena_release(&a);
    return st;
}

/* ---- replies ---- */

static ws_status store_unusable(loop_state *s, const db_call *call, db_candidate *c,
                                hx_reason reason, const char *source, const char *why, ws_err *err)
{
    vfy_verdict v = {.reason = reason,
                     .level = VFY_NONE,
                     .registers = -1,
                     .shared_bytes = -1,
                     .spill_bytes = -1};
    snprintf(v.text, sizeof v.text, "%s", why);
    ws_sha256_of(source, strlen(source), v.source_sha256);
    c->call = call->id;
    c->source = source;
    return store(s, c, &v, err);
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

ws_status loop_judge_reply(loop_state *s, const db_call *call, int parent, ws_err *err)
{
    ws_buf code = {0};
    const char *content = call->content ? call->content : "";
    db_candidate c = {.call = call->id,
                      .round = call->turn + 1,
                      .origin = "model",
                      .parent = parent >= 0 ? s->attempt[parent].candidate->id : 0,
                      .note = note_of(s, content)};
    ws_status st;
    bool cut = strcmp(call->outcome, "truncated") == 0;
    if (strcmp(call->outcome, "ok") != 0 && !cut) /* refused, empty, too large */
        return store_unusable(s, call, &c, HX_NO_CODE, "",
                              call->error ? call->error : call->outcome, err);
    llm_extract_status found = llm_extract_cuda(content, strlen(content), &code);
    if (found == LLM_EXTRACT_NONE && !cut)
        st = store_unusable(s, call, &c, HX_NO_CODE, "", "the reply has no CUDA code block", err);
    else if (found == LLM_EXTRACT_NONE)
        st = store_unusable(s, call, &c, HX_NO_CODE, "",
                            "the reply reached the token limit before its code", err);
    else if (found == LLM_EXTRACT_TRUNCATED || (cut && found == LLM_EXTRACT_BARE))
        st = store_unusable(s, call, &c, HX_TRUNCATED, ws_buf_z(&code),
                            cut ? "the reply reached the token limit inside its code block"
                                : "the reply ends inside its code block",
                            err);
    else if (!(st = loop_judge(s, &c, ws_buf_z(&code), NULL, err)) && !cli_interrupted &&
             strcmp(s->attempt[s->n_attempts - 1].candidate->reason, "pass") == 0)
        st = tune(s, s->n_attempts - 1, err);
    ws_buf_release(&code);
    return st;
}

ws_status loop_load_attempts(loop_state *s, ws_err *err)
{
    db_candidate *list;
    int n;
    if (db_candidate_list(s->db, s->run.id, &s->arena, &list, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        const char *verdict;
        if (db_verdict_json(s->db, list[i].id, &s->arena, &verdict, err))
            return err->status;
        remember(s, &list[i], verdict);
    }
    return WS_OK;
}

ws_status loop_finish_tuning(loop_state *s, ws_err *err)
{
    for (int i = s->n_attempts - 1; i >= 0; i--) {
        const db_candidate *c = s->attempt[i].candidate;
        if (strcmp(c->origin, "model") == 0)
            return strcmp(c->reason, "pass") == 0 ? tune(s, i, err) : WS_OK;
    }
    return WS_OK;
}
