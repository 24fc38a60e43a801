/* Contractions: matmul with broadcast leading axes, and linear.
 *
 *     c[..., m, n] = sum_k a[..., m, k] b[..., k, n]
 *     e = sum_k (|a| e_b + |b| e_a) + REF_SUM sqrt(K) ua sum_k |a b| + u sqrt(sum_k (a b)^2)
 *
 * The last term, where sums are finer than the precision (ua < u), is for products that are rounded
 * to the precision before they are added: their errors have random signs. Sums in the precision
 * itself are sqrt(K) times as far off. */
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

enum { TILE_M = 8, TILE_N = 64 };

/* a: M x K with element (m, k) at a_at[batch] + m a_m + k a_k. b is packed: K x N, row-major, one
 * matrix after the other. */
typedef struct matmul_job {
    const ref_call *c;
    int64_t m, n, k;
    int64_t a_m, a_k;
    const int64_t *a_at, *b_at; /* per batch: first element */
    const double *b, *eb;       /* eb NULL: exact */
    const ref_tensor *bias;     /* per n, or NULL */
    int64_t tiles_m, tiles_n;
} matmul_job;

typedef struct tile {
    double v[TILE_M][TILE_N], size[TILE_M][TILE_N], square[TILE_M][TILE_N], e[TILE_M][TILE_N];
} tile;

/* One step of k for one row of the tile. */
static void add_row(const double *b, const double *eb, double a, double ea, int n, double *v,
                    double *size, double *square, double *e)
{
    for (int j = 0; j < n; j++) {
        v[j] += a * b[j];
        size[j] += fabs(a * b[j]);
        square[j] += a * b[j] * (a * b[j]);
    }
    if (ea > 0)
        for (int j = 0; j < n; j++)
            e[j] += fabs(b[j]) * ea;
    if (eb)
        for (int j = 0; j < n; j++)
            e[j] += fabs(a) * eb[j];
}

static void write_tile(const matmul_job *j, const tile *t, int64_t batch, int64_t m0, int64_t n0,
                       int m, int n)
{
    const ref_call *c = j->c;
    double factor = REF_SUM * sqrt((double)j->k) * c->ua;
    for (int i = 0; i < m; i++)
        for (int x = 0; x < n; x++) {
            int64_t at = (batch * j->m + m0 + i) * j->n + n0 + x;
            double v = t->v[i][x], e = t->e[i][x] + factor * t->size[i][x];
            if (c->u > c->ua)
                e += c->u * sqrt(t->square[i][x]);
            if (j->bias) {
                v += j->bias->v[n0 + x];
                e += ref_err(j->bias, n0 + x) + c->u * fabs(v);
            }
            c->out->v[at] = v;
            if (c->out->e)
                c->out->e[at] = e;
        }
}

