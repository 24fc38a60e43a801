#include "verifier/bench.h"

#include "base/philox.h"
#include "verifier/compare.h"
#include "verifier/policy.h"
#include "verifier/reach.h"
#include "verifier/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 4, FEW_SETS = 2, AA_PAIRS = 120, CONFIRMATION = 0x636f6e66 };
static const double MANY_BYTES = 1 << 28; /* of a set: fewer sets */
static const double FAST_WORK = 3e6;      /* flops and bytes: the engine takes some milliseconds */
/* Ticks of the timer that a stretch lasts at least. */
static const double TICKS = 100;

/* What the sittings of one bench have in common. */
typedef struct bench {
    vfy_session *s;
    const vfy_bench_options *o;
    vfy_bench *b;
    ws_arena arena;
    ws_env env;
    vfy_case set[SETS];
    int n_sets;
    run_request *program; /* [0] of the baseline, then of the entries */
    bool *wrong;          /* of the outputs kept in the sitting at hand */
    int n_kept, cap_kept;
    char why[256]; /* the first of them is */
} bench;

int vfy_bench_shape(const vfy_session *s)
{
    int best = -1, least = -1;
    double most = 0, cheapest = INFINITY;
    for (int c = -1; c < s->spec->n_checks; c++) {
        const ws_env env = spec_env(s->spec, c);
        ref_cost cost;
        ws_err ignored = {0};
        if (ref_cost_at(s->graph, &env, &cost, &ignored))
            continue;
        const double work = cost.flops + cost.min_bytes;
        if (work <= FAST_WORK && work > most)
            best = c, most = work;
        if (work < cheapest)
            least = c, cheapest = work;
    }
    return most > 0 ? best : least;
}

/* ---- programs ---- */

static size_t output_bytes(const bench *b, const vfy_case *c, int o)
{
    const ref_graph *g = b->s->graph;
    return ws_dtype_size(g->value[g->output[o]].dtype, (size_t)c->want[o].shape.count);
}

static run_tensor *tensors(bench *b, const vfy_case *c, int *n)
{
    const spec *s = b->s->spec;
    const int n_in = s->n_inputs + s->n_weights;
    *n = n_in + s->n_outputs;
    run_tensor *t = WS_ARENA_NEW(&b->arena, run_tensor, *n);
    for (int i = 0; i < *n; i++) {
        t[i] = (run_tensor){.name = b->s->tensor_name[i],
                            .role = i < n_in ? RUN_INPUT : RUN_OUTPUT,
                            .bytes = i < n_in ? c->in_bytes[i] : output_bytes(b, c, i - n_in)};
    }
    return t;
}

static void refuse(vfy_bench_entry *e, hx_reason reason, const char *text)
{
    e->reason = reason;
    snprintf(e->text, sizeof e->text, "%s", text);
}

/* Verified as every candidate of a run is. */
static ws_status verify(bench *b, vfy_bench_entry *e, ws_err *err)
{
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    const vfy_options o = {.arch = b->o->arch,
                           .gpu = b->o->gpu,
                           .seed = b->o->seed,
                           .device = "cpu",
                           .depth = VFY_QUICK,
                           .max_level = VFY_EMULATED,
                           .file = e->name,
                           .wall_seconds = b->o->run_seconds > 0 ? b->o->run_seconds : 25};
    ws_status st = vfy_verify(b->s, e->source, e->n, &o, v, err);
    if (!st && v->reason != HX_PASS)
        refuse(e, v->reason, v->text);
    free(v);
    return st;
}

