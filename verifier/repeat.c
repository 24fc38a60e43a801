#include "verifier/repeat.h"

#include "base/mem.h"
#include "base/philox.h"
#include "verifier/reach.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the largest value of an output: what sums in another order may differ by. */
#define RESIDUE 1e-11
/* Of the shapes at which dims are tried, of the smaller shape where all periods are 1, and of one
 * with larger periods: up to a second of the reference, which takes PRODUCTS operations of sums of
 * products in the time of another one. */
static const double MOST_TRIED = 4e6, MOST_LEAST = 1e8, MOST_WORK = 1e7, PRODUCTS = 40;
/* Every block of a launch meets other rows at other places of its tile. */
static const int64_t periods[] = {1, 2, 3, 5, 7, 13, 31, 61, 127, 509, 2039, 8191};
enum { TRIED_EXTENT = 3, STREAM = 1 << 27 };

static double work_at(const ref_graph *g, const ws_env *env)
{
    ws_err ignored = {0};
    ref_cost cost;
    if (ref_cost_at(g, env, &cost, &ignored))
        return (double)INFINITY;
    double products = 0;
    for (int u = REF_PRODUCT_F64; u < REF_UNIT_COUNT; u++)
        products += cost.unit[u];
    return cost.flops - products + products / PRODUCTS +
           fmax(cost.min_bytes, vfy_reach_input_bytes(g, env)) / 4;
}

/* ---- which dims repeat ---- */

static bool is_name(const ws_expr *e, const char *name)
{
    ws_arena a = {0};
    const bool is = ws_expr_same(e, ws_expr_name(&a, name));
    ws_arena_release(&a);
    return is;
}

typedef struct search {
    const char *name;
    bool found;
} search;

static void look_at(void *ud, const char *name)
{
    search *s = ud;
    s->found |= strcmp(name, s->name) == 0;
}

/* Whether the dim is an axis, and stands in no expression of one. */
static bool is_plain(const ws_expr *const *dim, int rank, const char *name, bool *is_axis)
{
    for (int a = 0; a < rank; a++) {
        search s = {.name = name};
        if (is_name(dim[a], name)) {
            *is_axis = true;
            continue;
        }
        ws_expr_names(dim[a], look_at, &s);
        if (s.found)
            return false;
    }
    return true;
}

static bool is_plain_axis(const ref_graph *g, const char *name)
{
    const spec *s = g->spec;
    bool input = false, output = false;
    for (int t = 0; t < s->n_inputs + s->n_weights; t++)
        if (!is_plain(s->tensor[t].shape, s->tensor[t].rank, name, &input))
            return false;
    for (int o = 0; o < g->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        if (!is_plain(v->dim, v->rank, name, &output))
            return false;
    }
    return input && output;
}

/* The element of `small` at whose indices, along axes called `name`, `from` says where those of
 * element i of `large` come from. */
static int64_t source_of(const ref_shape *large, const ref_shape *small, const ws_expr *const *dim,
                         const char *name, const int64_t *from, int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int a = large->rank - 1; a >= 0; a--) {
        const int64_t index = i % large->dim[a];
        at += (is_name(dim[a], name) ? from[index] : index) * stride;
        stride *= small->dim[a];
        i /= large->dim[a];
    }
    return at;
}

/* One dim at one check shape. */
typedef struct trial {
    const ref_graph *g;
    const char *name;
    const int64_t *from;
    const ref_bound *large, *small;
    ref_tensor *in_large, *in_small, *out_large, *out_small; /* per tensor, per output */
} trial;

static ws_status repeat_inputs(trial *t, ws_err *err)
{
    const spec *s = t->g->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *x = &s->tensor[i];
        ref_tensor *large = &t->in_large[i];
        large->shape = (ref_shape){.rank = x->rank};
        if (spec_tensor_dims(x, &t->large->env, large->shape.dim, &large->shape.count, err))
            return err->status;
        large->v = ws_malloc(((size_t)large->shape.count + 1) * sizeof *large->v);
        for (int64_t k = 0; k < large->shape.count; k++)
            large->v[k] = t->in_small[i].v[source_of(&large->shape, &t->in_small[i].shape, x->shape,
                                                     t->name, t->from, k)];
    }
    return WS_OK;
}

