#include "results/export_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A case quicker than QUICK is as large as that allows; one beyond SLOW is none. Floating-point
 * operations, elements of all tensors. */
static const double quick_flops = 3e6, slow_flops = 1e9;
enum {
    QUICK_ELEMENTS = 1 << 16,
    MAX_ELEMENTS = 1 << 22,
    MAX_BYTES_AS_THEY_ARE = 64 << 10,
    MAX_SAMPLES = 384,
    MAX_INDEX_EXTENT = 4096
};

/* Stafford's variant 13 of the finaliser of MurmurHash3, as in SplitMix64. */
uint64_t exp_random(uint64_t tensor, uint64_t k)
{
    uint64_t z = (tensor + 1) * 0xd1342543de82ef95u + (k + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- which check shape ---- */

typedef struct option {
    int check;
    double flops;
    int64_t elements;
} option;

static int64_t elements_of(const exp_job *j, const ref_bound *b)
{
    int64_t n = 0;
    for (int i = 0; i < exp_given_count(j); i++)
        n += b->shape[i].count;
    for (int o = 0; o < j->graph->n_outputs; o++)
        n += b->shape[j->graph->output[o]].count;
    return n;
}

/* The largest of the quick ones, then all by their work. */
static int by_preference(const void *a, const void *b)
{
    const option *x = a, *y = b;
    const bool qx = x->flops <= quick_flops && x->elements <= QUICK_ELEMENTS;
    const bool qy = y->flops <= quick_flops && y->elements <= QUICK_ELEMENTS;
    if (qx != qy)
        return qx ? -1 : 1;
    if (qx)
        return (x->elements < y->elements) - (x->elements > y->elements);
    return (x->flops > y->flops) - (x->flops < y->flops);
}

static int list_options(exp_job *j, option *out)
{
    int n = 0;
    for (int i = 0; i < j->in->spec->n_checks; i++) {
        ws_env env = spec_env(j->in->spec, i);
        plan_bound *bound;
        ref_bound *b;
        ref_cost cost;
        hx_diag d = {0};
        ws_err ignored = {0};
        if (!plan_bind(&j->arena, j->plan, &env, j->tune, &bound, &d) ||
            ref_bind(j->graph, &env, &j->arena, &b, &ignored))
            continue;
        ref_cost_of(b, &cost);
        option o = {i, cost.flops, elements_of(j, b)};
        if (o.flops <= slow_flops && o.elements <= MAX_ELEMENTS)
            out[n++] = o;
    }
    qsort(out, (size_t)n, sizeof *out, by_preference);
    return n;
}

/* ---- inputs ---- */

static bool choose_recipe(const spec_tensor *t, const ws_env *env, exp_recipe *r)
{
    const spec_init *init = &t->init;
    ws_err ignored = {0};
    int64_t fan = 1, lo = 0, hi = 0;
    *r = (exp_recipe){.make = EXP_BYTES};
    if (t->dtype == WS_E2M1 || (init->fan_in && ws_expr_eval(init->fan_in, env, &fan, &ignored)))
        return false;
    const double share = 1 / sqrt((double)fan);
    switch (init->dist) {
    case SPEC_DIST_UNIFORM:
        *r = (exp_recipe){.make = EXP_UNIFORM, .a = init->lo, .b = init->hi - init->lo};
        break;
    case SPEC_DIST_FAN_IN:
        *r = (exp_recipe){
            .make = EXP_UNIFORM, .a = -init->gain * share, .b = 2 * init->gain * share};
        break;
    case SPEC_DIST_NORMAL: /* four uniform numbers have a variance of 1/3 */
        *r = (exp_recipe){.make = EXP_BELL, .a = init->mean, .b = init->std * share * sqrt(3)};
        break;
    case SPEC_DIST_CONST:
        *r = (exp_recipe){.make = EXP_UNIFORM, .a = init->value};
        break;
    case SPEC_DIST_BERNOULLI:
        *r = (exp_recipe){.make = EXP_FLAG, .a = init->p};
        break;
    case SPEC_DIST_RANDINT:
        if (ws_expr_eval(init->lo_expr, env, &lo, &ignored) ||
            ws_expr_eval(init->hi_expr, env, &hi, &ignored) || hi - lo < 1 || hi - lo > UINT32_MAX)
            return false;
        *r = (exp_recipe){.make = EXP_WHOLE, .a = (double)lo, .b = (double)(hi - lo)};
        break;
    default:
        return false;
    }
    /* As floats the products of `a + b * u` are exact, whether or not they are contracted. */
    if (r->make == EXP_UNIFORM || r->make == EXP_BELL)
        r->a = (double)(float)r->a, r->b = (double)(float)r->b;
    return true;
}

static double make_element(const exp_recipe *r, int tensor, int64_t k)
{
    const uint64_t z = exp_random((uint64_t)tensor, (uint64_t)k);
    const uint64_t four = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    switch (r->make) {
    case EXP_BELL:
        return r->a + r->b * ((double)four * 0x1p-16 - 2);
    case EXP_WHOLE:
        return r->a + (double)((z >> 32) * (uint64_t)r->b >> 32);
    case EXP_FLAG:
        return (double)(z >> 40) * 0x1p-24 < r->a;
    default:
        return r->a + r->b * ((double)(z >> 40) * 0x1p-24);
    }
}

/* Replaces what the spec's own generator made, where there is a recipe. */
static void make_inputs(exp_job *j, exp_case *c, ref_tensor *input)
{
    const spec *s = j->in->spec;
    for (int i = 0; i < exp_given_count(j); i++) {
        exp_recipe *r = &c->recipe[i];
        if (choose_recipe(&s->tensor[i], &c->env, r))
            for (int64_t k = 0; k < input[i].shape.count; k++)
                input[i].v[k] = ws_dtype_round(s->tensor[i].dtype, make_element(r, i, k));
    }
}

/* What the header's few lines cannot make exactly goes in as it is: a value that saturates. */
static bool describe_inputs(exp_job *j, exp_case *c)
{
    size_t as_they_are = 0;
    for (int i = 0; i < exp_given_count(j); i++) {
        exp_recipe *r = &c->recipe[i];
        r->bytes = c->c.in[i];
        r->n_bytes = c->c.in_bytes[i];
        r->count = c->c.bound->shape[i].count;
        r->hash = 0xcbf29ce484222325u;
        for (size_t k = 0; k < r->n_bytes; k++)
            r->hash = (r->hash ^ r->bytes[k]) * 0x100000001b3u;
        as_they_are += r->make == EXP_BYTES ? r->n_bytes : 0;
    }
    return as_they_are <= MAX_BYTES_AS_THEY_ARE;
}

/* ---- expected outputs ---- */

/* ambiguous[i]: another index would be right, too. */
static void find_ambiguous(const vfy_case *c, int o, int axis, bool *ambiguous)
{
    const ref_tensor *want = &c->want[o];
    const int64_t n = want->shape.count, extent = c->of[o].shape.dim[axis];
    double *value = ws_calloc((size_t)n + 1, sizeof *value);
    bool *wrong = ws_calloc((size_t)n + 1, sizeof *wrong);
    for (int64_t a = 0; a < extent; a++) {
        for (int64_t i = 0; i < n; i++)
            value[i] = (double)a;
        for (int64_t i = 0; i < n; i++)
            wrong[i] = false;
        vfy_compare_marks(c, o, value, wrong);
        for (int64_t i = 0; i < n; i++)
            ambiguous[i] |= !wrong[i] && want->v[i] != (double)a;
    }
    free(value);
    free(wrong);
}

static void take_samples(exp_job *j, const vfy_case *c, int o, exp_expected *out)
{
    const ref_tensor *want = &c->want[o];
    const int64_t n = want->shape.count, m = n < MAX_SAMPLES ? n : MAX_SAMPLES;
    int axis = 0;
    const bool is_index = ref_output_compare(c->bound->graph, o, &axis) == REF_COMPARE_INDEX;
    bool *skip = ws_calloc((size_t)n + 1, sizeof *skip);
    if (is_index && c->of[o].shape.dim[axis] > MAX_INDEX_EXTENT)
        memset(skip, 1, (size_t)n);
    else if (is_index)
        find_ambiguous(c, o, axis, skip);
    *out = (exp_expected){
        .sample = WS_ARENA_NEW(&j->arena, exp_sample, m + 1), .count = n, .finite = true};
    for (int64_t i = 0; i < n; i++)
        out->finite &= isfinite(want->v[i]) && isfinite(vfy_tolerance(c, o, i));
    for (int64_t k = 0; k < m; k++) {
        /* One in each of m equal parts. */
        const int64_t first = k * n / m, end = (k + 1) * n / m;
        const int64_t i =
            first + (int64_t)(exp_random(1000, (uint64_t)k) % (uint64_t)(end - first));
        const double tolerance = is_index ? 0 : vfy_tolerance(c, o, i);
        if (!skip[i] && isfinite(want->v[i]) && isfinite(tolerance))
            out->sample[out->n++] = (exp_sample){i, want->v[i], tolerance};
    }
    free(skip);
}

/* ---- one case ---- */

static ws_status try_option(exp_job *j, const option *o, exp_case *c, bool *good, ws_err *err)
{
    const int n = exp_given_count(j);
    ref_bound *b;
    ref_tensor *input = WS_ARENA_NEW(&j->arena, ref_tensor, n + 1);
    *good = false;
    c->check = o->check;
    c->env = spec_env(j->in->spec, o->check);
    c->recipe = WS_ARENA_NEW(&j->arena, exp_recipe, n + 1);
    if (ref_bind(j->graph, &c->env, &j->arena, &b, err) ||
        vfy_case_inputs(b, VFY_INPUTS_RANDOM, 1, input, err))
        return err->status;
    make_inputs(j, c, input);
    ws_status st = vfy_case_of(&c->c, j->graph, o->check, "self-test", 0, input, err);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&input[i]);
    if (st)
        return st;
    c->open = true;
    *good = !c->c.meaningless && describe_inputs(j, c);
    if (!*good) {
        exp_case_release(c);
        return WS_OK;
    }
    c->output = WS_ARENA_NEW(&j->arena, exp_expected, j->graph->n_outputs);
    int samples = 0;
    for (int i = 0; i < j->graph->n_outputs; i++) {
        take_samples(j, &c->c, i, &c->output[i]);
        samples += c->output[i].n;
    }
    if (!(*good = samples > 0))
        exp_case_release(c);
    return WS_OK;
}

ws_status exp_case_make(exp_job *j, exp_case *out, ws_err *err)
{
    option *list = WS_ARENA_NEW(&j->arena, option, j->in->spec->n_checks + 1);
    const int n = list_options(j, list);
    bool good = false;
    *out =
        (exp_case){.missing = n ? "at no check shape does the reference say what a small test needs"
                                : "no check shape that the plan takes is small enough"};
    for (int i = 0; i < n && !good; i++)
        if (try_option(j, &list[i], out, &good, err))
            return ws_wrap(err, "the self-test");
    if (!good)
        return WS_OK;
    out->missing = NULL;
    return exp_add_variant(j, &out->env, &out->variant, err); /* it is there: a check shape */
}

void exp_case_release(exp_case *c)
{
    if (c->open)
        vfy_case_release(&c->c);
    c->open = false;
}
