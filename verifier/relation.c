/* Metamorphic relations. Which of them an operation keeps is read off the graph itself: the fp64
 * reference is evaluated on the changed inputs, and where it keeps a relation to RESIDUE on random
 * numbers, the graph has it. Then the candidate must keep it: each changed input is judged against
 * its own reference, and the results against each other within the sum of their tolerances. */
#include "verifier/full.h"

#include "base/philox.h"
#include "reference/ops.h"
#include "verifier/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the largest value of an output: what sums in another order may differ by. */
#define RESIDUE 1e-11

enum { MOST_RUNS = 3, MOST_TENSORS = 3, DOWN = 44 /* powers of two that a tensor is scaled by */ };

/* What is changed, and what must follow:
 *   PERMUTED  the indices along a dim, in every tensor that has it: the outputs' are, or nothing
 *             changes
 *   SPLIT     the first part along a dim alone, the rest zeros, and the rest alone: put together,
 *             all
 *   PADDED    zeros at the end of a summed dim, and the same at its beginning: no difference
 *   SCALED    a tensor times a power of two: the output times a power of it
 *   LINEAR    a tensor cut into two parts that add up to it: so do the outputs, but for f(0) */
typedef enum relation_kind { PERMUTED, SPLIT, PADDED, SCALED, LINEAR } relation_kind;

typedef struct relation {
    relation_kind kind;
    const char *dim;     /* PERMUTED, SPLIT, PADDED */
    int64_t extent, cut; /* of the dim; SPLIT, PADDED: where the second part begins */
    int64_t *from;       /* PERMUTED: index i holds what index from[i] held */
    int tensor;          /* SCALED, LINEAR */
    double factor;       /* SCALED: of the output */
    char text[160];
    vfy_case c[MOST_RUNS];
    vfy_try t[MOST_RUNS];
    int n;
} relation;

/* ---- axes ---- */

static bool is_dim(const ws_expr *e, const char *dim)
{
    ws_buf text = {0};
    ws_expr_print(e, &text);
    bool same = strcmp(ws_buf_z(&text), dim) == 0;
    ws_buf_release(&text);
    return same;
}

/* Bit a: axis a is the dim. */
static unsigned axes_of(const ws_expr *const *shape, int rank, const char *dim)
{
    unsigned axes = 0;
    for (int a = 0; a < rank; a++)
        axes |= (unsigned)is_dim(shape[a], dim) << a;
    return axes;
}

static unsigned output_axes(const vfy_full *f, int o, const char *dim)
{
    const ref_value *v = &f->s->graph->value[f->s->graph->output[o]];
    return axes_of(v->dim, v->rank, dim);
}

/* Where element i came from when the indices along the axes are exchanged. */
static int64_t element_from(const ref_shape *s, unsigned axes, const int64_t *from, int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        int64_t index = i % s->dim[d];
        at += (axes >> d & 1 ? from[index] : index) * stride;
        stride *= s->dim[d];
        i /= s->dim[d];
    }
    return at;
}

/* The least index of element i along the axes, -1: it has none of them. */
static int64_t index_along(const ref_shape *s, unsigned axes, int64_t i)
{
    int64_t least = -1;
    for (int d = s->rank - 1; d >= 0; d--) {
        int64_t index = i % s->dim[d];
        if (axes >> d & 1 && (least < 0 || index < least))
            least = index;
        i /= s->dim[d];
    }
    return least;
}

/* ---- changed inputs ---- */

/* The value of element i of tensor t in run k. */
static double changed(const vfy_full *f, const relation *r, int k, int t, unsigned axes, int64_t i)
{
    const ref_tensor *x = &f->in[t];
    int64_t shift = r->extent - r->cut, at;
    switch (r->kind) {
    case PERMUTED:
        return x->v[element_from(&x->shape, axes, r->from, i)];
    case SPLIT:
        at = index_along(&x->shape, axes, i);
        return at >= 0 && (at < r->cut) != (k == 0) ? 0 : x->v[i];
    case PADDED: /* run 1: what run 0 has at index a stands at a + shift */
        at = index_along(&x->shape, axes, i);
        if (at < 0)
            return x->v[i];
        if (k == 0)
            return at < r->cut ? x->v[i] : 0;
        return at < shift ? 0 : x->v[element_from(&x->shape, axes, r->from, i)];
    case SCALED:
        return t == r->tensor ? ldexp(x->v[i], -DOWN) : x->v[i];
    case LINEAR:
        if (t != r->tensor)
            return x->v[i];
        return k == 2 || (ws_philox_u64(f->seed, 1 << 25, (uint64_t)i) & 1) != (uint64_t)k
                   ? 0
                   : x->v[i];
    }
    return 0;
}