static bool is_repeated(const trial *t, int o)
{
    const ref_tensor *large = &t->out_large[o], *small = &t->out_small[o];
    const ref_value *v = &t->g->value[t->g->output[o]];
    double most = 0;
    for (int64_t k = 0; k < small->shape.count; k++)
        most = fmax(most, fabs(small->v[k]));
    const double within = ws_dtype_is_float(v->dtype) ? RESIDUE * most : 0;
    for (int64_t k = 0; k < large->shape.count; k++) {
        const double want =
            small->v[source_of(&large->shape, &small->shape, v->dim, t->name, t->from, k)];
        if (!(fabs(large->v[k] - want) <= within))
            return false;
    }
    return true;
}

static bool evaluate(trial *t, uint64_t seed)
{
    ws_err ignored = {0};
    if (vfy_case_inputs(t->small, VFY_INPUTS_RANDOM, seed, t->in_small, &ignored) ||
        repeat_inputs(t, &ignored) ||
        ref_eval(t->small, t->in_small, false, t->out_small, &ignored) ||
        ref_eval(t->large, t->in_large, false, t->out_large, &ignored))
        return false;
    for (int o = 0; o < t->g->n_outputs; o++)
        if (!is_repeated(t, o))
            return false;
    return true;
}

static void release(ref_tensor *t, int n)
{
    for (int i = 0; i < n; i++)
        ref_tensor_release(&t[i]);
    free(t);
}

/* Whether the result repeats along dim d at the check shape `row`. */
static bool repeats_at(const ref_graph *g, const ws_binding *row, int d, uint64_t seed)
{
    const spec *s = g->spec;
    const int n_in = s->n_inputs + s->n_weights;
    const int64_t extent = row[d].value, few = extent > TRIED_EXTENT ? TRIED_EXTENT : extent - 1;
    ws_arena a = {0};
    ws_err ignored = {0};
    ws_binding *smaller = WS_ARENA_NEW(&a, ws_binding, s->n_dims + 1);
    int64_t *from = WS_ARENA_NEW(&a, int64_t, extent + 1);
    memcpy(smaller, row, (size_t)s->n_dims * sizeof *row);
    smaller[d].value = few;
    for (int64_t i = 0; i < extent; i++) /* all of them, out of order, and then any */
        from[i] = i < few ? few - 1 - i
                          : (int64_t)(ws_philox_u64(seed, STREAM + (uint64_t)d, (uint64_t)i) %
                                      (uint64_t)few);
    const ws_env large = {row, (size_t)s->n_dims, NULL}, small = {smaller, large.n, NULL};
    ref_bound *b[2];
    bool good = false;
    if (!ref_bind(g, &large, &a, &b[0], &ignored) && !ref_bind(g, &small, &a, &b[1], &ignored)) {
        trial t = {.g = g, .name = s->dim[d].name, .from = from, .large = b[0], .small = b[1]};
        t.in_large = ws_calloc((size_t)n_in + 1, sizeof *t.in_large);
        t.in_small = ws_calloc((size_t)n_in + 1, sizeof *t.in_small);
        t.out_large = ws_calloc((size_t)g->n_outputs + 1, sizeof *t.out_large);
        t.out_small = ws_calloc((size_t)g->n_outputs + 1, sizeof *t.out_small);
        good = evaluate(&t, seed);
        release(t.in_large, n_in);
        release(t.in_small, n_in);
        release(t.out_large, g->n_outputs);
        release(t.out_small, g->n_outputs);
    }
    ws_arena_release(&a);
    return good;
}

