/* Values at the benchmark shape: a sample of its blocks runs on inputs of its size that repeat those
 * of a smaller shape, whose reference tells what every element that they write should be. */
#include "verifier/job.h"

#include "verifier/compare.h"
#include "verifier/policy.h"
#include "verifier/reach.h"
#include "verifier/record.h"
#include "verifier/repeat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one launch: blocks of short kernels, and warp instructions of long ones; three blocks run in
 * any case, if that takes no more than MOST_INSNS. */
enum { SAMPLE_BLOCKS = 8, SAMPLE_INSNS = 4000000, MOST_INSNS = 60000000, SECONDS = 60,
       MOST_PROBES = 1 << 18, MOST_LAUNCHES = 4 };
static const double MOST_BYTES = 1.5e9; /* of all tensors */
/* Of all blocks, where a sample of them wrote less than that part of its share. */
enum { WHOLE_INSNS = 200000000 };
static const double FULL_SHARE = 0.9;

/* What the run of one candidate needs. */
typedef struct repeat_run {
    vfy_job *j;
    const comp_result *compiled;
    const vfy_case *c; /* of the smaller shape */
    run_tensor *tensor;
    int n_tensors;
    run_report rep;
} repeat_run;

/* ---- the run ---- */

static size_t tile_bytes(const run_tile *t)
{
    size_t n = t->element_bytes;
    for (int a = 0; a < t->rank; a++)
        n *= (size_t)t->dim[a];
    return n;
}

/* false: they take too much memory. */
static bool make_tensors(repeat_run *r)
{
    const vfy_session *s = r->j->s;
    const ref_graph *g = s->graph;
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    double bytes = 0;
    r->n_tensors = n_in + g->n_outputs;
    r->tensor = WS_ARENA_NEW(&r->j->arena, run_tensor, r->n_tensors + 1);
    for (int i = 0; i < r->n_tensors; i++) {
        run_tensor *t = &r->tensor[i];
        const ref_value *v = i < n_in ? NULL : &g->value[g->output[i - n_in]];
        const spec_tensor *x = v ? NULL : &s->spec->tensor[i];
        *t = (run_tensor){.name = s->tensor_name[i], .role = v ? RUN_OUTPUT : RUN_INPUT};
        vfy_repeat_tile(s->spec, v ? v->dim : x->shape, v ? v->rank : x->rank,
                        ws_dtype_bytes(v ? v->dtype : x->dtype), &r->c->bound->env, &t->tile);
        t->bytes = tile_bytes(&t->tile);
        bytes += (double)t->bytes;
        if (!v) {
            t->in = r->c->in[i];
            continue;
        }
        t->max_probes = MOST_PROBES;
        t->probe_bytes = t->tile.element_bytes;
        t->probe = WS_ARENA_NEW(&r->j->arena, run_probe, MOST_PROBES);
    }
    return bytes <= MOST_BYTES;
}

static ws_status execute(repeat_run *r, bool whole, ws_err *err)
{
    vfy_job *j = r->j;
    run_request q = {.device = "cpu", .image = r->compiled->ptx,
                     .image_bytes = r->compiled->ptx_bytes + 1, .kernel = r->compiled->kernel,
                     .n_kernels = r->compiled->n_kernels, .plan = j->bench,
                     .scratch_name = plan_scratch_names(j->plan, &j->arena), .tensor = r->tensor,
                     .n_tensors = r->n_tensors, .engine = PTX_OPTIONS_CHECKED, .counting = true,
                     .wall_seconds = SECONDS};
    q.engine.seed = j->seed;
    q.engine.threads = 1;
    q.engine.mma_model = j->o->mma_model;
    q.engine.check_race = false;
    /* Of scratch memory a sample of blocks may read what others would have written. */
    q.engine.check_init = j->bench->n_launches > 1;
    q.engine.sample_blocks = whole ? 0 : SAMPLE_BLOCKS;
    q.engine.sample_insns = whole ? 0 : SAMPLE_INSNS;
    q.engine.max_warp_insns = whole ? 2 * (uint64_t)WHOLE_INSNS : MOST_INSNS;
    run_report_release(&r->rep);
    return run_execute(&q, &r->rep, err);
}

