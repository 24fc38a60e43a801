/* Contractions: matmul with broadcast leading axes, and linear. The bound is in gemm.h. Sums in the
 * precision itself are sqrt(K) times as far off as sums in a finer one. */
#include "base/pool.h"
#include "reference/gemm.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- shapes ---- */

static ws_status check_rank(ref_infer *f, int i, bool transposed)
{
    if (f->in[i]->rank < 1 || (transposed && f->in[i]->rank < 2))
        return ref_infer_fail(f, "operand %d has rank %d", i, f->in[i]->rank);
    return WS_OK;
}

/* Extent at distance `back` (1: last) from the end. */
static const ws_expr *from_end(const ref_value *v, int back)
{
    return v->dim[v->rank - back];
}

static void keep_f64(ref_infer *f)
{
    if (f->in[0]->dtype == WS_F64 && f->in[1]->dtype == WS_F64)
        f->out->dtype = WS_F64;
}

/* As numpy.matmul: a vector on the left is a row, on the right a column, and its axis of 1 is
 * dropped. */
static ws_status infer_matmul(ref_infer *f)
{
    const ref_attrs *at = f->at;
    if (check_rank(f, 0, at->trans_a) || check_rank(f, 1, at->trans_b))
        return f->err->status;
    ref_value a = *f->in[0], b = *f->in[1];
    bool row = a.rank == 1, column = b.rank == 1;
    const ws_expr *m = row ? NULL : from_end(&a, at->trans_a ? 1 : 2);
    const ws_expr *n = column ? NULL : from_end(&b, at->trans_b ? 2 : 1);
    const ws_expr *ka = from_end(&a, at->trans_a ? 2 : 1);
    const ws_expr *kb = column ? b.dim[0] : from_end(&b, at->trans_b ? 1 : 2);
    ref_need_equal(f, ka, kb, "the inner extents agree");
    a.rank -= row ? 1 : 2;
    b.rank -= column ? 1 : 2;
    ref_infer lead = *f;
    lead.in[0] = &a;
    lead.in[1] = &b;
    lead.n_in = 2;
    if (ref_broadcast(&lead))
        return f->err->status;
    if (f->out->rank + !row + !column > SPEC_MAX_RANK)
        return ref_infer_fail(f, "the result has more than %d axes", SPEC_MAX_RANK);
    if (!row)
        f->out->dim[f->out->rank++] = m;
    if (!column)
        f->out->dim[f->out->rank++] = n;
    keep_f64(f);
    return WS_OK;
}

/* x[..., K], w[N, K], b[N] -> x w' + b: [..., N] */
static ws_status infer_linear(ref_infer *f)
{
    const ref_value *x = f->in[0], *w = f->in[1];
    if (x->rank < 1 || w->rank != 2 || (f->n_in > 2 && f->in[2]->rank != 1))
        return ref_infer_fail(f, "takes x[..., K], w[N, K] and b[N]");
    ref_need_equal(f, from_end(x, 1), w->dim[1], "the inner extents agree");
    if (f->n_in > 2)
        ref_need_equal(f, f->in[2]->dim[0], w->dim[0], "one bias a column");
    ref_same_shape(f->out, x);
    f->out->dim[x->rank - 1] = w->dim[0];
    keep_f64(f);
    return WS_OK;
}

/* ---- evaluation ---- */

/* out[batch] = a[batch] b[batch] + bias, a block of rows and columns a task. */
typedef struct matmul_job {
    const ref_call *c;
    ref_product p;                    /* of one batch */
    const int64_t *a_first, *b_first; /* per batch: the element that its matrix begins with */
    const ref_tensor *bias;           /* per column, or NULL */
    int64_t rows, columns;            /* of a block */
    int64_t down, across;             /* blocks of a batch */
    atomic_int failed;
} matmul_job;

