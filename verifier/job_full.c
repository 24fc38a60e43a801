#include "verifier/job.h"

#include "verifier/policy.h"
#include "verifier/reach.h"
#include "verifier/record.h"
#include "verifier/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REACHED = 9, SLOW_INSNS = 100000000 /* of a launch at one of those shapes */ };

/* One check shape, for full.h. */
typedef struct full_job {
    vfy_job *j;
    vfy_exec exec;
    const plan_bound *bound;
    const comp_result *compiled;
} full_job;

/* What a run that may be wrong is like, without a trace in the verdict. */
static hx_reason look_at_outputs(vfy_job *j, const vfy_run *o)
{
    vfy_verdict *mine = ws_malloc(sizeof *mine), *v = j->v;
    *mine = *v;
    j->v = mine;
    vfy_job_judge_outputs(j, o);
    hx_reason r = mine->reason;
    j->v = v;
    free(mine);
    return r;
}

static void take_outputs(const vfy_job *j, vfy_run *o, vfy_try *t)
{
    int n_in = j->s->spec->n_inputs + j->s->spec->n_weights, n = j->s->graph->n_outputs;
    if (o->rep.reason != HX_PASS)
        return;
    t->out = ws_calloc((size_t)n + 1, sizeof *t->out);
    for (int k = 0; k < n; k++) {
        t->out[k] = o->tensor[n_in + k].out;
        o->tensor[n_in + k].out = NULL;
    }
}

/* A run that is allowed to be wrong. */
static void record_try(vfy_job *j, const vfy_run *o, const vfy_try *t)
{
    char what[64] = "for comparison";
    if (t->without)
        snprintf(what, sizeof what, "without launch %d", t->without);
    vfy_record_of(j->o->record, what, NULL);
    vfy_record_run(j->o->record, o, t->reason, 0);
}

static ws_status judge_try(full_job *f, vfy_run *o, vfy_try *t, ws_err *err)
{
    vfy_job *j = f->j;
    t->insns = o->rep.engine.counters.warp_insns;
    t->reason = o->rep.reason;
    if (!t->judged && o->err.status) {
        *err = o->err;
        return err->status;
    }
    vfy_record_of(j->o->record, NULL, t->relation);
    if (t->judged &&
        (vfy_job_judge_run(j, o, NULL, err) || vfy_job_find_kept_state(j, &f->exec, o, err)))
        return err->status;
    if (!t->judged && t->reason == HX_PASS)
        t->reason = look_at_outputs(j, o);
    if (!t->judged)
        record_try(j, o, t);
    if (t->judged && j->v->reason != HX_PASS && t->relation) {
        size_t at = strlen(j->v->text);
        snprintf(j->v->text + at, sizeof j->v->text - at, "; %s", t->relation);
    }
    take_outputs(j, o, t);
    return WS_OK;
}

/* Those that may fail have a process each. */
static ws_status run_tries(void *ud, vfy_try *t, int n, ws_err *err)
{
    full_job *f = ud;
    ws_status st = WS_OK;
    vfy_run *run = ws_calloc((size_t)n + 1, sizeof *run);
    for (int i = 0; i < n; i++) {
        run[i] = (vfy_run){.c = t[i].c,
                           .bound = f->bound,
                           .compiled = f->compiled,
                           .schedule = t[i].schedule,
                           .schedule_seed = t[i].seed,
                           .alone = !t[i].judged};
        if (t[i].without)
            run[i].bound = vfy_plan_without(&f->j->arena, f->bound, t[i].without);
    }
    vfy_execute(&f->exec, run, n, vfy_job_threads(f->j));
    for (int i = 0; i < n && !st && f->j->v->reason == HX_PASS; i++)
        st = judge_try(f, &run[i], &t[i], err);
    for (int i = 0; i < n; i++)
        vfy_run_release(&run[i]);
    free(run);
    return st;
}

/* ---- launches that nobody needs ---- */