/* What one launch stores to an output, blocks of a later one that did not run may store anew. */
static bool may_be_replaced(const repeat_run *r)
{
    const plan_bound *b = r->j->bench;
    const int n_out = r->j->s->graph->n_outputs;
    for (int t = r->n_tensors - n_out; t < r->n_tensors; t++) {
        bool taken = false;
        for (int l = 0; l < b->n_launches; l++) {
            const ptx_counters *c = &r->rep.launch[l];
            if (!plan_launch_takes(&b->launch[l], false, t))
                continue;
            if (taken && c->blocks_run < c->blocks)
                return true;
            taken = true;
        }
    }
    return false;
}

/* What blocks add up by atomics is not complete after a sample of them, and what a few leave of a
 * grid that waits for all is nothing. */
static bool is_complete(const repeat_run *r)
{
    for (int i = 0; i < r->rep.n_launches; i++) {
        const ptx_counters *c = &r->rep.launch[i];
        if (c->blocks_run < c->blocks &&
            (c->global_atomic_requests || r->j->bench->launch[i].cooperative))
            return false;
    }
    return r->rep.n_launches == r->j->bench->n_launches && !may_be_replaced(r);
}

/* ---- what nobody writes ---- */

static uint64_t elements_of(const run_tensor *t)
{
    return t->bytes / t->tile.element_bytes;
}

/* The part of the blocks that ran, of the launches that take this tensor the largest. */
static double share_of(const repeat_run *r, int tensor)
{
    double most = 0;
    for (int l = 0; l < r->rep.n_launches; l++) {
        const ptx_counters *c = &r->rep.launch[l];
        if (c->blocks && plan_launch_takes(&r->j->bench->launch[l], false, tensor))
            most = fmax(most, (double)c->blocks_run / (double)c->blocks);
    }
    return most;
}

/* The first output of which the blocks that ran wrote less than their share; -1: none. */
static int find_unwritten(const repeat_run *r)
{
    for (int i = 0; i < r->n_tensors; i++) {
        const run_tensor *t = &r->tensor[i];
        const double share = share_of(r, i), all = (double)elements_of(t);
        if (t->role == RUN_OUTPUT &&
            (share < 1 ? (double)t->n_written < FULL_SHARE * share * all
                       : t->n_written < elements_of(t)))
            return i;
    }
    return -1;
}

static double warp_insns(const repeat_run *r)
{
    double n = 0;
    for (int l = 0; l < r->rep.n_launches; l++)
        n += (double)r->rep.launch[l].warp_insns;
    return n;
}

static void reject_unwritten(const repeat_run *r, const run_tensor *t)
{
    vfy_verdict *v = r->j->v;
    const ws_env bench = spec_env(r->j->s->spec, -1);
    v->reason = HX_NOT_WRITTEN;
    v->level = VFY_COMPILES;
    v->checked = (int64_t)elements_of(t);
    v->wrong = v->checked - (int64_t)t->n_written;
    snprintf(v->tensor, sizeof v->tensor, "%s", t->name);
    vfy_job_name_shape(r->j, &bench);
    snprintf(v->inputs, sizeof v->inputs, "random, repeated");
    v->seed = r->j->seed;
    snprintf(v->text, sizeof v->text,
             "at the benchmark shape %" PRId64 " of %" PRId64 " elements of '%s' are not written",
             v->wrong, v->checked, t->name);
}

/* Other blocks may write what a sample leaves out; only all of them together show that none does.
 * false: it is not known, or rejected. */
static bool writes_all(repeat_run *r)
{
    ws_err ignored = {0};
    int at = find_unwritten(r);
    if (at >= 0 && share_of(r, at) < 1) {
        if (warp_insns(r) > WHOLE_INSNS || execute(r, true, &ignored) || r->rep.reason != HX_PASS)
            return false;
        at = find_unwritten(r);
    }
    if (at >= 0)
        reject_unwritten(r, &r->tensor[at]);
    return at < 0;
}

/* ---- the comparison ---- */

