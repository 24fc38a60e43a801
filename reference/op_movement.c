/* Ops that move elements: permutation, reshaping, broadcasting, slices, padding, triangles,
 * concatenation, gathering; and tensors made from nothing (full, iota).
 *
 * Most are one copy: element (c0, c1, ...) of the result is the operand's element at first + c *
 * step along each axis, or a fill where that lies outside. */
#include "reference/ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- shapes ---- */

static const ws_expr *number(ref_infer *f, int64_t v)
{
    return ws_expr_const(&f->graph->arena, v);
}

static const ws_expr *binary(ref_infer *f, ws_expr_op op, const ws_expr *l, const ws_expr *r)
{
    return ws_expr_binary(&f->graph->arena, op, l, r);
}

static const ws_expr *product(ref_infer *f, const ws_expr *const *dim, int from, int to)
{
    const ws_expr *e = number(f, 1);
    for (int d = from; d < to; d++)
        e = binary(f, WS_X_MUL, e, dim[d]);
    return e;
}

static bool is_minus_one(const ws_expr *e)
{
    int64_t v = 0;
    return ws_expr_is_const(e, &v) && v == -1;
}

static void keep_shape(ref_infer *f)
{
    ref_same_shape(f->out, f->in[0]);
    f->out->dtype = f->in[0]->dtype;
}

static ws_status infer_keep(ref_infer *f)
{
    keep_shape(f);
    return WS_OK;
}

/* One extent may be -1: what the others leave. */
static ws_status infer_reshape(ref_infer *f)
{
    const ref_value *x = f->in[0];
    const ws_expr *rest = number(f, 1), *all = product(f, x->dim, 0, x->rank);
    int open = -1;
    f->out->dtype = x->dtype;
    f->out->rank = f->at->n_shape;
    for (int d = 0; d < f->at->n_shape; d++) {
        f->out->dim[d] = f->at->shape[d];
        if (!is_minus_one(f->at->shape[d]))
            rest = binary(f, WS_X_MUL, rest, f->at->shape[d]);
        else if (open >= 0)
            return ref_infer_fail(f, "more than one extent is -1");
        else
            open = d;
    }
    if (open >= 0) {
        ref_need_that(f, binary(f, WS_X_GT, rest, number(f, 0)), "the given extents are not zero");
        f->out->dim[open] = binary(f, WS_X_DIV, all, rest);
        rest = binary(f, WS_X_MUL, rest, f->out->dim[open]);
    }
    ref_need_equal(f, all, rest, "both shapes have as many elements");
    return WS_OK;
}

static ws_status infer_flatten(ref_infer *f)
{
    const ref_value *x = f->in[0];
    int first = f->at->first_dim, last = f->at->last_dim;
    if (last < first)
        return ref_infer_fail(f, "end_dim %d is before start_dim %d", last, first);
    f->out->dtype = x->dtype;
    for (int d = 0; d < first; d++)
        f->out->dim[f->out->rank++] = x->dim[d];
    f->out->dim[f->out->rank++] = product(f, x->dim, first, x->rank ? last + 1 : 0);
    for (int d = last + 1; d < x->rank; d++)
        f->out->dim[f->out->rank++] = x->dim[d];
    return WS_OK;
}

static ws_status infer_permute(ref_infer *f)
{
    const ref_value *x = f->in[0];
    if (f->at->n_dims != x->rank)
        return ref_infer_fail(f, "dims has %d axes; the operand has %d", f->at->n_dims, x->rank);
    f->out->dtype = x->dtype;
    f->out->rank = x->rank;
    for (int d = 0; d < x->rank; d++)
        f->out->dim[d] = x->dim[f->at->dims[d]];
    return WS_OK;
}

/* Swaps two axes: dims becomes the whole permutation. */
static ws_status infer_transpose(ref_infer *f)
{
    ref_attrs *at = f->at;
    if (at->n_dims != 2)
        return ref_infer_fail(f, "dims names the two axes to swap");
    int a = at->dims[0], b = at->dims[1];
    at->n_dims = f->in[0]->rank;
    for (int d = 0; d < at->n_dims; d++)
        at->dims[d] = d == a ? b : d == b ? a : d;
    return infer_permute(f);
}

