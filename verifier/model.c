#include "verifier/model.h"

#include "harness/profile/path.h"
#include "harness/timing/cache.h"
#include "harness/worker/run.h"
#include "verifier/sample_data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A sample costs some 10 ms where blocks are short, and is a few blocks where they are long or do
 * work of different lengths. What takes more than MAX_INSNS for one block, or for a whole grid that
 * waits by means of its own, is not sampled. */
enum { SAMPLE_BLOCKS = 16, SAMPLE_INSNS = 200000, MAX_INSNS = 60000000, SECTOR = 32,
       MAX_FILLED = 512 << 20, /* bytes of inputs that get contents */
       SAMPLE_SECONDS = 30 }; /* of the processor, for what hangs: worker/serve.h */
static const double LEAST_WRITTEN = 0.25;

static const comp_kernel *kernel_named(const comp_result *c, const char *name)
{
    for (int k = 0; k < c->n_kernels; k++)
        if (strcmp(c->kernel[k].name, name) == 0)
            return &c->kernel[k];
    return NULL;
}

tim_launch vfy_launch_of(const comp_result *compiled, const plan_bound_launch *l)
{
    const comp_kernel *k = kernel_named(compiled, l->kernel);
    return (tim_launch){
        .blocks = (uint64_t)(l->grid[0] * l->grid[1] * l->grid[2]),
        .threads_per_block = (uint32_t)(l->block[0] * l->block[1] * l->block[2]),
        .registers = k ? k->registers : -1,
        .shared_bytes = (int)((k && k->shared_bytes > 0 ? k->shared_bytes : 0) + l->shared),
        .barriers = k && k->barriers > 0 ? k->barriers : 0,
        .local_bytes = k && k->stack_bytes > 0 ? k->stack_bytes : 0,
    };
}

/* What the PTX says of the launch's kernel. A spilled register is stored and loaded in the machine
 * code, which the engine does not run: each place is taken to run as often as an average instruction
 * of the kernel does. */
static void read_text(const comp_result *compiled, const prof_paths *paths,
                      const plan_bound_launch *p, tim_launch *l)
{
    const comp_kernel *k = kernel_named(compiled, p->kernel);
    const prof_path *path = prof_path_of(paths, p->kernel);
    if (!path)
        return;
    l->chain_clocks = path->chain_clocks;
    l->loads_together = path->loads_together;
    l->machine_insns = path->machine_insns;
    l->machine_f64 = path->machine_f64;
    if (k && k->spill_store_bytes + k->spill_load_bytes > 0 && path->insns > 0)
        l->spill_requests = (k->spill_store_bytes + k->spill_load_bytes) / 4.0 *
                            (double)l->counters.warp_insns / path->insns;
}

static bool tests_floats(const prof_paths *p)
{
    for (int i = 0; i < p->n; i++)
        if (p->kernel[i].tests_floats)
            return true;
    return false;
}

/* Tensors of the benchmark shape. */
static ws_status make_tensors(const vfy_model_input *m, const ref_bound *b,
                              const prof_paths *paths, ws_arena *a, run_tensor **out, int *n,
                              ws_err *err)
{
    size_t room = MAX_FILLED;
    const ref_graph *g = m->graph;
    const spec *s = g->spec;
    int n_in = s->n_inputs + s->n_weights;
    run_tensor *t = WS_ARENA_NEW(a, run_tensor, n_in + g->n_outputs + 1);
    for (int i = 0; i < n_in; i++) {
        ref_shape shape = {.rank = s->tensor[i].rank};
        if (spec_tensor_dims(&s->tensor[i], &b->env, shape.dim, &shape.count, err))
            return err->status;
        t[i] = (run_tensor){.name = m->tensor_name[i], .role = RUN_INPUT,
                            .bytes = ws_dtype_size(s->tensor[i].dtype, (size_t)shape.count)};
        if (vfy_sample_input(b, i, tests_floats(paths), a, &t[i], &room, err))
            return err->status;
    }
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        t[n_in + o] =
            (run_tensor){.name = m->tensor_name[n_in + o],
                         .role = RUN_OUTPUT,
                         .bytes = ws_dtype_size(v->dtype, (size_t)b->shape[g->output[o]].count)};
    }
    *out = t;
    *n = n_in + g->n_outputs;
    return WS_OK;
}

