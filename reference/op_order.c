/* Order: sort, argsort, topk, top_p. Lines run along one axis; equal elements keep their order (the
 * lower index first), NaN counts as the largest.
 *
 *     sort     the k-th element of a sorted line is off by no more than the largest error of the
 * line topk     the first k of sort or of argsort: output "values" or "indices" argsort  indices,
 * compared by the values that they point at top_p    x where the sum of the elements in front of
 * it, largest first, is below p; else 0. Where that sum may lie on either side of p, both results
 * are within the bound. */
#include "reference/ops.h"
#include "reference/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ws_status infer_sort(ref_infer *f)
{
    if (!f->in[0]->rank)
        return ref_infer_fail(f, "an order needs an axis");
    ref_same_shape(f->out, f->in[0]);
    f->out->dtype = f->in[0]->dtype;
    return WS_OK;
}

static ws_status infer_argsort(ref_infer *f)
{
    if (infer_sort(f))
        return f->err->status;
    f->out->dtype = WS_I64;
    return WS_OK;
}

static ws_status infer_topk(ref_infer *f)
{
    ws_arena *a = &f->graph->arena;
    const ref_attrs *at = f->at;
    if (infer_sort(f))
        return f->err->status;
    if (!at->k)
        return ref_infer_fail(f, "missing 'k'");
    if (at->output != REF_VALUES && at->output != REF_INDICES && at->output != REF_OUTPUT_NONE)
        return ref_infer_fail(f, "attribute 'output': expected values or indices");
    ref_need_that(f, ws_expr_binary(a, WS_X_LE, at->k, f->in[0]->dim[at->dim]),
                  "k is at most the extent");
    ref_need_that(f, ws_expr_binary(a, WS_X_GE, at->k, ws_expr_const(a, 0)), "k is not negative");
    f->out->dim[at->dim] = at->k;
    if (at->output == REF_INDICES)
        f->out->dtype = WS_I64;
    return WS_OK;
}

static ws_status infer_top_p(ref_infer *f)
{
    bool given = false;
    for (int i = 0; i < f->spec->n_attrs; i++)
        given |= strcmp(f->spec->attr[i].name, "p") == 0;
    if (!given || !(f->at->p > 0))
        return ref_infer_fail(f, "missing 'p', a number above 0");
    return infer_sort(f);
}

/* ---- sorting a line ---- */

typedef struct item {
    double v, e;
    int64_t index;
} item;

/* -1: a belongs in front of b, largest first. */
static int in_front(const item *a, const item *b)
{
    bool equal = a->v == b->v || (isnan(a->v) && isnan(b->v));
    if (equal)
        return a->index < b->index ? -1 : 1;
    return a->v > b->v || isnan(a->v) ? -1 : 1;
}

static int descending(const void *a, const void *b)
{
    return in_front(a, b);
}

/* Smallest first, but equal elements still in their order. */
static int ascending(const void *a, const void *b)
{
    const item *x = a, *y = b;
    bool equal = x->v == y->v || (isnan(x->v) && isnan(y->v));
    return equal ? in_front(x, y) : -in_front(x, y);
}

typedef struct order_job {
    const ref_call *c;
    int64_t n, inner, kept; /* of the operand's axis; elements kept of it */
    bool index, falls;      /* falls: largest first */
} order_job;

/* The line's elements in order; the caller frees. *most: the largest error. */
static item *sorted_line(const order_job *j, int64_t line, double *most)
{
    const ref_tensor *x = j->c->in[0];
    int64_t first = line / j->inner * j->n * j->inner + line % j->inner;
    item *items = ws_malloc((size_t)j->n * sizeof *items + 1);
    *most = 0;
    for (int64_t k = 0; k < j->n; k++) {
        items[k] = (item){x->v[first + k * j->inner], ref_err(x, first + k * j->inner), k};
        *most = fmax(*most, items[k].e);
    }
    qsort(items, (size_t)j->n, sizeof *items, j->falls ? descending : ascending);
    return items;
}