/* -1 keeps an extent. */
static ws_status infer_expand(ref_infer *f)
{
    const ref_value *x = f->in[0];
    int lead = f->at->n_shape - x->rank;
    if (lead < 0)
        return ref_infer_fail(f, "shape has %d extents for an operand of rank %d", f->at->n_shape,
                              x->rank);
    f->out->dtype = x->dtype;
    f->out->rank = f->at->n_shape;
    for (int d = 0; d < f->at->n_shape; d++) {
        const ws_expr *to = f->at->shape[d], *from = d < lead ? number(f, 1) : x->dim[d - lead];
        if (is_minus_one(to) && d < lead)
            return ref_infer_fail(f, "a new axis needs an extent");
        f->out->dim[d] = is_minus_one(to) ? from : to;
        if (!ws_expr_same(from, f->out->dim[d]))
            ref_need_that(f,
                          binary(f, WS_X_OR, binary(f, WS_X_EQ, from, number(f, 1)),
                                 binary(f, WS_X_EQ, from, to)),
                          "an expanded axis has extent 1");
    }
    return WS_OK;
}

/* A bound of a slice as an element from 0 to n: negative ones count from the end, as in NumPy. */
static const ws_expr *clamp_bound(ref_infer *f, const ws_expr *e, const ws_expr *n)
{
    const ws_expr *zero = number(f, 0);
    const ws_expr *from_end = binary(f, WS_X_MAX, binary(f, WS_X_ADD, n, e), zero);
    int64_t v = 0;
    if (ws_expr_is_const(e, &v))
        return v < 0 ? from_end : v == 0 ? zero : binary(f, WS_X_MIN, e, n);
    return ws_expr_select(&f->graph->arena, binary(f, WS_X_LT, e, zero), from_end,
                          binary(f, WS_X_MIN, e, n));
}

static ws_status infer_slice(ref_infer *f)
{
    ref_attrs *at = f->at;
    keep_shape(f);
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "a slice needs an axis");
    if (at->step < 1)
        return ref_infer_fail(f, "step is %" PRId64 "; expected 1 or more", at->step);
    const ws_expr *n = f->in[0]->dim[at->dim];
    at->start = at->start ? clamp_bound(f, at->start, n) : number(f, 0);
    at->stop = at->stop ? clamp_bound(f, at->stop, n) : n;
    const ws_expr *length =
        binary(f, WS_X_MAX, binary(f, WS_X_SUB, at->stop, at->start), number(f, 0));
    f->out->dim[at->dim] = binary(f, WS_X_CEIL_DIV, length, number(f, at->step));
    return WS_OK;
}

/* Padding by elements of the operand, which must be there: all but one of them when the edge is not
 * repeated, one when only the edge is. */
static void need_repeated(ref_infer *f, int d)
{
    const ws_expr *none = number(f, 0);
    const ws_expr *most = binary(f, WS_X_MAX, f->at->pad_before[d], f->at->pad_after[d]);
    const ws_expr *least = f->at->mode == REF_REFLECT ? binary(f, WS_X_ADD, most, number(f, 1))
                           : f->at->mode == REF_CIRCULAR ? most
                                                         : number(f, 1);
    const ws_expr *enough = binary(f, WS_X_GE, f->out->dim[d], least);
    ref_need_that(f, binary(f, WS_X_OR, binary(f, WS_X_LE, most, none), enough),
                  "the operand has the elements that the padding repeats");
}

static ws_status infer_pad(ref_infer *f)
{
    const ref_attrs *at = f->at;
    keep_shape(f);
    f->at->value = ws_dtype_round(f->in[0]->dtype, at->value);
    if (ref_check_mode(f, REF_CONSTANT, REF_CIRCULAR, "constant, reflect, replicate or circular"))
        return f->err->status;
    for (int d = 0; d < f->out->rank; d++) {
        f->at->pad_before[d] = at->pad_before[d] ? at->pad_before[d] : number(f, 0);
        f->at->pad_after[d] = at->pad_after[d] ? at->pad_after[d] : number(f, 0);
        if (at->mode != REF_CONSTANT)
            need_repeated(f, d);
    }
    for (int d = 0; d < f->out->rank; d++)
        f->out->dim[d] = binary(f, WS_X_ADD, f->out->dim[d],
                                binary(f, WS_X_ADD, at->pad_before[d], at->pad_after[d]));
    return WS_OK;
}

static ws_status infer_roll(ref_infer *f)
{
    keep_shape(f);
    if (f->at->n_shifts != f->at->n_dims || !f->at->n_dims)
        return ref_infer_fail(f, "shifts and dims name one axis each");
    return WS_OK;
}

static ws_status infer_triangle(ref_infer *f)
{
    keep_shape(f);
    if (f->in[0]->rank < 2)
        return ref_infer_fail(f, "the operand has rank %d; a triangle needs 2 axes",
                              f->in[0]->rank);
    return WS_OK;
}