static ws_status make_case(vfy_full *f, relation *r, int k, ws_err *err)
{
    const spec *s = f->s->spec;
    int n = s->n_inputs + s->n_weights;
    ref_tensor *in = ws_calloc((size_t)n + 1, sizeof *in);
    ws_status st = WS_OK;
    for (int t = 0; t < n && !st; t++) {
        unsigned axes = r->dim ? axes_of(s->tensor[t].shape, s->tensor[t].rank, r->dim) : 0;
        in[t].shape = f->in[t].shape;
        if ((st = ref_tensor_alloc(&in[t], false, s->tensor[t].name, err)))
            break;
        for (int64_t i = 0; i < in[t].shape.count; i++)
            in[t].v[i] = ws_dtype_round(s->tensor[t].dtype, changed(f, r, k, t, axes, i));
    }
    if (!st)
        st = vfy_case_of(&r->c[k], f->s->graph, f->check, r->text, f->seed, in, err);
    r->n += !st;
    for (int t = 0; t < n; t++)
        ref_tensor_release(&in[t]);
    free(in);
    return st;
}

/* ---- the two sides of a relation ---- */

/* Values of output o of the base, [0], and of the runs, [1 + k]: the reference's, the candidate's
 * or tolerances. */
typedef struct side_values {
    const double *of[1 + MOST_RUNS];
    double sign; /* of what is taken away; +1: tolerances, which only add up */
} side_values;

/* left - right, or the sum of all tolerances. */
static double difference(const vfy_full *f, const relation *r, int o, const side_values *v,
                         int64_t i)
{
    const ref_shape *s = &f->base.want[o].shape;
    unsigned axes = r->dim ? output_axes(f, o, r->dim) : 0;
    switch (r->kind) {
    case PERMUTED:
        return v->of[1][i] + v->sign * v->of[0][element_from(s, axes, r->from, i)];
    case SPLIT: {
        int64_t at = index_along(s, axes, i);
        return v->of[at < r->cut ? 1 : 2][i] + v->sign * v->of[0][i];
    }
    case PADDED:
        return v->of[1][i] + v->sign * v->of[2][i];
    case SCALED:
        return v->of[1][i] + v->sign * r->factor * v->of[0][i];
    case LINEAR:
        return v->of[1][i] + v->of[2][i] + v->sign * (v->of[0][i] + v->of[3][i]);
    }
    return 0;
}

static double largest(const double *v, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    return most;
}

static bool is_compared(const vfy_full *f, int o)
{
    const ref_graph *g = f->s->graph;
    int axis;
    return ref_output_compare(g, o, &axis) == REF_COMPARE_VALUE &&
           ws_dtype_is_float(g->value[g->output[o]].dtype);
}

/* The graph keeps the relation. */
static bool graph_has(const vfy_full *f, const relation *r)
{
    bool any = false;
    for (int k = 0; k < r->n; k++)
        if (r->c[k].meaningless)
            return false;
    for (int o = 0; o < f->s->graph->n_outputs; o++) {
        int64_t n = f->base.want[o].shape.count;
        side_values v = {.of = {f->base.want[o].v}, .sign = -1};
        if (!is_compared(f, o))
            continue;
        for (int k = 0; k < r->n; k++)
            v.of[1 + k] = r->c[k].want[o].v;
        double most = largest(v.of[1], n);
        for (int k = 1; k < r->n; k++)
            most = fmax(most, largest(v.of[1 + k], n));
        for (int64_t i = 0; i < n; i++)
            if (!(fabs(difference(f, r, o, &v, i)) <= RESIDUE * most))
                return false;
        any |= most > 0;
    }
    return any;
}

/* ---- the candidate ---- */

