#include "verifier/compare.h"

#include "verifier/pattern.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void vfy_element_name(const ref_shape *s, int64_t flat, char *out, size_t size)
{
    int64_t index[SPEC_MAX_RANK];
    for (int d = s->rank - 1; d >= 0; d--) {
        index[d] = flat % s->dim[d];
        flat /= s->dim[d];
    }
    size_t n = (size_t)snprintf(out, size, "[");
    for (int d = 0; d < s->rank && n < size; d++)
        n += (size_t)snprintf(out + n, size - n, "%s%" PRId64, d ? "," : "", index[d]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

static inline double tolerance_of(const spec *s, const ref_tensor *want, int64_t i)
{
    if (s->rtol >= 0 || s->atol >= 0)
        return (s->atol > 0 ? s->atol : 0) + (s->rtol > 0 ? s->rtol : 0) * fabs(want->v[i]);
    return want->e ? VFY_SAFETY * want->e[i] : 0;
}

double vfy_tolerance(const vfy_case *c, int o, int64_t i)
{
    if (c->open && c->open[o] && c->open[o][i])
        return (double)INFINITY;
    return tolerance_of(c->bound->graph->spec, &c->want[o], i);
}

/* Distance of a value from its reference; NaN and infinities only match themselves. */
static inline double distance(double got, double want)
{
    const double d = fabs(got - want);
    if (isfinite(d)) /* as both are */
        return d;
    if (isnan(want))
        return isnan(got) ? 0 : (double)INFINITY;
    return got == want ? 0 : (double)INFINITY;
}

/* Indices that the output has for one line of what they point into: 1 for argmax. */
static int64_t per_line(const vfy_case *c, int o, int axis)
{
    const ref_shape *of = &c->of[o].shape, *want = &c->want[o].shape;
    return of->rank == want->rank ? want->dim[axis] : 1;
}

/* repeated[i]: the line's indices before i have got[i] too. NULL when a line has one index. */
static bool *find_repeats(const vfy_case *c, int o, int axis, const double *got)
{
    const ref_shape *of = &c->of[o].shape;
    int64_t extent = of->dim[axis], inner = 1, n = per_line(c, o, axis);
    if (n < 2)
        return NULL;
    for (int d = axis + 1; d < of->rank; d++)
        inner *= of->dim[d];
    bool *repeated = ws_calloc((size_t)c->want[o].shape.count + 1, sizeof *repeated);
    int64_t *line_of = ws_calloc((size_t)extent + 1, sizeof *line_of); /* last line that had it */
    for (int64_t line = 0; line < c->want[o].shape.count / n; line++)
        for (int64_t k = 0; k < n; k++) {
            int64_t i = (line / inner * n + k) * inner + line % inner;
            if (!(got[i] >= 0 && got[i] < (double)extent))
                continue;
            repeated[i] = line_of[(int64_t)got[i]] == line + 1;
            line_of[(int64_t)got[i]] = line + 1;
        }
    free(line_of);
    return repeated;
}

/* An index is right when what it points at is within tolerance of what the true index points at.
 * Returns the distance of the two values and their joint tolerance. */
static double index_distance(const vfy_case *c, int o, int axis, int64_t i, double got, double *tol)
{
    const ref_tensor *of = &c->of[o], *want = &c->want[o];
    int64_t extent = of->shape.dim[axis], inner = 1;
    if (!(got >= 0 && got < (double)extent))
        return (double)INFINITY;
    for (int d = axis + 1; d < of->shape.rank; d++)
        inner *= of->shape.dim[d];
    int64_t base = i / (per_line(c, o, axis) * inner) * extent * inner + i % inner;
    int64_t a = base + (int64_t)got * inner, b = base + (int64_t)want->v[i] * inner;
    *tol = tolerance_of(c->bound->graph->spec, of, a) + tolerance_of(c->bound->graph->spec, of, b);
    return distance(of->v[a], of->v[b]);
}

static bool varies(const double *v, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (v[i] != v[0])
            return true;
    return false;
}

double vfy_compare_element(const vfy_case *c, int o, int64_t i, double got, double *tolerance)
{
    const ref_graph *g = c->bound->graph;
    int axis = 0;
    *tolerance = vfy_tolerance(c, o, i);
    const double d = ref_output_compare(g, o, &axis) == REF_COMPARE_INDEX
                         ? index_distance(c, o, axis, i, got, tolerance)
                         : distance(got, c->want[o].v[i]);
    if (d == 0 || *tolerance == (double)INFINITY)
        return 0;
    return *tolerance > 0 ? d / *tolerance : (double)INFINITY;
}

static void note_right(vfy_comparison *out, double d, double tol)
{
    /* Divided only when it may be the largest so far: that is rare. */
    if (d > 0 && d > out->worst_ratio * tol * (1 - 4 * DBL_EPSILON) && d / tol > out->worst_ratio)
        out->worst_ratio = d / tol;
}

/* The worst of the wrong elements is told of; *worst is its ratio to the tolerance. */
static void note_wrong(vfy_comparison *out, int64_t i, double got, double want, double d,
                       double tol, double *worst)
{
    const double ratio = d == 0 ? 0 : tol > 0 ? d / tol : (double)INFINITY;
    out->wrong++;
    out->excess = fmax(out->excess, ratio * VFY_SAFETY);
    if (ratio <= *worst)
        return;
    *worst = ratio;
    out->first = i;
    out->got = got;
    out->want = want;
    out->tolerance = tol;
}

/* `marks`, unless NULL, gets a mark for each wrong element. */
static void compare(const vfy_case *c, int o, const double *v, bool *marks, vfy_comparison *out)
{
    const ref_graph *g = c->bound->graph;
    const ref_tensor *want = &c->want[o];
    const bool *open = c->open ? c->open[o] : NULL;
    const int64_t n = want->shape.count;
    int axis = 0;
    const bool is_index = ref_output_compare(g, o, &axis) == REF_COMPARE_INDEX;
    double worst = -1;
    *out = (vfy_comparison){.checked = n, .first = -1};
    bool *repeated = is_index ? find_repeats(c, o, axis, v) : NULL;
    for (int64_t i = 0; i < n; i++) {
        if (open && open[i]) {
            out->checked--;
            continue;
        }
        double tol = tolerance_of(g->spec, want, i);
        double d =
            is_index ? index_distance(c, o, axis, i, v[i], &tol) : distance(v[i], want->v[i]);
        if (repeated && repeated[i])
            d = (double)INFINITY;
        if (d <= tol) {
            note_right(out, d, tol);
            continue;
        }
        note_wrong(out, i, v[i], want->v[i], d, tol, &worst);
        if (marks)
            marks[i] = true;
    }
    out->constant = out->wrong && n > 1 && !varies(v, n) && varies(want->v, n);
    free(repeated);
}

static double *load(const vfy_case *c, int o, const void *got)
{
    const ref_graph *g = c->bound->graph;
    size_t n = (size_t)c->want[o].shape.count;
    double *v = ws_alloc_tensor_unset(n * sizeof *v);
    if (!v)
        ws_bug("out of memory comparing %zu elements", n);
    ws_dtype_load(g->value[g->output[o]].dtype, v, got, n);
    return v;
}

void vfy_compare(const vfy_case *c, int o, const void *got, vfy_comparison *out)
{
    double *v = load(c, o, got);
    compare(c, o, v, NULL, out);
    ws_free_tensor(v);
}

void vfy_compare_marks(const vfy_case *c, int o, const double *value, bool *marks)
{
    vfy_comparison cmp;
    compare(c, o, value, marks, &cmp);
}

void vfy_compare_pattern(const vfy_case *c, int o, const void *got, char *text, size_t size)
{
    double *v = load(c, o, got);
    bool *wrong = ws_calloc((size_t)c->want[o].shape.count + 1, sizeof *wrong);
    vfy_comparison cmp;
    compare(c, o, v, wrong, &cmp);
    vfy_pattern p = {.shape = &c->want[o].shape, .got = v, .want = c->want[o].v, .wrong = wrong,
                     .axis = c->bound->graph->value[c->bound->graph->output[o]].dim};
    vfy_pattern_describe(&p, text, size);
    free(wrong);
    ws_free_tensor(v);
}