static ws_status infer_concat(ref_infer *f)
{
    int dim = f->at->dim;
    keep_shape(f);
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "concatenation needs an axis");
    for (int i = 1; i < f->n_in; i++) {
        const ref_value *x = f->in[i];
        if (x->rank != f->out->rank || x->dtype != f->out->dtype)
            return ref_infer_fail(f, "operand %d has another rank or dtype than operand 0", i);
        for (int d = 0; d < x->rank; d++)
            if (d != dim)
                ref_need_equal(f, x->dim[d], f->in[0]->dim[d], "the other extents agree");
        f->out->dim[dim] = binary(f, WS_X_ADD, f->out->dim[dim], x->dim[dim]);
    }
    return WS_OK;
}

/* along: x[A..., n, B...], index[A..., m, B...] -> the index's shape, as numpy.take_along_axis. */
static ws_status infer_gather_along(ref_infer *f)
{
    const ref_value *x = f->in[0], *index = f->in[1];
    if (index->rank != x->rank)
        return ref_infer_fail(f, "the index has rank %d, the operand %d", index->rank, x->rank);
    for (int d = 0; d < x->rank; d++)
        if (d != f->at->dim)
            ref_need_equal(f, index->dim[d], x->dim[d], "the other extents agree");
    ref_same_shape(f->out, index);
    return WS_OK;
}

/* select: x[A..., n, B...], index[I...] -> [A..., I..., B...], as numpy.take.
 * one_per_row: x[A..., n, B...], index[A..., B...] -> [A..., B...]. */
static ws_status infer_gather(ref_infer *f)
{
    const ref_value *x = f->in[0], *index = f->in[1];
    int dim = f->at->dim;
    if (!x->rank)
        return ref_infer_fail(f, "gathering needs an axis");
    if (ref_check_mode(f, REF_SELECT, REF_ALONG, "select, one_per_row or along"))
        return f->err->status;
    f->out->dtype = x->dtype;
    if (f->at->mode == REF_ALONG)
        return infer_gather_along(f);
    bool per_row = f->at->mode == REF_ONE_PER_ROW;
    if (x->rank - 1 + index->rank > SPEC_MAX_RANK)
        return ref_infer_fail(f, "the result has more than %d axes", SPEC_MAX_RANK);
    for (int d = 0; d < dim; d++)
        f->out->dim[f->out->rank++] = x->dim[d];
    for (int d = 0; d < index->rank && !per_row; d++)
        f->out->dim[f->out->rank++] = index->dim[d];
    for (int d = dim + 1; d < x->rank; d++)
        f->out->dim[f->out->rank++] = x->dim[d];
    if (per_row && index->rank != f->out->rank)
        return ref_infer_fail(f, "one index a row: expected rank %d, got %d", f->out->rank,
                              index->rank);
    for (int d = 0; d < index->rank && per_row; d++)
        ref_need_equal(f, index->dim[d], f->out->dim[d], "one index a row");
    return WS_OK;
}

static ws_status infer_full(ref_infer *f)
{
    f->out->rank = f->at->n_shape;
    memcpy(f->out->dim, f->at->shape, sizeof f->out->dim);
    return WS_OK;
}

static ws_status infer_iota(ref_infer *f)
{
    if (f->at->n_shape != 1)
        return ref_infer_fail(f, "missing 'length'");
    return infer_full(f);
}

/* ---- copies ---- */

/* Coordinate c of the result reads first + c * step of the operand's axis: `n` elements, `stride`
 * apart. */
typedef struct axis_map {
    int64_t n, stride, first, step;
    ref_mode mode; /* what lies outside: 0, or as in pad */
} axis_map;

/* The element that coordinate `at` stands for when it is outside of an axis of n; outside still: the
 * fill. */
static int64_t fold(ref_mode mode, int64_t at, int64_t n)
{
    switch (mode) {
    case REF_CIRCULAR: return (at % n + n) % n;
    case REF_REPLICATE: return at < 0 ? 0 : at >= n ? n - 1 : at;
    case REF_REFLECT: return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
    default: return at;
    }
}

typedef struct copy_job {
    const ref_call *c;
    axis_map axis[SPEC_MAX_RANK]; /* per axis of the result */
    int triangle;                 /* 1: tril, -1: triu */
} copy_job;

