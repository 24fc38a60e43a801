#include "verifier/exec.h"

#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

enum { POISON = 0xA5, ENGINE_MS = 20000 /* per launch, unless told otherwise */,
       NEAR_DEADLINE_SECONDS = 8 };

/* ---- tensors ---- */

void vfy_run_release(vfy_run *r)
{
    for (int i = 0; i < r->n_tensors; i++) {
        ws_free_tensor(r->tensor[i].out);
        ws_free_tensor(r->tensor[i].after);
        ws_free_tensor(r->tensor[i].written);
    }
    free(r->tensor);
    run_report_release(&r->rep);
    *r = (vfy_run){0};
}

static ws_status make_tensors(vfy_run *r, vfy_session *s)
{
    const ref_graph *g = s->graph;
    const vfy_case *c = r->c;
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    r->n_tensors = n_in + g->n_outputs;
    r->tensor = ws_calloc((size_t)r->n_tensors + 1, sizeof *r->tensor);
    for (int i = 0; i < r->n_tensors; i++) {
        run_tensor *t = &r->tensor[i];
        t->name = s->tensor_name[i];
        if (i < n_in) {
            *t = (run_tensor){.name = t->name, .role = RUN_INPUT, .bytes = c->in_bytes[i],
                              .in = c->in[i]};
            t->after = ws_alloc_tensor_unset(t->bytes);
        } else {
            const int o = i - n_in;
            t->role = RUN_OUTPUT;
            t->bytes = ws_dtype_size(g->value[g->output[o]].dtype,
                                     (size_t)c->want[o].shape.count);
            t->out = ws_alloc_tensor_unset(t->bytes);
            t->written = ws_alloc_tensor_unset(t->bytes);
        }
        if (!(i < n_in ? t->after : t->out) || (i >= n_in && !t->written))
            return ws_fail(&r->err, WS_ELIMIT, "no memory for tensor '%s' of %zu bytes", t->name,
                           t->bytes);
    }
    return WS_OK;
}

/* ---- requests ---- */

/* Warp instructions of one launch: many times what one thread alone would need for the whole
 * operation, so that an endless loop ends in seconds. */
static uint64_t instruction_budget(const vfy_case *c)
{
    ref_cost cost;
    ref_cost_of(c->bound, &cost);
    const double want = 2e7 + 64 * (cost.flops + cost.min_bytes);
    const uint64_t most = PTX_OPTIONS_CHECKED.max_warp_insns;
    return want < (double)most ? (uint64_t)want : most;
}

static run_request request_of(const vfy_exec *e, const vfy_run *r, const char *const *scratch_name)
{
    run_request q = {
        .device = "cpu",
        .image = r->compiled->ptx,
        .image_bytes = r->compiled->ptx_bytes + 1,
        .kernel = r->compiled->kernel,
        .n_kernels = r->compiled->n_kernels,
        .plan = r->bound,
        .scratch_name = scratch_name,
        .tensor = r->tensor,
        .n_tensors = r->n_tensors,
        .engine = PTX_OPTIONS_CHECKED,
        .poison = POISON,
        .wall_seconds = e->o->wall_seconds,
    };
    if (!(e->o->wall_seconds > 0))
        q.engine.deadline_ms = ENGINE_MS;
    q.engine.cover = e->o->record != NULL;
    q.engine.count = !r->uncounted;
    q.engine.max_warp_insns = e->o->max_insns ? e->o->max_insns : instruction_budget(r->c);
    q.engine.schedule = r->schedule;
    q.engine.resident_units = r->resident;
    q.engine.mma_model = e->o->mma_model;
    q.engine.seed = r->schedule_seed ? r->schedule_seed : e->seed;
    if ((q.examine_state = r->state) || e->o->record || e->o->threads == 1)
        q.engine.threads = 1; /* the same bits each time; or the other cores are others' */
    return q;
}

/* ---- processes ---- */

/* Without what came of it. */
static vfy_run asked(const vfy_run *r)
{
    return (vfy_run){.c = r->c,
                     .bound = r->bound,
                     .compiled = r->compiled,
                     .schedule = r->schedule,
                     .schedule_seed = r->schedule_seed,
                     .state = r->state,
                     .resident = r->resident,
                     .alone = r->alone,
                     .uncounted = r->uncounted};
}

static void forget(vfy_run *r)
{
    if (!r->done && !r->tensor && !r->err.status)
        return; /* nothing came of it yet */
    const vfy_run again = asked(r);
    vfy_run_release(r);
    *r = again;
}