/* rep->launch is filled when the sample ended well. */
static ws_status run_sample(const vfy_model_input *m, const ref_bound *b, const prof_paths *paths,
                            ws_arena *a, run_report *rep, ws_err *err)
{
    run_request r = {
        .device = "cpu", .image = m->compiled->ptx, .image_bytes = m->compiled->ptx_bytes + 1,
        .kernel = m->compiled->kernel, .n_kernels = m->compiled->n_kernels, .plan = m->bench,
        .engine = PTX_OPTIONS_CHECKED, .wall_seconds = SAMPLE_SECONDS, .counting = true,
    };
    r.scratch_name = plan_scratch_names(m->plan, a);
    r.engine.check_init = r.engine.check_race = false;
    r.engine.sample_blocks = SAMPLE_BLOCKS;
    r.engine.sample_insns = SAMPLE_INSNS;
    r.engine.max_warp_insns = MAX_INSNS;
    r.engine.cache = tim_cache_of(m->gpu);
    r.engine.lines = m->lines;
    if (make_tensors(m, b, paths, a, &r.tensor, &r.n_tensors, err))
        return err->status;
    return run_execute(&r, rep, err);
}

/* Whether the blocks that were run stand for those that were not: all of the outputs has to be
 * written by somebody. A grid in which a few blocks do everything, and none of them was met, is no
 * sample. */
static bool stands_for_all(const ref_bound *b, const run_report *rep)
{
    const ref_graph *g = b->graph;
    double outputs = 0, written = 0;
    for (int o = 0; o < g->n_outputs; o++) {
        int v = g->output[o];
        outputs += (double)ws_dtype_size(g->value[v].dtype, (size_t)b->shape[v].count);
    }
    for (int i = 0; i < rep->n_launches; i++)
        written += SECTOR * (double)rep->launch[i].unique_st_sectors;
    return written >= LEAST_WRITTEN * outputs;
}

static void scale_from_check(const vfy_model_input *m, const ref_cost *cost, tim_launch *l)
{
    tim_launch all = l[0];
    all.blocks = 0;
    for (int i = 0; i < m->bench->n_launches; i++) {
        all.blocks += l[i].blocks;
        all.threads_per_block = l[i].threads_per_block > all.threads_per_block
                                    ? l[i].threads_per_block
                                    : all.threads_per_block;
        all.registers = l[i].registers > all.registers ? l[i].registers : all.registers;
        all.barriers = l[i].barriers > all.barriers ? l[i].barriers : all.barriers;
        all.shared_bytes =
            l[i].shared_bytes > all.shared_bytes ? l[i].shared_bytes : all.shared_bytes;
        all.local_bytes = l[i].local_bytes > all.local_bytes ? l[i].local_bytes : all.local_bytes;
    }
    all.counters = *m->checked;
    all.scale = (cost->flops + cost->min_bytes) / m->checked_work;
    l[0] = all;
}

/* An array in local memory of the PTX may have become registers in the code: a kernel without a
 * stack frame has no local memory. */
static void drop_promoted(const comp_result *c, const plan_bound_launch *p, tim_launch *l)
{
    const comp_kernel *k = kernel_named(c, p->kernel);
    if (k && k->stack_bytes == 0)
        l->counters.local_requests = 0;
}

/* What the PTX says; nothing where it cannot be read: constants stand for it then. */
static prof_paths paths_of(const vfy_model_input *m, ws_arena *a)
{
    prof_paths paths = {0};
    ws_err unread = {0};
    if (prof_paths_read(m->compiled->ptx, m->compiled->ptx_bytes, a, &paths, &unread))
        return (prof_paths){0};
    return paths;
}

/* Bytes of the inputs and weights that L2 keeps, whatever else goes through it. */
static double small_operands(const vfy_model_input *m, const ref_bound *b)
{
    enum { PART = 16 }; /* of L2, each at most */
    const spec *s = m->graph->spec;
    double sum = 0;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const double bytes =
            (double)ws_dtype_size(s->tensor[i].dtype, (size_t)b->shape[i].count);
        sum += bytes <= m->gpu->l2_bytes / PART ? bytes : 0;
    }
    return sum;
}