static double *loaded(const vfy_full *f, int o, const void *out)
{
    const ref_graph *g = f->s->graph;
    size_t n = (size_t)f->base.want[o].shape.count;
    double *v = ws_malloc((n + 1) * sizeof *v);
    ws_dtype_load(g->value[g->output[o]].dtype, v, out, n);
    return v;
}

static double *tolerances(const vfy_full *f, int o, const vfy_case *c)
{
    size_t n = (size_t)f->base.want[o].shape.count;
    double *v = ws_malloc((n + 1) * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = vfy_tolerance(c, o, (int64_t)i);
    return v;
}

static void reject_broken(vfy_full *f, const relation *r, int o, int64_t i, double by,
                          double within)
{
    vfy_verdict *v = f->v;
    v->reason = HX_WRONG_RESULT;
    snprintf(v->tensor, sizeof v->tensor, "%s", f->s->spec->output[o]);
    vfy_element_name(&f->base.want[o].shape, i, v->element, sizeof v->element);
    snprintf(v->shape, sizeof v->shape, "%s", f->base.shape);
    snprintf(v->inputs, sizeof v->inputs, "%.*s", (int)sizeof v->inputs - 1, r->text);
    v->got = by;
    v->want = 0;
    v->tolerance = within;
    v->wrong = 1;
    v->checked = f->base.want[o].shape.count;
    snprintf(
        v->text, sizeof v->text,
        "the relation '%s' does not hold: %s%s is off by %.9g, and the tolerances add up to %.3g",
        r->text, v->tensor, v->element, by, within);
}

/* Compares output o; *exact: to the bit. */
static bool holds(vfy_full *f, const relation *r, int o, bool *exact)
{
    int64_t n = f->base.want[o].shape.count;
    side_values got = {.of = {loaded(f, o, f->first.out[o])}, .sign = -1};
    side_values tol = {.of = {tolerances(f, o, &f->base)}, .sign = 1};
    bool good = true;
    for (int k = 0; k < r->n; k++) {
        got.of[1 + k] = loaded(f, o, r->t[k].out[o]);
        tol.of[1 + k] = tolerances(f, o, &r->c[k]);
    }
    for (int64_t i = 0; i < n && good; i++) {
        double by = difference(f, r, o, &got, i), within = difference(f, r, o, &tol, i);
        *exact &= by == 0;
        good = isnan(within) || fabs(by) <= within;
        if (!good)
            reject_broken(f, r, o, i, by, within);
    }
    for (int k = 0; k <= r->n; k++) {
        free((void *)(uintptr_t)got.of[k]);
        free((void *)(uintptr_t)tol.of[k]);
    }
    return good;
}

static void note(vfy_full *f, const relation *r, bool exact)
{
    size_t at = strlen(f->v->relations), size = sizeof f->v->relations;
    if (at + strlen(r->text) + 16 < size)
        snprintf(f->v->relations + at, size - at, "%s%s%s", at ? "; " : "", r->text,
                 exact && r->kind == SCALED ? " (exactly)" : "");
}

/* Releases what the relation has. */
static ws_status attempt(vfy_full *f, relation *r, int runs, bool *has, ws_err *err)
{
    ws_status st = WS_OK;
    char wrong[224];
    bool exact = true, good = true;
    snprintf(wrong, sizeof wrong, "the relation is '%s'", r->text);
    for (int k = 0; k < runs && !st; k++)
        st = make_case(f, r, k, err);
    *has = !st && graph_has(f, r);
    for (int k = 0; k < r->n; k++)
        r->t[k] = (vfy_try){.c = &r->c[k], .judged = true, .relation = wrong};
    if (*has)
        st = f->run(f->ud, r->t, r->n, err);
    for (int o = 0; *has && !st && f->v->reason == HX_PASS && o < f->s->graph->n_outputs; o++)
        good = good && (!is_compared(f, o) || holds(f, r, o, &exact));
    if (*has && !st && good && f->v->reason == HX_PASS)
        note(f, r, exact);
    for (int k = 0; k < r->n; k++) {
        vfy_try_release(&r->t[k], f->s->graph->n_outputs);
        vfy_case_release(&r->c[k]);
    }
    return st;
}

/* ---- all of them ---- */

/* Some tensor has the dim as an axis. */
static bool is_axis(const vfy_full *f, const char *dim)
{
    const spec *s = f->s->spec;
    for (int t = 0; t < s->n_inputs + s->n_weights; t++)
        if (axes_of(s->tensor[t].shape, s->tensor[t].rank, dim))
            return true;
    return false;
}

static bool in_outputs(const vfy_full *f, const char *dim)
{
    for (int o = 0; o < f->s->graph->n_outputs; o++)
        if (output_axes(f, o, dim))
            return true;
    return false;
}

static void shuffle(const vfy_full *f, int d, int64_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        from[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(ws_philox_uniform(f->seed, (1 << 26) + (uint64_t)d, (uint64_t)i) *
                              (double)(i + 1));
        int64_t swap = from[i];
        from[i] = from[j];
        from[j] = swap;
    }
}

static ws_status try_dim(vfy_full *f, int d, ws_err *err)
{
    const char *dim = f->s->spec->dim[d].name;
    int64_t n = 0;
    bool has = false;
    if (!ws_env_find(&f->base.bound->env, dim, &n) || n < 2 || !is_axis(f, dim))
        return WS_OK;
    int64_t *from = ws_calloc((size_t)n + 1, sizeof *from);
    shuffle(f, d, from, n);
    relation r = {.kind = PERMUTED, .dim = dim, .extent = n, .from = from};
    snprintf(r.text, sizeof r.text, "%s permuted", dim);
    ws_status st = attempt(f, &r, 1, &has, err);
    if (!st && has && f->v->reason == HX_PASS) {
        relation half = {.kind = in_outputs(f, dim) ? SPLIT : PADDED,
                         .dim = dim,
                         .extent = n,
                         .cut = (n + 1) / 2,
                         .from = from};
        for (int64_t i = 0; i < n; i++) /* PADDED: n - cut to the right */
            from[i] = i < n - half.cut ? 0 : i - (n - half.cut);
        snprintf(half.text, sizeof half.text,
                 half.kind == SPLIT ? "%s split at %" PRId64 : "%s padded with zeros from %" PRId64,
                 dim, half.cut);
        st = attempt(f, &half, 2, &has, err);
    }
    free(from);
    return st;
}

static ws_status try_tensor(vfy_full *f, int t, ws_err *err)
{
    static const double powers[] = {1, 2, 0, -1, 0.5, -0.5};
    const char *name = f->s->spec->tensor[t].name;
    bool has = false;
    ws_status st = WS_OK;
    for (size_t k = 0; k < WS_COUNT(powers) && !st && !has && f->v->reason == HX_PASS; k++) {
        relation r = {.kind = SCALED, .tensor = t, .factor = exp2(-DOWN * powers[k])};
        snprintf(r.text, sizeof r.text, "%s times 2^-%d gives 2^%g", name, DOWN, -DOWN * powers[k]);
        st = attempt(f, &r, 1, &has, err);
    }
    if (st || f->v->reason != HX_PASS)
        return st;
    relation r = {.kind = LINEAR, .tensor = t};
    snprintf(r.text, sizeof r.text, "linear in %s", name);
    return attempt(f, &r, 3, &has, err);
}

/* Bounds by trial hold for channels whose elements are alike: not where half of a tensor is zeros.
 */
static bool by_trial(const vfy_full *f)
{
    for (int o = 0; o < f->s->graph->n_outputs; o++)
        if (f->base.want[o].by_trial)
            return true;
    return false;
}

ws_status vfy_full_relations(vfy_full *f, ws_err *err)
{
    const spec *s = f->s->spec;
    int tried = 0;
    ws_status st = WS_OK;
    if (!f->relates || !f->first.out || f->base.meaningless || by_trial(f))
        return WS_OK;
    for (int d = 0; d < s->n_dims && !st && f->v->reason == HX_PASS; d++)
        st = try_dim(f, d, err);
    for (int t = 0; t < s->n_inputs + s->n_weights && tried < MOST_TENSORS; t++) {
        ws_dtype type = s->tensor[t].dtype;
        if (st || f->v->reason != HX_PASS || (type != WS_F32 && type != WS_F64 && type != WS_BF16))
            continue;
        tried++;
        st = try_tensor(f, t, err);
    }
    return st;
}