static bool asks_for_launches(const vfy_job *j)
{
    return j->plan->n_launches > 1 && j->plan->n_launches <= VFY_MOST_LAUNCHES;
}

/* The first launch of which no need is known, from 0; -1: none. */
static int idle_launch(const vfy_job *j)
{
    for (int i = 0; i < j->plan->n_launches; i++)
        if (!j->needed[i])
            return i;
    return -1;
}

/* Whether the random inputs' result at this shape is the same, bit for bit, without launch `l`. */
static bool is_same_without(vfy_job *j, const ws_env *at, const plan_bound *b,
                            const comp_result *comp, int l)
{
    const vfy_exec e = vfy_job_exec(j);
    const int n_in = j->s->spec->n_inputs + j->s->spec->n_weights;
    vfy_case own = {0};
    const vfy_case *c;
    ws_err ignored = {0};
    bool same = true;
    if (vfy_kept_get(&j->s->kept, j->s->graph, -1, at, VFY_INPUTS_RANDOM, j->seed, &own, &c,
                     &ignored))
        return true;
    vfy_run run[2] = {{.c = c, .bound = b, .compiled = comp, .alone = true},
                      {.c = c, .bound = vfy_plan_without(&j->arena, b, l + 1), .compiled = comp,
                       .alone = true}};
    vfy_execute(&e, run, 2, vfy_job_threads(j));
    for (int i = 0; i < 2; i++)
        vfy_record_of(j->o->record, i ? "without a launch" : "for comparison", NULL),
            vfy_record_run(j->o->record, &run[i], run[i].rep.reason, 0);
    if (!run[0].err.status && run[0].rep.reason == HX_PASS) {
        same = !run[1].err.status && run[1].rep.reason == HX_PASS;
        for (int o = 0; same && o < j->s->graph->n_outputs; o++) {
            const run_tensor *x = &run[0].tensor[n_in + o], *y = &run[1].tensor[n_in + o];
            same = memcmp(x->out, y->out, x->bytes) == 0 && x->whole == y->whole &&
                   (x->whole || memcmp(x->written, y->written, x->bytes) == 0);
        }
    }
    for (int i = 0; i < 2; i++)
        vfy_run_release(&run[i]);
    vfy_case_release(&own);
    return same;
}

/* Launches that no check shape needs may be for larger ones. */
static ws_status look_beyond(vfy_job *j, ws_err *err)
{
    ws_env at[MOST_REACHED];
    const int n = vfy_reach_shapes(j->s->graph, &j->arena, at, MOST_REACHED);
    for (int i = 0; i < n && idle_launch(j) >= 0; i++) {
        plan_bound *b = NULL;
        comp_result comp = {0};
        hx_diag ignored = {0};
        if (!plan_bind(&j->arena, j->plan, &at[i], j->o->tune, &b, &ignored))
            continue;
        comp_request r = vfy_job_request(j, b, false);
        if (comp_compile(j->s->comp, &r, &j->arena, &comp, err))
            return err->status;
        for (int l = 0; comp.ok && l < j->plan->n_launches; l++)
            j->needed[l] |= !is_same_without(j, &at[i], b, &comp, l);
    }
    return WS_OK;
}

static ws_status judge_launches(vfy_job *j, ws_err *err)
{
    vfy_verdict *v = j->v;
    if (!asks_for_launches(j) || !j->launches_tried)
        return WS_OK;
    if (idle_launch(j) >= 0 && look_beyond(j, err))
        return err->status;
    const int idle = idle_launch(j);
    if (idle < 0) {
        snprintf(v->launches_needed, sizeof v->launches_needed,
                 "without any one of the %d launches the result is wrong", j->plan->n_launches);
        return WS_OK;
    }
    const plan_launch *l = &j->plan->launch[idle];
    hx_diag d = {0};
    hx_reject(&d, HX_IDLE_LAUNCH, l->line, 0,
              "launch %d ('%s') changes nothing: without it every bit of the result is the same, "
              "at every shape and with every kind of inputs that was tried; leave it out, or let a "
              "check shape need it",
              idle + 1, l->kernel);
    vfy_job_reject(j, &d);
    snprintf(v->kernel, sizeof v->kernel, "%s", l->kernel);
    return WS_OK;
}