/* The plan at the shape, compiled for it. */
static ws_status compile(bench *b, vfy_bench_entry *e, run_request *out, ws_err *err)
{
    plan *p;
    plan_bound *bound;
    comp_result c = {0};
    hx_diag d = {0};
    if (!plan_parse(&b->arena, e->source, e->n, &b->s->names, &p, &d) ||
        !plan_bind(&b->arena, p, &b->env, NULL, &bound, &d) ||
        !plan_check_arch(p, b->o->arch ? b->o->arch : "sm_90", &d)) {
        refuse(e, d.reason, d.text);
        return WS_OK;
    }
    comp_request q = vfy_request(&b->arena, bound, vfy_names_dims(e->source, e->n), false);
    q.source = e->source;
    q.source_bytes = e->n;
    q.file = e->name;
    q.arch = b->o->arch;
    if (comp_compile(b->s->comp, &q, &b->arena, &c, err))
        return err->status;
    if (!c.ok)
        d = c.diag;
    if (!c.ok || !vfy_check_ptx(c.ptx, e->source, e->n, &d) ||
        !plan_check_kernels(p, c.kernel, c.n_kernels, &b->s->names, &d)) {
        refuse(e, d.reason, d.text);
        return WS_OK;
    }
    *out = (run_request){.image = c.ptx,
                         .image_bytes = strlen(c.ptx) + 1,
                         .kernel = c.kernel,
                         .n_kernels = c.n_kernels,
                         .plan = bound,
                         .scratch_name = plan_scratch_names(p, &b->arena)};
    out->tensor = tensors(b, &b->set[0], &out->n_tensors);
    return WS_OK;
}

static ws_status prepare(bench *b, vfy_bench_entry *e, run_request *out, ws_err *err)
{
    if (verify(b, e, err))
        return ws_wrap(err, "%s", e->name);
    if (e->reason == HX_PASS && compile(b, e, out, err))
        return ws_wrap(err, "%s", e->name);
    return WS_OK;
}

static ws_status make_sets(bench *b, ws_err *err)
{
    ref_cost cost;
    if (ref_cost_at(b->s->graph, &b->env, &cost, err))
        return err->status;
    b->n_sets = cost.min_bytes > MANY_BYTES ? FEW_SETS : SETS;
    for (int k = 0; k < b->n_sets; k++)
        if (vfy_reach_case(&b->set[k], b->s->graph, &b->env, VFY_INPUTS_RANDOM,
                           ws_philox_u64(b->o->seed, (uint64_t)k, 0), NULL, err))
            return err->status;
    b->b->floor_s = b->o->warm || b->o->no_floor ? 0 : cost.min_bytes / tim_gpu_find(b->o->gpu)->dram_bytes_per_s;
    return WS_OK;
}

/* ---- sittings ---- */

/* Compares an output that a timed launch left. */
static ws_status keep(void *ud, int output, int set, const void *bytes, size_t n, ws_err *err)
{
    bench *b = ud;
    const spec *s = b->s->spec;
    const unsigned char *at = bytes;
    (void)n, (void)err;
    WS_GROW(b->wrong, b->n_kept, b->cap_kept);
    b->wrong[b->n_kept++] = false;
    for (int o = 0; o < s->n_outputs; o++) {
        const ref_shape *shape = &b->set[set].want[o].shape;
        vfy_comparison c;
        vfy_compare(&b->set[set], o, at, &c);
        at += output_bytes(b, &b->set[set], o);
        if (!c.wrong)
            continue;
        b->wrong[output] = true;
        char element[64];
        vfy_element_name(shape, c.first, element, sizeof element);
        if (!b->why[0])
            snprintf(b->why, sizeof b->why, "a timed launch left %s%s at %g where %g +- %g belongs",
                     s->output[o], element, c.got, c.want, c.tolerance);
    }
    return WS_OK;
}

static lane_rules rules_of(const bench *b, bool again, uint64_t seed)
{
    lane_rules r = {.rule = b->b->rule,
                    .aa_pairs = AA_PAIRS,
                    .warm = b->o->warm,
                    .confirm = again,
                    .seed = seed,
                    .budget_s = b->o->budget_s,
                    .noise = b->o->noise,
                    .sample_s = TICKS * b->o->noise.quantum_s};
    const int last = r.rule.look[TIM_LOOKS - 1];
    snprintf(r.gpu, sizeof r.gpu, "%s", b->o->gpu);
    if (r.aa_pairs > last)
        r.aa_pairs = last;
    return r;
}