static void sort_line(void *ud, int64_t line)
{
    const order_job *j = ud;
    ref_tensor *out = j->c->out;
    double most;
    item *items = sorted_line(j, line, &most);
    int64_t first = line / j->inner * j->kept * j->inner + line % j->inner;
    for (int64_t k = 0; k < j->kept; k++) {
        out->v[first + k * j->inner] = j->index ? (double)items[k].index : items[k].v;
        if (out->e)
            out->e[first + k * j->inner] = j->index ? 0 : most;
    }
    free(items);
}

static ws_status run_lines(const ref_call *c, bool index, bool falls,
                           void (*line)(void *ud, int64_t i))
{
    order_job j = {.c = c, .index = index, .falls = falls, .kept = c->out->shape.dim[c->at->dim]};
    int64_t outer;
    ref_split(&c->in[0]->shape, c->at->dim, &outer, &j.n, &j.inner);
    ref_for(outer * j.inner, (double)j.n * 200, line, &j);
    return WS_OK;
}

static ws_status eval_sort(const ref_call *c)
{
    return run_lines(c, false, c->at->descending, sort_line);
}

static ws_status eval_argsort(const ref_call *c)
{
    return run_lines(c, true, c->at->descending, sort_line);
}

static ws_status eval_topk(const ref_call *c)
{
    return run_lines(c, c->at->output == REF_INDICES, c->at->largest, sort_line);
}

/* ---- top_p ---- */

/* What may stand in front of element k or not: the elements that its error cannot tell from it. */
static double unordered(const item *items, int64_t n, int64_t k)
{
    double sum = 0;
    for (int64_t i = k - 1; i >= 0 && items[i].v - items[k].v <= items[i].e + items[k].e; i--)
        sum += items[i].e + items[k].e > 0 ? fabs(items[i].v) : 0;
    for (int64_t i = k + 1; i < n && items[k].v - items[i].v <= items[i].e + items[k].e; i++)
        sum += items[i].e + items[k].e > 0 ? fabs(items[i].v) : 0;
    return sum;
}

static void top_p_line(void *ud, int64_t line)
{
    const order_job *j = ud;
    ref_tensor *out = j->c->out;
    double most, before = 0, size = 0, e = 0, p = j->c->at->p;
    item *items = sorted_line(j, line, &most);
    double *sums = ref_order_now ? ws_malloc((size_t)j->n * sizeof *sums + 1) : NULL;
    int64_t first = line / j->inner * j->n * j->inner + line % j->inner;
    for (int64_t k = 0; k < j->n && sums; k++)
        sums[k] = items[k].v;
    if (sums)
        ref_ordered_scan(sums, j->n, false, sums);
    for (int64_t k = 0; k < j->n; k++) {
        int64_t at = first + items[k].index * j->inner;
        double slack = e + REF_SUM * sqrt((double)k) * j->c->ua * size + j->c->u * p +
                       unordered(items, j->n, k);
        bool kept = before<p, certain = fabs(before - p)> REF_SAFETY * slack || k == 0;
        out->v[at] = kept ? items[k].v : 0;
        if (out->e)
            out->e[at] = !certain ? fabs(items[k].v) + items[k].e : kept ? items[k].e : 0;
        before = sums ? sums[k] : before + items[k].v;
        size += fabs(items[k].v);
        e += items[k].e;
    }
    free(sums);
    free(items);
}

static ws_status eval_top_p(const ref_call *c)
{
    return run_lines(c, false, true, top_p_line);
}

/* Comparisons of a sort by merging. */
static double flops_order(const ref_attrs *at, const ref_shape *const *in, int n_in,
                          const ref_shape *out)
{
    (void)n_in, (void)out;
    return (double)in[0]->count * ceil(log2(fmax(2, (double)in[0]->dim[at->dim])));
}

#define ORDER(op, attributes, copies)                                                              \
    {                                                                                              \
        .name = #op, .min_in = 1, .max_in = 1, .attrs = attributes, .infer = infer_##op,           \
        .eval = eval_##op, .flops = flops_order, .moves = copies                                   \
    }
const ref_op ref_ops_order[] = {ORDER(sort, "dim descending", true),
                                ORDER(argsort, "dim descending", true),
                                ORDER(topk, "dim k largest output", true),
                                ORDER(top_p, "dim p", false),
                                {0}};