static void copy_one(void *ud, int64_t i)
{
    const copy_job *j = ud;
    const ref_tensor *x = j->c->in[0];
    ref_tensor *out = j->c->out;
    int64_t rest = i, from = 0, below = 0; /* below: column - row */
    bool inside = true;
    for (int d = out->shape.rank - 1; d >= 0; d--) {
        const axis_map *m = &j->axis[d];
        int64_t c = rest % out->shape.dim[d], at = m->first + c * m->step;
        rest /= out->shape.dim[d];
        at = fold(m->mode, at, m->n);
        inside &= at >= 0 && at < m->n;
        from += at * m->stride;
        below += d == out->shape.rank - 1 ? c : d == out->shape.rank - 2 ? -c : 0;
    }
    inside &= !j->triangle || j->triangle * (below - j->c->at->diagonal) <= 0;
    out->v[i] = inside ? x->v[from] : j->c->at->value;
    if (out->e)
        out->e[i] = inside ? ref_err(x, from) : 0;
}

static ws_status run_copy(copy_job *j)
{
    ref_for(j->c->out->shape.count, 20, copy_one, j);
    return WS_OK;
}

/* Axis d of the result reads axis d of the operand, element by element. */
static copy_job identity_map(const ref_call *c)
{
    const ref_shape *x = &c->in[0]->shape;
    copy_job j = {.c = c};
    int64_t stride = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        j.axis[d] = (axis_map){.n = x->dim[d], .stride = stride, .step = 1};
        stride *= x->dim[d];
    }
    return j;
}

/* Elements in the same order: reshape, flatten. */
static ws_status eval_same_order(const ref_call *c)
{
    size_t bytes = (size_t)c->out->shape.count * sizeof(double);
    memcpy(c->out->v, c->in[0]->v, bytes);
    if (c->out->e && c->in[0]->e)
        memcpy(c->out->e, c->in[0]->e, bytes);
    return WS_OK;
}

static ws_status eval_permute(const ref_call *c)
{
    copy_job from = identity_map(c), j = from;
    for (int d = 0; d < c->out->shape.rank; d++)
        j.axis[d] = from.axis[c->at->dims[d]];
    return run_copy(&j);
}

static ws_status eval_expand(const ref_call *c)
{
    copy_job from = identity_map(c), j = {.c = c};
    int lead = c->out->shape.rank - c->in[0]->shape.rank;
    for (int d = 0; d < c->out->shape.rank; d++) {
        bool repeats = d < lead || c->in[0]->shape.dim[d - lead] == 1;
        j.axis[d] = repeats ? (axis_map){.n = 1} : from.axis[d - lead];
    }
    return run_copy(&j);
}

static ws_status eval_slice(const ref_call *c)
{
    copy_job j = identity_map(c);
    axis_map *m = &j.axis[c->at->dim];
    if (ws_expr_eval(c->at->start, c->env, &m->first, c->err))
        return c->err->status;
    m->step = c->at->step;
    return run_copy(&j);
}

static ws_status eval_pad(const ref_call *c)
{
    copy_job j = identity_map(c);
    for (int d = 0; d < c->out->shape.rank; d++) {
        int64_t before = 0;
        if (ws_expr_eval(c->at->pad_before[d], c->env, &before, c->err))
            return c->err->status;
        j.axis[d].first = -before;
        j.axis[d].mode = c->at->mode;
    }
    return run_copy(&j);
}

static ws_status eval_flip(const ref_call *c)
{
    copy_job j = identity_map(c);
    for (int i = 0; i < c->at->n_dims; i++) {
        axis_map *m = &j.axis[c->at->dims[i]];
        m->first = m->n - 1;
        m->step = -1;
    }
    return run_copy(&j);
}

static ws_status eval_roll(const ref_call *c)
{
    copy_job j = identity_map(c);
    for (int i = 0; i < c->at->n_dims; i++) {
        axis_map *m = &j.axis[c->at->dims[i]];
        int64_t shift = 0;
        if (ws_expr_eval(c->at->shift[i], c->env, &shift, c->err))
            return c->err->status;
        m->first = -(shift % (m->n ? m->n : 1));
        m->mode = REF_CIRCULAR;
    }
    return run_copy(&j);
}

static ws_status eval_tril(const ref_call *c)
{
    copy_job j = identity_map(c);
    j.triangle = 1;
    return run_copy(&j);
}

static ws_status eval_triu(const ref_call *c)
{
    copy_job j = identity_map(c);
    j.triangle = -1;
    return run_copy(&j);
}

/* ---- concatenation, gathering ---- */

