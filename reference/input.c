/* Contents of inputs and weights. Element k of tensor i under a seed is a pure function of the
 * three, so that any element can be made again anywhere. */
#include "reference/ops.h"

#include "base/philox.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Tensors of a setup graph draw from streams that no input has. */
enum { SETUP_STREAM = 1 << 20 };

typedef struct fill_job {
    const spec_tensor *t;
    const ref_shape *shape;
    const ws_env *env;
    uint64_t seed, stream;
    double lo, span; /* uniform, randint, fan_in */
    double std;      /* normal */
    double *v;
    _Atomic int64_t bad; /* an element whose expression has no value, or -1 */
} fill_job;

static ws_status fill_expr(const fill_job *j, int64_t k, double *out, ws_err *err)
{
    static const char *const names[SPEC_MAX_RANK] = {"i0", "i1", "i2", "i3",
                                                     "i4", "i5", "i6", "i7"};
    ws_binding at[SPEC_MAX_RANK];
    ws_env env = {at, (size_t)j->shape->rank, j->env};
    int64_t v = 0;
    for (int d = j->shape->rank - 1; d >= 0; d--) {
        at[d] = (ws_binding){names[d], k % j->shape->dim[d]};
        k /= j->shape->dim[d];
    }
    if (ws_expr_eval(j->t->init.expr, &env, &v, err))
        return err->status;
    *out = (double)v;
    return WS_OK;
}

static void fill_one(void *ud, int64_t k)
{
    fill_job *j = ud;
    const spec_init *init = &j->t->init;
    ws_err err = {0};
    double v = 0;
    switch (init->dist) {
    case SPEC_DIST_CONST:
        v = init->value;
        break;
    case SPEC_DIST_ARANGE:
        v = init->value + (double)k * init->step;
        break;
    case SPEC_DIST_EXPR:
        if (fill_expr(j, k, &v, &err))
            atomic_store(&j->bad, k);
        break;
    default:
        break; /* made by fill_drawn(), or whole, by make_by_setup() */
    }
    j->v[k] = ws_dtype_round(j->t->dtype, v);
}

/* 1 / sqrt(fan_in). */
static ws_status find_fan(const spec_tensor *t, const ws_env *env, double *out, ws_err *err)
{
    int64_t fan = 0;
    if (ws_expr_eval(t->init.fan_in, env, &fan, err))
        return ws_wrap(err, "init of '%s'", t->name);
    if (fan < 1)
        return ws_fail(err, WS_EINPUT, "init of '%s': a fan-in of %" PRId64, t->name, fan);
    *out = 1 / sqrt((double)fan);
    return WS_OK;
}

static ws_status find_whole_range(const spec_tensor *t, fill_job *j, ws_err *err)
{
    const spec_init *init = &t->init;
    int64_t first = 0, end = 0;
    if (ws_expr_eval(init->lo_expr, j->env, &first, err) ||
        ws_expr_eval(init->hi_expr, j->env, &end, err))
        return ws_wrap(err, "init of '%s'", t->name);
    if (first >= end)
        return ws_fail(err, WS_EINPUT,
                       "init of '%s': no whole number in [%" PRId64 ", %" PRId64 ")", t->name,
                       first, end);
    j->lo = (double)first;
    j->span = (double)end - (double)first;
    return WS_OK;
}

static void round_all(ws_dtype t, double *v, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        v[k] = t == WS_F32 ? (double)(float)v[k] : ws_dtype_round(t, v[k]);
}

/* Elements [first, end) of the distributions that are drawn at random. */
static void fill_drawn(void *ud, int64_t first, int64_t end)
{
    const fill_job *j = ud;
    const spec_init *init = &j->t->init;
    double *v = j->v + first;
    int64_t n = end - first;
    if (init->dist == SPEC_DIST_NORMAL) {
        ws_philox_normals(j->seed, j->stream, (uint64_t)first, n, v);
        for (int64_t k = 0; k < n; k++)
            v[k] = init->mean + j->std * v[k];
    } else {
        ws_philox_uniforms(j->seed, j->stream, (uint64_t)first, n, v);
        for (int64_t k = 0; k < n; k++)
            v[k] = init->dist == SPEC_DIST_BERNOULLI ? v[k] < init->p
                   : init->dist == SPEC_DIST_RANDINT ? j->lo + floor(j->span * v[k])
                                                     : j->lo + j->span * v[k];
    }
    round_all(j->t->dtype, v, n);
}