/* run[0] to run[n - 1], one after the other in one process. */
static void execute_together(const vfy_exec *e, vfy_run *run, int n)
{
    run_request q[RUN_MAX_TOGETHER];
    run_report *rep = ws_calloc((size_t)n, sizeof *rep);
    ws_arena a = {0};
    const char *const *scratch_name = plan_scratch_names(e->plan, &a);
    int made = 0, done = 0;
    ws_err err = {0};
    for (int i = 0; i < n; i++)
        forget(&run[i]);
    while (made < n && !make_tensors(&run[made], e->s)) {
        q[made] = request_of(e, &run[made], scratch_name);
        made++;
    }
    if (made)
        (void)!run_execute_all(q, made, rep, &done, &err);
    for (int i = 0; i < done; i++) {
        run[i].rep = rep[i];
        run[i].place = i;
        run[i].done = true;
    }
    if (err.status) /* of the world, in the last one that was begun */
        run[done ? done - 1 : 0].err = err;
    if (made < n && done == made) /* no memory for this one */
        run[made].done = true;
    if (!done && made)
        run[0].done = true;
    ws_arena_release(&a);
    free(rep);
}

typedef struct group {
    const vfy_exec *e;
    vfy_run *run;
    int n, per;
} group;

static void execute_group(void *ud, size_t i, int worker)
{
    const group *g = ud;
    const int from = (int)i * g->per, left = g->n - from;
    (void)worker;
    execute_together(g->e, g->run + from, left < g->per ? left : g->per);
}

/* A run that came near its deadline beside others is judged by how it does alone, and those that it
 * kept from running run then. */
static void repeat_slow(const vfy_exec *e, vfy_run *run, int n)
{
    int i = 0;
    while (i < n && run[i].done &&
           (run[i].err.status || run[i].rep.reason != HX_ENDLESS ||
            run[i].rep.seconds < NEAR_DEADLINE_SECONDS))
        i++;
    if (i == n || !run[i].done)
        return;
    execute_together(e, &run[i], n - i);
}

/* How many follow each other in one process. */
static int group_size(const vfy_run *run, int n, int threads)
{
    const int pairs = (n + 1) / 2; /* some run follows another, whatever the number of cores */
    const int groups = threads < pairs ? threads : pairs;
    const int size = (n + groups - 1) / groups;
    return run[0].alone ? 1 : size < RUN_MAX_TOGETHER ? size : RUN_MAX_TOGETHER;
}

void vfy_execute(const vfy_exec *e, vfy_run *run, int n, int threads)
{
    if (n < 1)
        return;
    group g = {e, run, n, group_size(run, n, threads)};
    const int n_groups = (n + g.per - 1) / g.per;
    ws_parallel_for((size_t)n_groups, threads, execute_group, &g);
    for (int i = 0; n_groups > 1 && i < n_groups; i++)
        repeat_slow(e, run + i * g.per, n - i * g.per < g.per ? n - i * g.per : g.per);
}

/* ---- writers ---- */

bool vfy_find_writer(const vfy_exec *e, const vfy_run *of, int o, size_t at, size_t bytes,
                     ptx_fault *out)
{
    const int n_in = e->s->spec->n_inputs + e->s->spec->n_weights;
    ws_arena a = {0};
    const char *const *scratch_name = plan_scratch_names(e->plan, &a);
    vfy_run r = asked(of);
    ws_err err = {0};
    bool found = false;
    if (make_tensors(&r, e->s)) {
        vfy_run_release(&r);
        ws_arena_release(&a);
        return false;
    }
    for (int l = r.bound->n_launches - 1; l >= 0 && !found && !err.status; l--) {
        run_request q = request_of(e, &r, scratch_name);
        run_report rep = {0};
        q.watch.bytes = bytes;
        q.watch.at = at;
        q.watch.tensor = n_in + o;
        q.watch.launch = l;
        q.engine.check_race = q.engine.count = false;
        if (!run_execute(&q, &rep, &err) && rep.reason == HX_OUT_OF_BOUNDS && rep.engine.n_faults) {
            *out = rep.engine.fault[0];
            found = strcmp(out->buffer, r.tensor[n_in + o].name) == 0;
        }
        run_report_release(&rep);
    }
    vfy_run_release(&r);
    ws_arena_release(&a);
    return found;
}
