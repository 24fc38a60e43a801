#include "verifier/profile_device.h"

#include "harness/device/pool.h"
#include "harness/device/request.h"
#include "verifier/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS = 120, LANE_SECONDS = 30 };
static const double MOST_BYTES = 4e9; /* of all tensors; inputs are made as doubles first */

static ws_status tensor_bytes(const spec_tensor *t, const ref_bound *b, ref_shape *shape,
                              size_t *out, ws_err *err)
{
    shape->rank = t->rank;
    if (spec_tensor_dims(t, &b->env, shape->dim, &shape->count, err))
        return err->status;
    *out = ws_dtype_size(t->dtype, (size_t)shape->count);
    return WS_OK;
}

/* Inputs with content, outputs without. What was made is in `t`, whose `in` is the caller's to
 * free. */
static ws_status make_tensors(vfy_session *s, const ref_bound *b, uint64_t seed, run_tensor *t,
                              int *n, ws_err *err)
{
    const spec *sp = s->spec;
    const int n_in = sp->n_inputs + sp->n_weights;
    for (*n = 0; *n < n_in; ++*n) {
        const spec_tensor *of = &sp->tensor[*n];
        ref_shape shape = {0};
        ref_tensor values = {0};
        run_tensor *to = &t[*n];
        *to = (run_tensor){.name = s->tensor_name[*n], .role = RUN_INPUT};
        if (tensor_bytes(of, b, &shape, &to->bytes, err) ||
            ref_make_input(b, *n, seed, &values, err))
            return err->status;
        void *in = ws_alloc_tensor(to->bytes ? to->bytes : 1);
        if (in)
            ws_dtype_store(of->dtype, in, values.v, (size_t)shape.count);
        ref_tensor_release(&values);
        to->in = in;
        if (!in)
            return ws_fail(err, WS_ELIMIT, "tensor '%s' of %zu bytes does not fit into memory",
                           to->name, to->bytes);
    }
    for (int o = 0; o < sp->n_outputs; o++, ++*n) {
        const int v = s->graph->output[o];
        t[*n] = (run_tensor){
            .name = s->tensor_name[*n],
            .role = RUN_OUTPUT,
            .bytes = ws_dtype_size(s->graph->value[v].dtype, (size_t)b->shape[v].count)};
    }
    return WS_OK;
}

static void refuse(vfy_counted *out, const char *why, const char *hint)
{
    snprintf(out->why, sizeof out->why, "%s", why);
    snprintf(out->hint, sizeof out->hint, "%s", hint);
}

static void read_answer(const dev_answer *a, vfy_counted *out)
{
    const jl_value *values = jl_get(a->json, "values");
    if (a->end != DEV_OK || !values) {
        refuse(out, *a->text ? a->text : dev_end_name(a->end), jl_text_or(a->json, "hint", ""));
        return;
    }
    snprintf(out->chip, sizeof out->chip, "%s", jl_text_or(a->json, "chip", "?"));
    out->passes = (int)jl_int_or(a->json, "passes", 0);
    for (const prof_metric *m = prof_metrics; m->name && out->n < PROF_MAX_METRICS; m++) {
        ws_err ignored = {0};
        double v;
        if (!jl_get(values, m->key) || jl_number(values, m->key, &v, &ignored))
            continue;
        out->metric[out->n] = m;
        out->value[out->n++] = v;
    }
    out->measured = out->n > 0;
}

/* One batch of one request, alone on the device. */
static ws_status ask(dev_pool *pool, const run_request *r, int tier, ws_arena *a, vfy_counted *out,
                     ws_err *err)
{
    dev_bulk_memory bulk = {0};
    ws_buf members = {0};
    dev_lock lock;
    dev_places *places = WS_ARENA_NEW(a, dev_places, r->n_tensors + 1);
    ws_status st = dev_lock_take(dev_pool_device(pool, 0)->uuid, LANE_SECONDS, &lock, err);
    if (st)
        return st;
    if (!(st = dev_bulk_new(dev_run_bytes(r), &bulk, err)) &&
        !(st = dev_profile_encode(r, tier, &bulk, &members, places, err))) {
        dev_request q = {.members = ws_buf_z(&members), .deadline_seconds = SECONDS};
        dev_batch batch = {.request = &q, .n = 1, .bulk = &bulk, .arena = a};
        dev_pool_run(pool, 0, &batch);
        read_answer(&q.answer, out);
    }
    dev_lock_give(&lock);
    dev_bulk_release(&bulk);
    ws_buf_release(&members);
    return st;
}

static ws_status count(vfy_session *s, const vfy_profile *p, dev_pool *pool, int tier,
                       uint64_t seed, ws_arena *a, vfy_counted *out, ws_err *err)
{
    const ws_env env = spec_env(s->spec, -1);
    const comp_result *c = &p->compiled;
    const dev_device *d = dev_pool_device(pool, 0);
    const bool fits = d->capability == p->module.arch; /* else the driver assembles the PTX */
    ref_bound *b;
    int n = 0;
    snprintf(out->device, sizeof out->device, "%s", d->name);
    if (d->engine)
        return ws_fail(err, WS_EENV, "no GPU here; kernels run on the CPU engine, which has no "
                                     "performance counters");
    if (ref_bind(s->graph, &env, a, &b, err))
        return err->status;
    run_tensor *t = WS_ARENA_NEW(a, run_tensor, VFY_MAX_NAMES);
    ws_status st = make_tensors(s, b, seed, t, &n, err);
    if (!st) {
        const run_request r = {.image = fits ? c->cubin : (const void *)c->ptx,
                               .image_bytes = fits ? c->cubin_bytes : c->ptx_bytes + 1,
                               .kernel = c->kernel, .n_kernels = c->n_kernels, .plan = p->bound,
                               .scratch_name = p->scratch_name, .tensor = t, .n_tensors = n};
        st = ask(pool, &r, tier, a, out, err);
    }
    for (int i = 0; i < VFY_MAX_NAMES; i++) {
        union { /* made above, for the run to read alone */
            const void *from;
            void *to;
        } in = {t[i].in};
        ws_free_tensor(in.to);
    }
    return st;
}

ws_status vfy_profile_count(vfy_session *s, const vfy_profile *p, int tier, uint64_t seed,
                            vfy_counted *out, ws_err *err)
{
    const ws_env env = spec_env(s->spec, -1);
    ws_arena a = {0};
    ws_err failed = {0};
    dev_pool *pool = NULL;
    ref_cost cost;
    *out = (vfy_counted){.tier = tier};
    if (ref_cost_at(s->graph, &env, &cost, err))
        return err->status;
    if (!tier)
        refuse(out, "not asked for", "");
    else if (cost.min_bytes > MOST_BYTES)
        refuse(out, "the tensors of the benchmark shape are too large to be made here", "");
    else if (dev_pool_open(&(dev_pool_options){0}, &pool, &failed) ||
             count(s, p, pool, tier, seed, &a, out, &failed))
        refuse(out, failed.msg, failed.hint);
    dev_pool_close(pool);
    ws_arena_release(&a);
    return WS_OK;
}