static ws_status full_shape(vfy_job *j, int check, ws_err *err)
{
    comp_result comp = {0};
    if (vfy_job_compile(j, j->shape[check].plan, false, &comp, err))
        return err->status;
    if (j->v->reason != HX_PASS)
        return WS_OK;
    full_job f = {j, vfy_job_exec(j), j->shape[check].plan, &comp};
    vfy_full full = {.s = j->s, .v = j->v, .plan = j->plan, .bound = f.bound, .ptx = comp.ptx,
                     .check = check, .seed = j->seed, .run = run_tries, .ud = &f,
                     .needed = asks_for_launches(j) ? j->needed : NULL};
    ws_status st = vfy_full_shape(&full, err);
    j->launches_tried |= full.repeats;
    return st;
}

/* A shape that the spec does not list, and how it is tried. */
typedef struct reached {
    const ws_env *at;
    int kinds;      /* of inputs, of the quick list */
    bool full_grid; /* it is no larger than that takes */
} reached;

/* How many times as large a dim is as at the check shapes, at most. */
static double stretch_of(const vfy_job *j, const ws_env *at)
{
    const spec *s = j->s->spec;
    double most = 1;
    for (int d = 0; d < s->n_dims; d++) {
        int64_t checked = 1;
        for (int c = 0; c < s->n_checks; c++)
            checked = s->check[c][d].value > checked ? s->check[c][d].value : checked;
        most = fmax(most, (double)at->item[d].value / (double)checked);
    }
    return most;
}

/* Of a launch that was ended because it took too long: whether a block of it is stuck. Its share of
 * the work, at as many instructions as at the check shapes, is exceeded many times by a block that
 * does not end, and not by one that does more work than needed: even where that grows with the
 * square of a dim. */
static bool is_stuck(const vfy_job *j, const reached *r, const plan_bound *b, const vfy_run *run)
{
    char insn[96];
    int line;
    if (vfy_order_of(run->compiled->ptx, insn, sizeof insn, &line) >= VFY_ORDER_WAIT)
        return false; /* a block that waits for others executes what it likes */
    const double start = 100000, slower = r->full_grid ? 64 : 2 * stretch_of(j, r->at);
    ref_cost cost;
    int64_t blocks = INT64_MAX;
    for (int l = 0; l < b->n_launches; l++) {
        const int64_t n = b->launch[l].grid[0] * b->launch[l].grid[1] * b->launch[l].grid[2];
        blocks = n < blocks ? n : blocks;
    }
    ref_cost_of(run->c->bound, &cost);
    const double share = (double)j->v->counters.warp_insns * (cost.flops + cost.min_bytes) /
                         (j->counted_work * (double)blocks);
    return (double)run->rep.engine.counters.max_block_warp_insns > slower * share + start;
}

/* What cannot be evaluated at such a shape, or takes long there, says nothing about the kernel. */
static ws_status judge_reached(vfy_job *j, const reached *r, const plan_bound *b,
                               const comp_result *comp, bool *slow, ws_err *err)
{
    vfy_exec e = vfy_job_exec(j);
    vfy_options soon = *j->o;
    ws_status st = WS_OK;
    soon.max_insns = SLOW_INSNS; /* by work: a busy machine finds what an idle one does */
    e.o = &soon;
    for (int k = 0; k < r->kinds && !st && !*slow && j->v->reason == HX_PASS; k++) {
        vfy_run run = {.bound = b, .compiled = comp, .schedule = PTX_SCHED_ROUND_ROBIN};
        vfy_case own = {0};
        ws_err ignored = {0};
        if (vfy_kept_get(&j->s->kept, j->s->graph, -1, r->at, (vfy_inputs)k, j->seed, &own, &run.c,
                         &ignored))
            continue;
        if (!run.c->meaningless) {
            vfy_execute(&e, &run, 1, 1);
            *slow = !run.err.status && run.rep.reason == HX_ENDLESS && !is_stuck(j, r, b, &run);
            if (!*slow)
                st = vfy_job_judge_run(j, &run, NULL, err);
        }
        vfy_run_release(&run);
        vfy_case_release(&own);
    }
    return st;
}