static bool is_drawn(const spec_init *init)
{
    switch (init->dist) {
    case SPEC_DIST_NORMAL:
    case SPEC_DIST_UNIFORM:
    case SPEC_DIST_FAN_IN:
    case SPEC_DIST_RANDINT:
    case SPEC_DIST_BERNOULLI:
        return true;
    default:
        return false;
    }
}

static ws_status find_range(const spec_tensor *t, fill_job *j, ws_err *err)
{
    const spec_init *init = &t->init;
    double fan = 1;
    if (init->dist == SPEC_DIST_RANDINT)
        return find_whole_range(t, j, err);
    if (init->fan_in && find_fan(t, j->env, &fan, err))
        return err->status;
    j->lo = init->dist == SPEC_DIST_FAN_IN ? -init->gain * fan : init->lo;
    j->span = init->dist == SPEC_DIST_FAN_IN ? 2 * init->gain * fan : init->hi - init->lo;
    j->std = init->std * fan;
    return WS_OK;
}

static ws_status fill(const ref_bound *b, int tensor, uint64_t seed, uint64_t stream,
                      ref_tensor *out, ws_err *err)
{
    const spec_tensor *t = &b->graph->spec->tensor[tensor];
    fill_job j = {.t = t, .env = &b->env, .seed = seed, .stream = stream, .bad = -1};
    *out =
        (ref_tensor){.shape = b->shape[tensor]}; /* the first values of a graph are its tensors */
    j.shape = &out->shape;
    if (find_range(t, &j, err) || ref_tensor_alloc_unset(out, t->name, err))
        return err->status;
    j.v = out->v;
    if (is_drawn(&t->init))
        ref_for_ranges(out->shape.count, t->init.dist == SPEC_DIST_NORMAL ? 60 : 20, fill_drawn, &j);
    else
        ref_for(out->shape.count, 100, fill_one, &j);
    int64_t bad = atomic_load(&j.bad);
    double v;
    if (bad < 0 || !fill_expr(&j, bad, &v, err))
        return WS_OK;
    ref_tensor_release(out);
    return ws_wrap(err, "init of '%s', element %" PRId64, t->name, bad);
}

/* Evaluates the setup graph and keeps the value that the tensor asks for. */
static ws_status make_by_setup(const ref_bound *b, const spec_tensor *t, uint64_t seed,
                               ref_tensor *out, ws_err *err)
{
    const ref_bound *sb = b->setup;
    const spec *s = sb->graph->spec;
    ref_tensor *in = ws_calloc((size_t)s->n_inputs + 1, sizeof *in);
    ref_tensor *made = ws_calloc((size_t)s->n_outputs, sizeof *made);
    ws_status st = WS_OK;
    for (int i = 0; !st && i < s->n_inputs; i++)
        st = fill(sb, i, seed, SETUP_STREAM + (uint64_t)i, &in[i], err);
    if (!st)
        st = ref_eval(sb, in, false, made, err);
    for (int o = 0; !st && o < s->n_outputs; o++)
        if (strcmp(s->output[o], t->init.setup) == 0) {
            *out = made[o];
            made[o] = (ref_tensor){0};
        }
    for (int64_t k = 0; !st && k < out->shape.count; k++)
        out->v[k] = ws_dtype_round(t->dtype, out->v[k]);
    for (int i = 0; i < s->n_inputs; i++)
        ref_tensor_release(&in[i]);
    for (int o = 0; o < s->n_outputs; o++)
        ref_tensor_release(&made[o]);
    free(in);
    free(made);
    return st ? ws_wrap(err, "init of '%s'", t->name) : WS_OK;
}

ws_status ref_make_input(const ref_bound *b, int tensor, uint64_t seed, ref_tensor *out,
                         ws_err *err)
{
    const spec_tensor *t = &b->graph->spec->tensor[tensor];
    return t->init.dist == SPEC_DIST_SETUP ? make_by_setup(b, t, seed, out, err)
                                           : fill(b, tensor, seed, (uint64_t)tensor, out, err);
}