/* To the m rows and n columns from element `at` of the result on, its columns from n0 on. */
static void add_bias(const matmul_job *j, int64_t at, int64_t m, int64_t n0, int64_t n)
{
    ref_tensor *out = j->c->out;
    for (int64_t i = 0; i < m; i++, at += j->p.n)
        for (int64_t k = 0; k < n; k++) {
            out->v[at + k] += j->bias->v[n0 + k];
            if (out->e)
                out->e[at + k] += ref_err(j->bias, n0 + k) + j->c->u * fabs(out->v[at + k]);
        }
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void matmul_block(void *ud, int64_t index)
{
    matmul_job *j = ud;
    ref_product p = j->p;
    int64_t block = index % (j->down * j->across), batch = index / (j->down * j->across);
    int64_t m0 = block / j->across * j->rows, n0 = block % j->across * j->columns;
    int64_t at = (batch * p.m + m0) * p.n + n0;
    ws_err err = {0};
    p.a_at = j->a_first[batch] + m0 * (p.trans_a ? 1 : p.a_step);
    p.b_at = j->b_first[batch] + n0 * (p.trans_b ? p.b_step : 1);
    p.m = at_most(p.m - m0, j->rows);
    p.n = at_most(p.n - n0, j->columns);
    p.v = j->c->out->v + at;
    p.e = j->c->out->e ? j->c->out->e + at : NULL;
    if (ref_multiply(&p, &err))
        j->failed = 1;
    if (j->bias)
        add_bias(j, at, p.m, n0, p.n);
}

/* First element of each matrix of an operand, for every matrix of the result, with broadcasting. */
static int64_t *find_batches(const ref_shape *out, const ref_shape *in, int64_t matrix,
                             int64_t *count, int out_axes, int in_axes)
{
    ref_shape lead = *out, own = *in;
    lead.rank -= out_axes;
    own.rank -= in_axes;
    lead.count = own.count = 1;
    for (int d = 0; d < lead.rank; d++)
        lead.count *= lead.dim[d];
    for (int d = 0; d < own.rank; d++)
        own.count *= own.dim[d];
    int64_t *at = ws_malloc((size_t)lead.count * sizeof *at);
    for (int64_t i = 0; i < lead.count; i++)
        at[i] = ref_broadcast_index(&lead, &own, i) * matrix;
    *count = lead.count;
    return at;
}

/* Blocks that give every core some, as near to squares as halving makes them: a product copies its
 * operands once for every block. */
static void choose_blocks(matmul_job *j, int64_t batches)
{
    const int64_t tasks = 4 * (int64_t)ws_cpu_count(), least = 16;
    int64_t *longer = NULL;
    j->rows = j->p.m > 0 ? j->p.m : 1;
    j->columns = j->p.n > 0 ? j->p.n : 1;
    for (;; *longer = (*longer + 1) / 2) {
        longer = j->rows >= j->columns ? &j->rows : &j->columns;
        j->down = (j->p.m + j->rows - 1) / j->rows;
        j->across = (j->p.n + j->columns - 1) / j->columns;
        if (*longer <= least || batches * j->down * j->across >= tasks)
            return;
    }
}

static ws_status run_matmul(matmul_job *j, int64_t batches)
{
    const ref_call *c = j->c;
    const ref_tensor *x = c->in[0], *y = c->in[1];
    bool bounds = c->out->e != NULL, squares = c->u > c->ua;
    ref_factor a = {0}, b = {0};
    double f = REF_SUM * sqrt((double)j->p.k) * c->ua;
    ws_status st = ref_factor_init(&a, x->v, x->e, x->shape.count, bounds, -1, squares, c->err);
    if (!st)
        st = ref_factor_init(&b, y->v, y->e, y->shape.count, bounds, f, squares, c->err);
    if (!st) {
        j->p.a = &a;
        j->p.b = &b;
        j->p.c_step = j->p.n;
        j->p.u = c->u;
        choose_blocks(j, batches);
        ref_for(batches * j->down * j->across,
                (double)j->rows * (double)j->columns * (double)j->p.k, matmul_block, j);
        if (j->failed)
            st = ws_fail(c->err, WS_ELIMIT, "no memory for a product's bounds");
    }
    ref_factor_release(&a);
    ref_factor_release(&b);
    return st;
}

static ws_status eval_matmul(const ref_call *c)
{
    const ref_attrs *at = c->at;
    const ref_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape, *out = &c->out->shape;
    bool row = a->rank == 1, column = b->rank == 1;
    int64_t batches = 0;
    matmul_job j = {.c = c};
    int64_t a_last = a->dim[a->rank - 1], a_rows = row ? 1 : a->dim[a->rank - 2];
    j.p.m = at->trans_a ? a_last : a_rows;
    j.p.k = at->trans_a ? a_rows : a_last;
    j.p.n = column ? 1 : b->dim[b->rank - (at->trans_b ? 2 : 1)];
    j.p.a_step = a_last;
    j.p.b_step = column ? 1 : b->dim[b->rank - 1];
    j.p.trans_a = at->trans_a;
    j.p.trans_b = at->trans_b;
    int64_t *a_at = find_batches(out, a, j.p.m * j.p.k, &batches, !row + !column, row ? 1 : 2);
    int64_t *b_at = find_batches(out, b, j.p.k * j.p.n, &batches, !row + !column, column ? 1 : 2);
    j.a_first = a_at;
    j.b_first = b_at;
    ws_status st = run_matmul(&j, batches);
    free(a_at);
    free(b_at);
    return st;
}

static ws_status eval_linear(const ref_call *c)
{
    const ref_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const int64_t zero = 0;
    matmul_job j = {
        .c = c, .a_first = &zero, .b_first = &zero, .bias = c->n_in > 2 ? c->in[2] : NULL};
    j.p.n = w->dim[0];
    j.p.k = j.p.a_step = j.p.b_step = w->dim[1];
    j.p.trans_b = true;
    j.p.m = 1;
    for (int d = 0; d < x->rank - 1; d++)
        j.p.m *= x->dim[d];
    return run_matmul(&j, 1);
}

/* 2 M N K; bias adds M N. */
static double flops_matmul(const ref_attrs *at, const ref_shape *const *in, int n_in,
                           const ref_shape *out)
{
    int back = at->trans_a ? 2 : 1;
    double k = (double)in[0]->dim[in[0]->rank - back];
    return (double)out->count * (2 * k + (n_in > 2));
}

const ref_op ref_ops_matmul[] = {{.name = "matmul",
                                  .min_in = 2,
                                  .max_in = 2,
                                  .attrs = "trans_a trans_b",
                                  .infer = infer_matmul,
                                  .eval = eval_matmul,
                                  .flops = flops_matmul,
                                  .fills = true},
                                 {.name = "linear",
                                  .min_in = 2,
                                  .max_in = 3,
                                  .attrs = "",
                                  .infer = infer_linear,
                                  .eval = eval_linear,
                                  .flops = flops_matmul,
                                  .fills = true},
                                 {0}};