/* Programs `order` of the bench (0: the baseline, 1 + i: entry i) in one sitting. */
static ws_status hold(bench *b, const int *order, int n, uint64_t seed, lane_result *out,
                      ws_err *err)
{
    const bool again = order[0] > 0; /* a candidate in the baseline's place */
    run_request *program = WS_ARENA_NEW(&b->arena, run_request, n);
    run_request *set = WS_ARENA_NEW(&b->arena, run_request, b->n_sets);
    for (int i = 0; i < n; i++)
        program[i] = b->program[order[i]];
    for (int k = 0; k < b->n_sets; k++) {
        set[k] = program[0];
        set[k].tensor = tensors(b, &b->set[k], &set[k].n_tensors);
        for (int i = 0; i < b->s->spec->n_inputs + b->s->spec->n_weights; i++)
            set[k].tensor[i].in = b->set[k].in[i];
    }
    const lane_request r = {.rules = rules_of(b, again, seed),
                            .program = program,
                            .n_programs = n,
                            .set = set,
                            .n_sets = b->n_sets,
                            .keep = keep,
                            .ud = b};
    b->n_kept = 0;
    b->why[0] = '\0';
    ws_status st =
        sit_run(&r, b->o->device, b->o->wall_seconds > 0 ? b->o->wall_seconds : 600, out, err);
    for (int i = 0; !st && i < out->n_outputs; i++)
        for (int p = 0; b->wrong[i] && p < n; p++)
            if (out->output[i].by[p] && order[p] > 0)
                refuse(&b->b->entry[order[p] - 1], HX_WRONG_RESULT, b->why);
            else if (out->output[i].by[p])
                st = ws_fail(err, WS_EINPUT, "the baseline: %s", b->why);
    b->b->launched += out->launched;
    b->b->compared += out->compared;
    return st;
}

/* Those that can be timed, in one sitting. One that fails in it is left out, and the others sit
 * again: what it did before it failed is in all their times. */
static ws_status first_sitting(bench *b, lane_result *r, int *order, int *n, ws_err *err)
{
    for (;;) {
        *n = 1;
        order[0] = 0;
        for (int i = 0; i < b->b->n; i++)
            if (b->b->entry[i].reason == HX_PASS)
                order[(*n)++] = 1 + i;
        if (*n == 1)
            return WS_OK;
        if (hold(b, order, *n, b->o->seed, r, err))
            return err->status;
        if (r->failed < 0)
            return WS_OK;
        if (r->failed == 0)
            return ws_fail(err, WS_EINPUT, "the baseline: %s", r->text);
        refuse(&b->b->entry[order[r->failed] - 1], r->reason, r->text);
        lane_result_release(r);
    }
}

static void move_pairs(tim_pairs *from, tim_pairs *to)
{
    *to = *from;
    *from = (tim_pairs){0};
}

static void judge(bench *b, lane_result *r, const int *order, int n)
{
    const tim_pairs **p = WS_ARENA_NEW(&b->arena, const tim_pairs *, n);
    tim_judgement *j = WS_ARENA_NEW(&b->arena, tim_judgement, n);
    for (int i = 1; i < n; i++)
        p[i - 1] = &r->pairs[i - 1];
    b->b->rule.mde = r->mde;
    tim_decide_set(p, n - 1, &b->b->rule, true, b->o->seed, j);
    for (int i = 1; i < n; i++) {
        vfy_bench_entry *e = &b->b->entry[order[i] - 1];
        e->first = e->last = j[i - 1];
        move_pairs(&r->pairs[i - 1], &e->pairs);
    }
    move_pairs(&r->aa, &b->b->aa);
    b->b->settled = r->settled;
    b->b->out_of_time = r->out_of_time;
}