static ws_status judge_at(vfy_job *j, const reached *r, bool *slow, ws_err *err)
{
    plan_bound *b = NULL;
    comp_result comp = {0};
    hx_diag why = {0};
    if (!plan_bind(&j->arena, j->plan, r->at, j->o->tune, &b, &why))
        return WS_OK;
    comp_request q = vfy_job_request(j, b, false);
    if (comp_compile(j->s->comp, &q, &j->arena, &comp, err))
        return err->status;
    vfy_record_compile(j->o->record, b, false, &comp);
    if (comp.ok && !vfy_check_ptx(comp.ptx, j->source, j->n, &why)) {
        vfy_job_reject(j, &why);
        vfy_job_name_shape(j, r->at);
        return WS_OK;
    }
    return comp.ok ? judge_reached(j, r, b, &comp, slow, err) : WS_OK;
}

static bool refuses_shapes(const vfy_job *j)
{
    for (int c = 0; c < j->s->spec->n_checks; c++)
        if (!j->shape[c].plan)
            return true;
    return false;
}

/* The shapes on the way to the benchmark's. What is slow at one of them is slow at the others. */
static ws_status judge_reach(vfy_job *j, ws_err *err)
{
    const ref_graph *g = j->s->graph;
    ws_env at[MOST_REACHED];
    ws_env own; /* made for this plan */
    bool slow = false;
    int n = vfy_reach_shapes(g, &j->arena, at, MOST_REACHED);
    for (int i = 0; i < n && !slow && j->v->reason == HX_PASS; i++) {
        const reached r = {.at = &at[i], .kinds = VFY_INPUTS_QUICK};
        if (judge_at(j, &r, &slow, err))
            return err->status;
    }
    n = slow ? 0 : vfy_reach_aligned(g, &j->arena, at, MOST_REACHED);
    for (int i = 0; i < n && !slow && j->v->reason == HX_PASS; i++) {
        const reached r = {.at = &at[i], .kinds = 1};
        if (judge_at(j, &r, &slow, err))
            return err->status;
    }
    if (!slow && j->v->reason == HX_PASS && refuses_shapes(j) &&
        vfy_reach_ragged(g, j->plan, j->o->tune, &j->arena, &own)) {
        const reached r = {.at = &own, .kinds = 1};
        if (judge_at(j, &r, &slow, err))
            return err->status;
    }
    if (j->v->reason != HX_PASS || !vfy_reach_full_grid(g, j->plan, j->o->tune, &j->arena, &own))
        return WS_OK;
    slow = false;
    const reached r = {.at = &own, .kinds = 1, .full_grid = true};
    return judge_at(j, &r, &slow, err);
}

ws_status vfy_job_full(vfy_job *j, ws_err *err)
{
    if (judge_reach(j, err))
        return err->status;
    for (int c = 0; c < j->s->spec->n_checks && j->v->reason == HX_PASS; c++)
        if (j->shape[c].plan && full_shape(j, c, err))
            return err->status;
    if (j->v->reason == HX_PASS && judge_launches(j, err))
        return err->status;
    if (j->v->reason == HX_PASS && vfy_job_repeat(j, err))
        return err->status;
    j->v->depth = VFY_FULL;
    if (j->v->reason != HX_PASS) { /* nothing of it stands */
        j->v->level = VFY_COMPILES;
        j->v->has_model = false;
    }
    return WS_OK;
}