static void matmul_tile(void *ud, int64_t index)
{
    const matmul_job *j = ud;
    const ref_tensor *a = j->c->in[0];
    int64_t n0 = index % j->tiles_n * TILE_N, m0 = index / j->tiles_n % j->tiles_m * TILE_M;
    int64_t batch = index / (j->tiles_n * j->tiles_m);
    int n = (int)(j->n - n0 < TILE_N ? j->n - n0 : TILE_N);
    int m = (int)(j->m - m0 < TILE_M ? j->m - m0 : TILE_M);
    tile t = {0};
    for (int64_t k = 0; k < j->k; k++) {
        int64_t bk = j->b_at[batch] + k * j->n + n0;
        for (int i = 0; i < m; i++) {
            int64_t at = j->a_at[batch] + (m0 + i) * j->a_m + k * j->a_k;
            add_row(j->b + bk, j->eb ? j->eb + bk : NULL, a->v[at], ref_err(a, at), n, t.v[i],
                    t.size[i], t.square[i], t.e[i]);
        }
    }
    write_tile(j, &t, batch, m0, n0, m, n);
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

/* n x k matrices, one after the other, as k x n. */
static double *transpose_all(const double *x, int64_t count, int64_t n, int64_t k)
{
    double *out = ws_alloc_tensor((size_t)count * sizeof *out);
    for (int64_t first = 0; out && first < count; first += n * k)
        for (int64_t r = 0; r < n; r++)
            for (int64_t c = 0; c < k; c++)
                out[first + c * n + r] = x[first + r * k + c];
    return out;
}

/* Runs the job over all tiles; b's matrices are N x K when `transposed`. */
static ws_status run_matmul(matmul_job *j, int64_t batches, bool transposed)
{
    const ref_tensor *b = j->c->in[1];
    double *v = NULL, *e = NULL;
    j->b = b->v;
    j->eb = b->e;
    if (transposed && j->k && j->n) {
        v = transpose_all(b->v, b->shape.count, j->n, j->k);
        e = b->e && v ? transpose_all(b->e, b->shape.count, j->n, j->k) : NULL;
        if (!v || (b->e && !e)) {
            free(v);
            return ws_fail(j->c->err, WS_ELIMIT, "no memory to transpose an operand");
        }
        j->b = v;
        j->eb = e;
    }
    j->tiles_m = (j->m + TILE_M - 1) / TILE_M;
    j->tiles_n = (j->n + TILE_N - 1) / TILE_N;
    ref_for(batches * j->tiles_m * j->tiles_n, (double)j->k * TILE_M * TILE_N, matmul_tile, j);
    free(v);
    free(e);
    return WS_OK;
}

static ws_status eval_matmul(const ref_call *c)
{
    const ref_attrs *at = c->at;
    const ref_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape, *out = &c->out->shape;
    bool row = a->rank == 1, column = b->rank == 1;
    int64_t batches = 0;
    matmul_job j = {.c = c};
    int64_t a_last = a->dim[a->rank - 1], a_rows = row ? 1 : a->dim[a->rank - 2];
    j.m = at->trans_a ? a_last : a_rows;
    j.k = at->trans_a ? a_rows : a_last;
    j.n = column ? 1 : b->dim[b->rank - (at->trans_b ? 2 : 1)];
    j.a_m = at->trans_a ? 1 : a_last;
    j.a_k = at->trans_a ? a_last : 1;
    int64_t *a_at = find_batches(out, a, j.m * j.k, &batches, !row + !column, row ? 1 : 2);
    int64_t *b_at = find_batches(out, b, j.k * j.n, &batches, !row + !column, column ? 1 : 2);
    j.a_at = a_at;
    j.b_at = b_at;
    ws_status st = run_matmul(&j, batches, at->trans_b);
    free(a_at);
    free(b_at);
    return st;
}

static ws_status eval_linear(const ref_call *c)
{
    const ref_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const int64_t zero = 0;
    matmul_job j = {.c = c, .n = w->dim[0], .k = w->dim[1], .a_m = w->dim[1], .a_k = 1, .m = 1,
                    .a_at = &zero, .b_at = &zero, .bias = c->n_in > 2 ? c->in[2] : NULL};
    for (int d = 0; d < x->rank - 1; d++)
        j.m *= x->dim[d];
    return run_matmul(&j, 1, true);
}

/* 2 M N K; bias adds M N. */
static double flops_matmul(const ref_attrs *at, const ref_shape *const *in, int n_in,
                           const ref_shape *out)
{
    int back = at->trans_a ? 2 : 1;
    double k = (double)in[0]->dim[in[0]->rank - back];
    return (double)out->count * (2 * k + (n_in > 2));
}

const ref_op ref_ops_matmul[] = {
    {.name = "matmul", .min_in = 2, .max_in = 2, .attrs = "trans_a trans_b", .infer = infer_matmul,
     .eval = eval_matmul, .flops = flops_matmul},
    {.name = "linear", .min_in = 2, .max_in = 3, .attrs = "", .infer = infer_linear,
     .eval = eval_linear, .flops = flops_matmul},
    {0}};
