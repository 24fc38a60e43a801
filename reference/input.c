/* Contents of inputs and weights. Element k of tensor i under a seed is a pure function of the
 * three, so that any element can be made again anywhere. */
#include "reference/ops.h"

#include "base/philox.h"

#include <inttypes.h>
#include <math.h>

typedef struct fill_job {
    const spec_tensor *t;
    uint64_t seed, stream;
    double lo, span; /* uniform, randint */
    double *v;
} fill_job;

static void fill_one(void *ud, int64_t k)
{
    const fill_job *j = ud;
    const spec_init *init = &j->t->init;
    uint64_t index = (uint64_t)k;
    double v = 0;
    switch (init->dist) {
    case SPEC_DIST_UNIFORM:
        v = j->lo + j->span * ws_philox_uniform(j->seed, j->stream, index);
        break;
    case SPEC_DIST_NORMAL:
        v = init->mean + init->std * ws_philox_normal(j->seed, j->stream, index);
        break;
    case SPEC_DIST_RANDINT:
        v = j->lo + floor(j->span * ws_philox_uniform(j->seed, j->stream, index));
        break;
    case SPEC_DIST_CONST: v = init->value; break;
    case SPEC_DIST_ARANGE: v = init->value + (double)k * init->step; break;
    }
    j->v[k] = ws_dtype_round(j->t->dtype, v);
}

static ws_status find_range(const spec_tensor *t, const ws_env *env, double *lo, double *span,
                            ws_err *err)
{
    const spec_init *init = &t->init;
    int64_t first = (int64_t)init->lo, end = (int64_t)init->hi;
    if (init->dist != SPEC_DIST_RANDINT) {
        *lo = init->lo;
        *span = init->hi - init->lo;
        return WS_OK;
    }
    if ((init->lo_expr && ws_expr_eval(init->lo_expr, env, &first, err)) ||
        (init->hi_expr && ws_expr_eval(init->hi_expr, env, &end, err)))
        return ws_wrap(err, "init of '%s'", t->name);
    if (first >= end)
        return ws_fail(err, WS_EINPUT,
                       "init of '%s': no whole number in [%" PRId64 ", %" PRId64 ")", t->name,
                       first, end);
    *lo = (double)first;
    *span = (double)end - (double)first;
    return WS_OK;
}

ws_status ref_make_input(const ref_bound *b, int tensor, uint64_t seed, ref_tensor *out,
                         ws_err *err)
{
    const spec_tensor *t = &b->graph->spec->tensor[tensor];
    fill_job j = {.t = t, .seed = seed, .stream = (uint64_t)tensor};
    *out =
        (ref_tensor){.shape = b->shape[tensor]}; /* the first values of a graph are its tensors */
    if (find_range(t, &b->env, &j.lo, &j.span, err) || ref_tensor_alloc(out, false, t->name, err))
        return err->status;
    j.v = out->v;
    ref_for(out->shape.count, 100, fill_one, &j);
    return WS_OK;
}