static void reject_value(repeat_run *r, int o, const run_tensor *t, const run_probe *p,
                         const vfy_comparison *cmp)
{
    vfy_verdict *v = r->j->v;
    const ws_env bench = spec_env(r->j->s->spec, -1);
    ref_shape shape = {.rank = t->tile.rank};
    memcpy(shape.dim, t->tile.dim, sizeof t->tile.dim);
    v->reason = HX_WRONG_RESULT;
    v->level = VFY_COMPILES;
    v->got = cmp->got;
    v->want = cmp->want;
    v->tolerance = cmp->tolerance;
    v->wrong = cmp->wrong;
    v->checked = cmp->checked;
    snprintf(v->tensor, sizeof v->tensor, "%s", r->j->s->spec->output[o]);
    vfy_element_name(&shape, (int64_t)p->element, v->element, sizeof v->element);
    vfy_job_name_shape(r->j, &bench);
    snprintf(v->inputs, sizeof v->inputs, "random, repeated");
    v->seed = r->j->seed;
    snprintf(v->text, sizeof v->text,
             "at the benchmark shape %s%s is %.9g, expected %.9g within %.3g; %" PRId64 " of %" PRId64
             " elements that a sample of its blocks wrote are out of tolerance",
             v->tensor, v->element, v->got, v->want, v->tolerance, v->wrong, v->checked);
}

static bool output_is_right(repeat_run *r, int o, const run_tensor *t, int64_t *compared)
{
    const ref_graph *g = r->j->s->graph;
    const ws_dtype dtype = g->value[g->output[o]].dtype;
    const run_probe *worst = NULL;
    vfy_comparison cmp = {.checked = (int64_t)t->n_probes};
    double most = -1;
    for (size_t k = 0; k < t->n_probes; k++) {
        const int64_t at = vfy_repeat_source(&t->tile, t->probe[k].element);
        double got, tolerance;
        ws_dtype_load(dtype, &got, t->probe[k].value, 1);
        const double ratio = vfy_compare_element(r->c, o, at, got, &tolerance);
        if (ratio <= 1)
            continue;
        cmp.wrong++;
        if (ratio <= most)
            continue;
        most = ratio;
        worst = &t->probe[k];
        cmp.got = got;
        cmp.want = r->c->want[o].v[at];
        cmp.tolerance = tolerance;
    }
    *compared += cmp.checked;
    if (worst)
        reject_value(r, o, t, worst, &cmp);
    return !worst;
}

static void judge(repeat_run *r)
{
    vfy_job *j = r->j;
    const int n_in = j->s->spec->n_inputs + j->s->spec->n_weights;
    int64_t compared = 0;
    if (vfy_fails_at_benchmark(j->plan, &r->rep)) {
        const ws_env bench = spec_env(j->s->spec, -1);
        vfy_job_reject_fault(j, &r->rep);
        j->v->level = VFY_COMPILES;
        vfy_job_name_shape(j, &bench);
        snprintf(j->v->inputs, sizeof j->v->inputs, "random, repeated");
        return;
    }
    if (r->rep.reason != HX_PASS || !is_complete(r) || !writes_all(r))
        return;
    for (int o = 0; o < j->s->graph->n_outputs && j->v->reason == HX_PASS; o++)
        if (!output_is_right(r, o, &r->tensor[n_in + o], &compared))
            return;
    j->v->benchmark_elements = compared;
}

ws_status vfy_job_repeat(vfy_job *j, ws_err *err)
{
    repeat_run r = {.j = j};
    comp_result comp = {0};
    ws_env small;
    vfy_case own = {0};
    ws_err ignored = {0};
    char showed[96] = "";
    if (j->bench->n_launches > MOST_LAUNCHES ||
        !vfy_kept_repeat_shape(&j->s->kept, j->s->graph, j->seed, &small) ||
        vfy_kept_get(&j->s->kept, j->s->graph, -1, &small, VFY_INPUTS_RANDOM, j->seed, &own, &r.c,
                     &ignored))
        return WS_OK;
    ws_status st = WS_OK;
    if (!r.c->meaningless && make_tensors(&r)) {
        st = vfy_job_compile(j, j->bench, false, &comp, err);
        r.compiled = &comp;
        const bool keeps = !st && vfy_has_variables(comp.ptx) && j->bench->n_launches > 1;
        /* Tensors that this machine cannot hold are no reason to fail a kernel that is right. */
        if (!st && j->v->reason == HX_PASS && !keeps && !execute(&r, false, &ignored))
            judge(&r);
        if (j->v->benchmark_elements)
            snprintf(showed, sizeof showed, "%" PRId64 " elements", j->v->benchmark_elements);
        vfy_record_check(j->o->record, VFY_EMULATED, "values at the benchmark shape", "",
                         j->v->reason, showed);
    }
    run_report_release(&r.rep);
    vfy_case_release(&own);
    return st;
}