static ws_status eval_concat(const ref_call *c)
{
    ref_tensor *out = c->out;
    int64_t outer, all, inner, at = 0;
    ref_split(&out->shape, c->at->dim, &outer, &all, &inner);
    for (int i = 0; i < c->n_in; i++) {
        const ref_tensor *x = c->in[i];
        int64_t run = x->shape.dim[c->at->dim] * inner;
        size_t bytes = (size_t)run * sizeof(double);
        for (int64_t o = 0; o < outer; o++) {
            memcpy(out->v + o * all * inner + at, x->v + o * run, bytes);
            if (out->e && x->e)
                memcpy(out->e + o * all * inner + at, x->e + o * run, bytes);
        }
        at += run;
    }
    return WS_OK;
}

typedef struct gather_job {
    const ref_call *c;
    int64_t n, inner, per_outer; /* per_outer: indices used for one outer position */
} gather_job;

static void gather_one(void *ud, int64_t i)
{
    const gather_job *j = ud;
    const ref_tensor *x = j->c->in[0], *index = j->c->in[1];
    ref_tensor *out = j->c->out;
    int64_t outer = i / (j->per_outer * j->inner), in = i % j->inner;
    bool own = j->c->at->mode != REF_SELECT; /* the index has the result's coordinates */
    int64_t k = (int64_t)index->v[own ? i : i / j->inner % j->per_outer];
    int64_t from = (outer * j->n + k) * j->inner + in;
    out->v[i] = x->v[from];
    if (out->e)
        out->e[i] = ref_err(x, from);
}

static ws_status eval_gather(const ref_call *c)
{
    gather_job j = {.c = c};
    const ref_tensor *index = c->in[1];
    int64_t outer;
    ref_split(&c->in[0]->shape, c->at->dim, &outer, &j.n, &j.inner);
    j.per_outer = c->at->mode == REF_ONE_PER_ROW ? 1
                  : c->at->mode == REF_ALONG     ? index->shape.dim[c->at->dim]
                                                 : index->shape.count;
    for (int64_t i = 0; i < index->shape.count; i++)
        if (!(index->v[i] >= 0 && index->v[i] < (double)j.n))
            return ws_fail(c->err, WS_EINPUT, "index %" PRId64 " is %g, not in [0, %" PRId64 ")", i,
                           index->v[i], j.n);
    ref_for(c->out->shape.count, 20, gather_one, &j);
    return WS_OK;
}

/* ---- from nothing ---- */

static ws_status eval_full(const ref_call *c)
{
    double v = c->at->value;
    int64_t whole = 0;
    if (c->at->value_expr) {
        if (ws_expr_eval(c->at->value_expr, c->env, &whole, c->err))
            return c->err->status;
        v = (double)whole;
    }
    for (int64_t i = 0; i < c->out->shape.count; i++)
        c->out->v[i] = v;
    return WS_OK;
}

static ws_status eval_iota(const ref_call *c)
{
    for (int64_t i = 0; i < c->out->shape.count; i++)
        c->out->v[i] = (double)i;
    return WS_OK;
}

#define MOVE(op, attributes, shape, value)                                                         \
    {.name = op, .min_in = 1, .max_in = 1, .attrs = attributes, .infer = shape, .eval = value,     \
     .moves = true}
const ref_op ref_ops_movement[] = {
    MOVE("reshape", "shape", infer_reshape, eval_same_order),
    MOVE("flatten", "start_dim end_dim", infer_flatten, eval_same_order),
    MOVE("permute", "dims", infer_permute, eval_permute),
    MOVE("transpose", "dims", infer_transpose, eval_permute),
    MOVE("expand", "shape", infer_expand, eval_expand),
    MOVE("slice", "dim start stop step", infer_slice, eval_slice),
    MOVE("pad", "pad value mode", infer_pad, eval_pad),
    MOVE("flip", "dims", infer_keep, eval_flip),
    MOVE("roll", "shifts dims", infer_roll, eval_roll),
    MOVE("tril", "diagonal", infer_triangle, eval_tril),
    MOVE("triu", "diagonal", infer_triangle, eval_triu),
    {.name = "concat", .min_in = 1, .max_in = SPEC_MAX_OPERANDS, .attrs = "dim",
     .infer = infer_concat, .eval = eval_concat, .moves = true},
    {.name = "gather", .min_in = 2, .max_in = 2, .attrs = "dim mode", .infer = infer_gather,
     .eval = eval_gather, .moves = true},
    {.name = "full", .attrs = "shape value", .infer = infer_full, .eval = eval_full},
    {.name = "iota", .attrs = "length", .infer = infer_iota, .eval = eval_iota},
    {0}};