static void estimate(const vfy_model_input *m, const ref_bound *b, const prof_paths *paths,
                     ws_arena *a, vfy_modelled *out)
{
    const int n = m->bench->n_launches;
    const run_report *rep = &out->sample;
    ref_cost cost;
    ref_cost_of(b, &cost);
    tim_launch *l = WS_ARENA_NEW(a, tim_launch, n + 1);
    for (int i = 0; i < n; i++)
        l[i] = vfy_launch_of(m->compiled, &m->bench->launch[i]);
    for (int i = 0; out->sampled && i < n; i++) {
        l[i].counters = rep->launch[i];
        l[i].uneven = tim_uneven(&rep->launch[i]);
        drop_promoted(m->compiled, &m->bench->launch[i], &l[i]);
        l[i].small_bytes = small_operands(m, b);
        read_text(m->compiled, paths, &m->bench->launch[i], &l[i]);
    }
    if (!out->sampled)
        scale_from_check(m, &cost, l);
    out->launch = l;
    out->n_launches = out->sampled ? n : 1;
    tim_model(m->gpu, l, out->n_launches, cost.flops, cost.min_bytes, &out->time);
    if (!out->sampled) {
        out->time.launch_s += (n - 1) * tim_constants_of(m->gpu).launch_s;
        out->time.seconds += (n - 1) * tim_constants_of(m->gpu).launch_s;
    }
}

ws_status vfy_model(const vfy_model_input *m, ws_arena *a, vfy_modelled *out, ws_err *err)
{
    ws_env env = spec_env(m->graph->spec, -1);
    ref_bound *b;
    ws_err failed = {0};
    run_report *rep = &out->sample;
    *out = (vfy_modelled){0};
    if (ref_bind(m->graph, &env, a, &b, err))
        return err->status;
    /* Tensors that this machine cannot hold are no reason to fail a kernel that is right. */
    const prof_paths paths = paths_of(m, a);
    out->sampled = !run_sample(m, b, &paths, a, rep, &failed) &&
                   rep->n_launches == m->bench->n_launches && stands_for_all(b, rep);
    estimate(m, b, &paths, a, out);
    return WS_OK;
}

ws_status vfy_model_again(const vfy_model_input *m, ws_arena *a, vfy_modelled *t, ws_err *err)
{
    ws_env env = spec_env(m->graph->spec, -1);
    ref_bound *b;
    if (ref_bind(m->graph, &env, a, &b, err))
        return err->status;
    const prof_paths paths = paths_of(m, a);
    estimate(m, b, &paths, a, t);
    return WS_OK;
}

static void keep_launch(const vfy_model_input *m, const vfy_modelled *t, int i, vfy_launch *out)
{
    *out = (vfy_launch){.counted = t->launch[i], .spill_bytes = -1};
    tim_model_launch(m->gpu, &out->counted, &out->time);
    if (!t->sampled && m->bench->n_launches != 1)
        return;
    const plan_bound_launch *l = &m->bench->launch[i];
    const comp_kernel *k = kernel_named(m->compiled, l->kernel);
    out->index = i + 1;
    snprintf(out->kernel, sizeof out->kernel, "%s", l->kernel);
    memcpy(out->grid, l->grid, sizeof out->grid);
    memcpy(out->block, l->block, sizeof out->block);
    if (k && k->registers >= 0)
        out->spill_bytes = k->spill_store_bytes + k->spill_load_bytes;
}

static int shortest(const vfy_verdict *v)
{
    int at = 0;
    for (int i = 1; i < v->n_launches; i++)
        if (v->launch[i].time.seconds < v->launch[at].time.seconds)
            at = i;
    return at;
}

void vfy_keep_launches(const vfy_model_input *m, const vfy_modelled *t, vfy_verdict *v)
{
    v->plan_launches = m->bench->n_launches;
    v->n_launches = 0;
    for (int i = 0; i < t->n_launches; i++) {
        vfy_launch one;
        keep_launch(m, t, i, &one);
        if (v->n_launches == VFY_MAX_LAUNCHES) {
            int drop = shortest(v);
            if (one.time.seconds <= v->launch[drop].time.seconds)
                continue;
            v->n_launches--;
            memmove(&v->launch[drop], &v->launch[drop + 1],
                    (size_t)(v->n_launches - drop) * sizeof one);
        }
        v->launch[v->n_launches++] = one;
    }
}