/* A winner in a fresh process, with another seed, in the place of the baseline. */
static ws_status confirm(bench *b, int i, ws_err *err)
{
    vfy_bench_entry *e = &b->b->entry[i];
    const uint64_t seed = ws_philox_u64(b->o->seed, CONFIRMATION, (uint64_t)i);
    const int order[] = {1 + i, 0};
    lane_result r = {0};
    if (!hold(b, order, 2, seed, &r, err) && r.failed >= 0 && e->reason == HX_PASS) {
        if (r.failed == 1)
            ws_fail(err, WS_EINPUT, "the baseline: %s", r.text);
        else
            refuse(e, r.reason, r.text);
    } else if (!err->status) {
        tim_rule rule = b->b->rule;
        rule.mde = r.mde;
        tim_confirm(&e->first, &r.pairs[0], &rule, true, seed, &e->last);
        e->again = true;
        move_pairs(&r.pairs[0], &e->pairs_again);
        move_pairs(&r.aa, &e->aa_again);
    }
    lane_result_release(&r);
    return err->status;
}

static ws_status run(bench *b, ws_err *err)
{
    lane_result r = {0};
    int n = 0, *order = WS_ARENA_NEW(&b->arena, int, b->b->n + 1);
    if (make_sets(b, err) || prepare(b, &b->b->base, &b->program[0], err))
        return err->status;
    if (b->b->base.reason != HX_PASS)
        return ws_fail(err, WS_EINPUT, "the baseline %s: %s", b->b->base.name, b->b->base.text);
    for (int i = 0; i < b->b->n; i++)
        if (prepare(b, &b->b->entry[i], &b->program[1 + i], err))
            return err->status;
    b->b->rule.floor_s = b->b->floor_s;
    ws_status st = first_sitting(b, &r, order, &n, err);
    if (!st && n > 1)
        judge(b, &r, order, n);
    lane_result_release(&r);
    for (int i = 0; i < b->b->n && !st; i++)
        if (b->b->entry[i].reason == HX_PASS && b->b->entry[i].first.verdict == TIM_FASTER)
            st = confirm(b, i, err);
    return st;
}

ws_status vfy_bench_run(vfy_session *s, const vfy_bench_options *asked, vfy_bench *out, ws_err *err)
{
    vfy_bench_options o = *asked;
    bench b = {.s = s, .o = &o, .b = out, .env = spec_env(s->spec, asked->shape)};
    ws_buf shape = {0};
    if (out->n > LANE_MAX_PROGRAMS - 1)
        return ws_fail(err, WS_EINPUT, "%d sources in one sitting, at most %d", out->n,
                       LANE_MAX_PROGRAMS - 1);
    o.arch = o.arch ? o.arch : "sm_90";
    o.gpu = o.gpu ? o.gpu : "h100";
    out->rule = tim_rule_default;
    for (int i = 0; i < TIM_LOOKS && o.max_pairs; i++)
        if (out->rule.look[i] > o.max_pairs)
            out->rule.look[i] = o.max_pairs;
    b.program = WS_ARENA_NEW(&b.arena, run_request, out->n + 1);
    spec_env_print(&b.env, &shape);
    snprintf(out->shape, sizeof out->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
    ws_status st = run(&b, err);
    for (int k = 0; k < b.n_sets; k++)
        vfy_case_release(&b.set[k]);
    free(b.wrong);
    ws_arena_release(&b.arena);
    return st;
}

static void release_entry(vfy_bench_entry *e)
{
    tim_pairs_release(&e->pairs);
    tim_pairs_release(&e->pairs_again);
    tim_pairs_release(&e->aa_again);
}

void vfy_bench_release(vfy_bench *b)
{
    for (int i = 0; i < b->n; i++)
        release_entry(&b->entry[i]);
    tim_pairs_release(&b->aa);
}
