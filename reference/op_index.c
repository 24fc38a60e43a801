/* Rows named by an index: scatter and grouped_matmul.
 *
 *     scatter         x[A.., n, B..], index[m], rows[A.., m, B..]
 *         replace     out = x, with out[.., index[j], ..] = rows[.., j, ..]; no index twice
 *         add         out[.., i, ..] = x[.., i, ..] + sum of rows[.., j, ..] with index[j] = i
 *     grouped_matmul  x[T, K], w[E, K, N] (trans_b: [E, N, K]), and which matrix each row takes
 *         ids         [T]: out[t] = x[t] w[ids[t]]
 *         offsets     [E + 1], ascending from 0 to T: the rows offsets[e] to offsets[e + 1] take
 * w[e] */
#include "reference/ops.h"
#include "reference/order.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scatter ---- */

static ws_status infer_scatter(ref_infer *f)
{
    const ref_value *x = f->in[0], *index = f->in[1], *rows = f->in[2];
    int dim = f->at->dim;
    if (ref_check_mode(f, REF_REPLACE, REF_ADD_ROWS, "replace or add"))
        return f->err->status;
    if (!x->rank || rows->rank != x->rank || index->rank != 1)
        return ref_infer_fail(f, "takes x[A.., n, B..], index[m] and rows[A.., m, B..]");
    if (rows->dtype != x->dtype)
        return ref_infer_fail(f, "the rows have another dtype than the operand");
    for (int d = 0; d < x->rank; d++)
        ref_need_equal(f, rows->dim[d], d == dim ? index->dim[0] : x->dim[d],
                       d == dim ? "a row for each index" : "the other extents agree");
    ref_same_shape(f->out, x);
    f->out->dtype = x->dtype;
    return WS_OK;
}

static ws_status check_index(const ref_call *c, const ref_tensor *index, int64_t n)
{
    for (int64_t i = 0; i < index->shape.count; i++)
        if (!(index->v[i] >= 0 && index->v[i] < (double)n))
            return ws_fail(c->err, WS_EINPUT, "index %" PRId64 " is %g, not in [0, %" PRId64 ")", i,
                           index->v[i], n);
    return WS_OK;
}

static ws_status check_distinct(const ref_call *c, const ref_tensor *index, int64_t n)
{
    bool *seen = ws_calloc((size_t)n + 1, sizeof *seen);
    ws_status st = WS_OK;
    for (int64_t i = 0; i < index->shape.count && !st; i++) {
        int64_t k = (int64_t)index->v[i];
        if (seen[k])
            st = ws_fail(c->err, WS_EINPUT, "index %" PRId64 " occurs twice: which row stays?", k);
        seen[k] = true;
    }
    free(seen);
    return st;
}

typedef struct scatter_job {
    const ref_call *c;
    int64_t n, m, inner;
} scatter_job;

/* One line of honest sums: of every element, what is there and what comes to it. */
static void scatter_in_order(const scatter_job *j, int64_t to, int64_t from)
{
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0], *index = c->in[1], *rows = c->in[2];
    int64_t *first = ws_calloc((size_t)j->n + 2, sizeof *first);
    double *term = ws_malloc((size_t)(j->n + j->m) * sizeof *term + 1);
    for (int64_t k = 0; k < j->n; k++)
        first[k + 1] = 1;
    for (int64_t r = 0; r < j->m; r++)
        first[(int64_t)index->v[r] + 1]++;
    for (int64_t k = 0; k < j->n; k++) {
        first[k + 1] += first[k];
        term[first[k]++] = x->v[to + k * j->inner]; /* from here on the next free place */
    }
    for (int64_t r = 0; r < j->m; r++)
        term[first[(int64_t)index->v[r]]++] = rows->v[from + r * j->inner];
    for (int64_t k = 0; k < j->n; k++) {
        int64_t begin = k ? first[k - 1] : 0;
        c->out->v[to + k * j->inner] = ref_ordered_sum(term + begin, first[k] - begin, NULL, 0);
    }
    free(first);
    free(term);
}

/* One line of the operand: all indices in order. */
static void scatter_line(void *ud, int64_t line)
{
    const scatter_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0], *index = c->in[1], *rows = c->in[2];
    bool adds = c->at->mode == REF_ADD_ROWS;
    int64_t to = line / j->inner * j->n * j->inner + line % j->inner;
    int64_t from = line / j->inner * j->m * j->inner + line % j->inner;
    if (adds && ref_order_now) {
        scatter_in_order(j, to, from);
        return;
    }
    double *size = ws_calloc((size_t)j->n + 1, sizeof *size),
           *count = ws_calloc((size_t)j->n + 1, sizeof *count);
    for (int64_t k = 0; k < j->n; k++) {
        int64_t at = to + k * j->inner;
        c->out->v[at] = x->v[at];
        size[k] = fabs(x->v[at]);
        if (c->out->e)
            c->out->e[at] = ref_err(x, at);
    }
    for (int64_t r = 0; r < j->m; r++) {
        int64_t k = (int64_t)index->v[r], at = to + k * j->inner, source = from + r * j->inner;
        c->out->v[at] = rows->v[source] + (adds ? c->out->v[at] : 0);
        size[k] += fabs(rows->v[source]);
        count[k]++;
        if (c->out->e)
            c->out->e[at] = ref_err(rows, source) + (adds ? c->out->e[at] : 0);
    }
    for (int64_t k = 0; adds && c->out->e && k < j->n; k++)
        c->out->e[to + k * j->inner] += REF_SUM * sqrt(count[k]) * c->ua * size[k];
    free(size);
    free(count);
}