/* At the check shape with most indices of the dim that is cheap, and at one more. */
static bool repeats(const ref_graph *g, int d, uint64_t seed)
{
    const spec *s = g->spec;
    int tried = 0;
    int64_t last = INT64_MAX;
    if (s->dim[d].value < 2 || !is_plain_axis(g, s->dim[d].name))
        return false;
    while (tried < 2) {
        int best = -1;
        for (int c = 0; c < s->n_checks; c++) {
            const ws_env env = spec_env(s, c);
            const int64_t v = s->check[c][d].value;
            if (v > 1 && v < last && (best < 0 || v > s->check[best][d].value) &&
                work_at(g, &env) <= MOST_TRIED)
                best = c;
        }
        if (best < 0)
            break;
        if (!repeats_at(g, s->check[best], d, seed))
            return false;
        last = s->check[best][d].value;
        tried++;
    }
    return tried > 0;
}

/* ---- the smaller shape ---- */

/* The dims that repeat get periods that are larger in turn as long as that is cheap. */
static bool choose_periods(const ref_graph *g, const bool *repeat, ws_binding *row)
{
    const spec *s = g->spec;
    const ws_env env = {row, (size_t)s->n_dims, NULL};
    size_t next = 1;
    bool any = false;
    for (int d = 0; d < s->n_dims; d++)
        if (repeat[d]) {
            row[d].value = periods[0];
            any = true;
        }
    if (!any || !(work_at(g, &env) <= MOST_LEAST))
        return false;
    for (bool grew = true; grew && next < WS_COUNT(periods);) {
        grew = false;
        for (int d = 0; d < s->n_dims && next < WS_COUNT(periods); d++) {
            const int64_t was = row[d].value;
            if (!repeat[d] || s->dim[d].value < 2 * periods[next])
                continue;
            row[d].value = periods[next];
            if (work_at(g, &env) <= MOST_WORK) {
                grew = true;
                next++;
            } else {
                row[d].value = was;
            }
        }
    }
    return true;
}

bool vfy_repeat_shape(const ref_graph *g, uint64_t seed, ws_arena *a, ws_env *out)
{
    const spec *s = g->spec;
    ws_binding *row = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
    bool *repeat = WS_ARENA_NEW(a, bool, s->n_dims + 1);
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        if (ws_dtype_per_byte(s->tensor[i].dtype) != 1)
            return false;
    for (int o = 0; o < g->n_outputs; o++)
        if (ws_dtype_per_byte(g->value[g->output[o]].dtype) != 1)
            return false;
    for (int d = 0; d < s->n_dims; d++) {
        row[d] = s->dim[d];
        repeat[d] = repeats(g, d, seed);
    }
    *out = (ws_env){row, (size_t)s->n_dims, NULL};
    return choose_periods(g, repeat, row);
}

void vfy_repeat_tile(const spec *s, const ws_expr *const *dim, int rank, size_t element_bytes,
                     const ws_env *small, run_tile *out)
{
    const ws_env bench = spec_env(s, -1);
    ws_err err = {0};
    *out = (run_tile){.rank = rank ? rank : 1, .element_bytes = element_bytes};
    out->dim[0] = out->period[0] = 1; /* a scalar */
    for (int a = 0; a < rank; a++)
        if (ws_expr_eval(dim[a], &bench, &out->dim[a], &err) ||
            ws_expr_eval(dim[a], small, &out->period[a], &err))
            ws_bug("dims that were bound before: %s", err.msg);
}

int64_t vfy_repeat_source(const run_tile *t, uint64_t element)
{
    int64_t at = 0, stride = 1;
    for (int a = t->rank - 1; a >= 0; a--) {
        const int64_t index = (int64_t)(element % (uint64_t)t->dim[a]);
        at += index % t->period[a] * stride;
        stride *= t->period[a];
        element /= (uint64_t)t->dim[a];
    }
    return at;
}