static ws_status eval_scatter(const ref_call *c)
{
    scatter_job j = {.c = c, .m = c->in[1]->shape.count};
    int64_t outer;
    ref_split(&c->in[0]->shape, c->at->dim, &outer, &j.n, &j.inner);
    if (check_index(c, c->in[1], j.n) ||
        (c->at->mode == REF_REPLACE && check_distinct(c, c->in[1], j.n)))
        return c->err->status;
    ref_for(outer * j.inner, (double)(j.n + j.m) * 10, scatter_line, &j);
    return WS_OK;
}

/* ---- grouped_matmul ---- */

static ws_status infer_grouped(ref_infer *f)
{
    const ref_value *x = f->in[0], *w = f->in[1], *groups = f->in[2];
    int k = f->at->trans_b ? 2 : 1;
    ws_arena *a = &f->graph->arena;
    if (ref_check_mode(f, REF_IDS, REF_OFFSETS, "ids or offsets"))
        return f->err->status;
    if (x->rank != 2 || w->rank != 3 || groups->rank != 1)
        return ref_infer_fail(f, "takes x[T, K], w[E, K, N] and ids[T] or offsets[E + 1]");
    ref_need_equal(f, x->dim[1], w->dim[k], "the inner extents agree");
    if (f->at->mode == REF_IDS)
        ref_need_equal(f, groups->dim[0], x->dim[0], "a matrix for each row");
    else
        ref_need_equal(f, groups->dim[0],
                       ws_expr_binary(a, WS_X_ADD, w->dim[0], ws_expr_const(a, 1)),
                       "an offset for each matrix, and the end");
    f->out->rank = 2;
    f->out->dim[0] = x->dim[0];
    f->out->dim[1] = w->dim[3 - k];
    return WS_OK;
}

typedef struct grouped_job {
    const ref_call *c;
    int64_t k, n, *matrix; /* matrix[t]: that of row t */
} grouped_job;

static void grouped_row(void *ud, int64_t t)
{
    const grouped_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0], *w = c->in[1];
    int64_t step_k = c->at->trans_b ? 1 : j->n, step_n = c->at->trans_b ? j->k : 1;
    double *term = ref_order_now ? ws_malloc((size_t)j->k * sizeof *term + 1) : NULL;
    for (int64_t col = 0; col < j->n; col++) {
        double v = 0, size = 0, square = 0, e = 0;
        int64_t first = j->matrix[t] * j->k * j->n + col * step_n;
        for (int64_t k = 0; k < j->k; k++) {
            int64_t at = first + k * step_k, xt = t * j->k + k;
            double p = x->v[xt] * w->v[at];
            v += p;
            if (term)
                term[k] = ref_partial(p);
            size += fabs(p);
            square += p * p;
            e += fabs(x->v[xt]) * ref_err(w, at) + fabs(w->v[at]) * ref_err(x, xt);
        }
        c->out->v[t * j->n + col] = term ? ref_ordered_sum(term, j->k, NULL, 0) : v;
        if (c->out->e)
            c->out->e[t * j->n + col] = e + REF_SUM * sqrt((double)j->k) * c->ua * size +
                                        (c->u > c->ua ? c->u * sqrt(square) : 0);
    }
    free(term);
}

/* matrix[t] from ids or offsets. */
static ws_status assign_rows(const ref_call *c, int64_t rows, int64_t matrices, int64_t *matrix)
{
    const ref_tensor *groups = c->in[2];
    if (c->at->mode == REF_IDS) {
        for (int64_t t = 0; t < rows; t++)
            matrix[t] = (int64_t)groups->v[t];
        return check_index(c, groups, matrices);
    }
    int64_t last = groups->shape.count - 1;
    bool good = groups->v[0] == 0 && groups->v[last] == (double)rows;
    for (int64_t e = 0; good && e < last; e++)
        good = groups->v[e] <= groups->v[e + 1];
    if (!good)
        return ws_fail(c->err, WS_EINPUT,
                       "offsets do not ascend from 0 to the number of rows, %" PRId64, rows);
    for (int64_t e = 0; e < last; e++)
        for (int64_t t = (int64_t)groups->v[e]; t < (int64_t)groups->v[e + 1]; t++)
            matrix[t] = e;
    return WS_OK;
}

static ws_status eval_grouped(const ref_call *c)
{
    int64_t rows = c->in[0]->shape.dim[0];
    grouped_job j = {.c = c, .k = c->in[0]->shape.dim[1], .n = c->out->shape.dim[1]};
    j.matrix = ws_calloc((size_t)rows + 1, sizeof *j.matrix);
    ws_status st = assign_rows(c, rows, c->in[1]->shape.dim[0], j.matrix);
    if (!st)
        ref_for(rows, (double)(j.k * j.n) * 4, grouped_row, &j);
    free(j.matrix);
    return st;
}

static double flops_grouped(const ref_attrs *at, const ref_shape *const *in, int n_in,
                            const ref_shape *out)
{
    (void)at, (void)n_in;
    return 2 * (double)out->count * (double)in[0]->dim[1];
}

const ref_op ref_ops_index[] = {{.name = "scatter",
                                 .min_in = 3,
                                 .max_in = 3,
                                 .attrs = "dim mode",
                                 .infer = infer_scatter,
                                 .eval = eval_scatter},
                                {.name = "grouped_matmul",
                                 .min_in = 3,
                                 .max_in = 3,
                                 .attrs = "mode trans_b",
                                 .infer = infer_grouped,
                                 .eval = eval_grouped,
                                 .flops = flops_grouped},
                                {0}};
