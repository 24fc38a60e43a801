/* einsum: operands are contracted from left to right, each step as a product of matrices over the
 * letters [shared and kept][left only][right only], summed over the shared letters that nothing
 * further on needs.
 *
 *     v = sum prod x_i                                       over n terms, d operands
 *     e = f sum prod |x_i| + sum_i (the sum with e_i in place of |x_i|)
 *     f = REF_SUM sqrt(n) ua, and d u where d > 2: every step may round what it hands on
 *
 * Each sum of the bound is an einsum of the same equation. */
#include "reference/einsum.h"
#include "reference/order.h"

#include "reference/gemm.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- equations ---- */

static const char *read_letters(const char *p, ref_letters *out)
{
    out->p = p;
    while (isalpha((unsigned char)*p))
        p++;
    out->n = (int)(p - out->p);
    return p;
}

int ref_letter_find(ref_letters letters, char letter)
{
    for (int i = 0; i < letters.n; i++)
        if (letters.p[i] == letter)
            return i;
    return -1;
}

bool ref_equation_parse(const char *text, ref_equation *out)
{
    const char *p = text;
    *out = (ref_equation){0};
    for (;; p++) {
        if (out->n_in == REF_EINSUM_OPERANDS)
            return false;
        p = read_letters(p, &out->in[out->n_in++]);
        if (*p != ',')
            break;
    }
    if (p[0] != '-' || p[1] != '>')
        return false;
    p = read_letters(p + 2, &out->out);
    for (int i = 0; i < out->out.n; i++) {
        bool known = false;
        for (int k = 0; k < out->n_in; k++)
            known |= ref_letter_find(out->in[k], out->out.p[i]) >= 0;
        if (!known || ref_letter_find(out->out, out->out.p[i]) != i)
            return false;
    }
    return *p == 0;
}

static ws_status infer_einsum(ref_infer *f)
{
    ref_equation q;
    const ws_expr *extent[128] = {0};
    if (!f->at->equation)
        return ref_infer_fail(f, "missing 'equation'");
    if (!ref_equation_parse(f->at->equation, &q))
        return ref_infer_fail(f, "'%s' is no equation like \"bij,jk->bik\" of at most %d operands",
                              f->at->equation, REF_EINSUM_OPERANDS);
    if (q.n_in != f->n_in)
        return ref_infer_fail(f, "'%s' has %d operands, the node %d", f->at->equation, q.n_in,
                              f->n_in);
    bool wide = true;
    for (int k = 0; k < q.n_in; k++) {
        if (q.in[k].n != f->in[k]->rank)
            return ref_infer_fail(f, "operand %d has rank %d, the equation says %.*s", k,
                                  f->in[k]->rank, q.in[k].n, q.in[k].p);
        wide &= f->in[k]->dtype == WS_F64;
        for (int d = 0; d < q.in[k].n; d++) {
            const ws_expr **e = &extent[(unsigned char)q.in[k].p[d] & 127];
            if (*e)
                ref_need_equal(f, *e, f->in[k]->dim[d], "a letter has one extent");
            else
                *e = f->in[k]->dim[d];
        }
    }
    if (q.out.n > SPEC_MAX_RANK)
        return ref_infer_fail(f, "the result has more than %d axes", SPEC_MAX_RANK);
    f->out->rank = q.out.n;
    for (int d = 0; d < q.out.n; d++)
        f->out->dim[d] = extent[(unsigned char)q.out.p[d] & 127];
    if (wide)
        f->out->dtype = WS_F64;
    return WS_OK;
}

/* ---- tensors with letters ---- */

typedef struct term {
    int n;
    char letter[REF_EINSUM_LETTERS];
    int64_t dim[REF_EINSUM_LETTERS];
    const double *v;
    double *owned; /* v, when it is to be freed */
} term;

static void release(term *t)
{
    free(t->owned);
    t->owned = NULL;
}

static int find_letter(const term *t, char letter)
{
    return ref_letter_find((ref_letters){t->letter, t->n}, letter);
}

static int64_t count_of(const term *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->n; i++)
        n *= t->dim[i];
    return n;
}

static void add_letter(term *t, char letter, int64_t dim)
{
    t->letter[t->n] = letter;
    t->dim[t->n++] = dim;
}

/* What x moves by in each of the letters of `order`; a letter that x has twice walks its diagonal.
 */
static void find_steps(const term *x, const term *order, int64_t *step)
{
    int64_t all = 1;
    memset(step, 0, (size_t)order->n * sizeof *step);
    for (int d = x->n - 1; d >= 0; d--) {
        step[find_letter(order, x->letter[d])] += all;
        all *= x->dim[d];
    }
}

static bool is_row_major(const term *order, const int64_t *step)
{
    int64_t all = 1;
    for (int d = order->n - 1; d >= 0; d--) {
        if (order->dim[d] != 1 && step[d] != all)
            return false;
        all *= order->dim[d];
    }
    return true;
}

/* out: x in the order of out's letters, summed over the letters that out has not. */
static ws_status pack(const term *x, term *out, ws_err *err)
{
    term all = *out;
    int64_t step[REF_EINSUM_LETTERS], index[REF_EINSUM_LETTERS] = {0}, at = 0;
    for (int d = 0; d < x->n; d++)
        if (find_letter(&all, x->letter[d]) < 0)
            add_letter(&all, x->letter[d], x->dim[d]);
    find_steps(x, &all, step);
    out->v = x->v;
    out->owned = NULL;
    if (all.n == out->n && is_row_major(out, step))
        return WS_OK;
    int64_t count = count_of(out), inner = 1;
    for (int d = out->n; d < all.n; d++)
        inner *= all.dim[d];
    if (!(out->owned = ws_alloc_tensor((size_t)count * sizeof(double))))
        return ws_fail(err, WS_ELIMIT, "no memory to rearrange an operand of einsum");
    out->v = out->owned;
    double *part = ref_order_now ? ws_malloc((size_t)inner * sizeof *part + 1) : NULL;
    for (int64_t i = 0; i < count * inner; i++) {
        out->owned[i / inner] += x->v[at];
        if (part)
            part[i % inner] = x->v[at];
        if (part && i % inner == inner - 1)
            out->owned[i / inner] = ref_ordered_sum(part, inner, NULL, 0);
        for (int d = all.n - 1; d >= 0; d--) {
            at += step[d];
            if (++index[d] < all.dim[d])
                break;
            at -= step[d] * all.dim[d];
            index[d] = 0;
        }
    }
    free(part);
    return WS_OK;
}

/* ---- one contraction ---- */

typedef struct step_job {
    const double *a, *b;
    double *out;
    int64_t m, n, k, rows, blocks;
} step_job;

static void multiply_block(void *ud, int64_t index)
{
    const step_job *j = ud;
    int64_t batch = index / j->blocks, m0 = index % j->blocks * j->rows;
    int64_t m = j->m - m0 < j->rows ? j->m - m0 : j->rows;
    ref_gemm(m, j->n, j->k, (ref_matrix){j->a + (batch * j->m + m0) * j->k, j->k, false},
             (ref_matrix){j->b + batch * j->k * j->n, j->n, false},
             j->out + (batch * j->m + m0) * j->n, j->n, false);
}

static void multiply_all(step_job *j, int64_t batches)
{
    const int64_t rows = 64;
    if (j->m == 1 && j->n == 1 && j->k == 1) {
        for (int64_t i = 0; i < batches; i++)
            j->out[i] = j->a[i] * j->b[i];
        return;
    }
    j->rows = j->m < rows ? j->m : rows;
    j->blocks = j->rows ? (j->m + j->rows - 1) / j->rows : 0;
    ref_for(batches * j->blocks, (double)j->rows * (double)j->n * (double)j->k, multiply_block, j);
}

/* Letters of a and b by what becomes of them. */
typedef struct split {
    term batch, left, right, sum;
} split;

static split split_letters(const term *a, const term *b, const bool keep[128])
{
    split s = {0};
    for (int d = 0; d < a->n; d++) {
        char c = a->letter[d];
        bool kept = keep[(unsigned char)c & 127], shared = find_letter(b, c) >= 0;
        term *to = shared ? (kept ? &s.batch : &s.sum) : kept ? &s.left : NULL;
        if (to && find_letter(to, c) < 0)
            add_letter(to, c, a->dim[d]);
    }
    for (int d = 0; d < b->n; d++)
        if (keep[(unsigned char)b->letter[d] & 127] && find_letter(a, b->letter[d]) < 0 &&
            find_letter(&s.right, b->letter[d]) < 0)
            add_letter(&s.right, b->letter[d], b->dim[d]);
    return s;
}

static term join(const term *a, const term *b, const term *c)
{
    term out = *a;
    for (int d = 0; d < b->n; d++)
        add_letter(&out, b->letter[d], b->dim[d]);
    for (int d = 0; d < c->n; d++)
        add_letter(&out, c->letter[d], c->dim[d]);
    return out;
}

static ws_status contract(const term *a, const term *b, const bool keep[128], term *out,
                          ws_err *err)
{
    split s = split_letters(a, b, keep);
    term x = join(&s.batch, &s.left, &s.sum), y = join(&s.batch, &s.sum, &s.right);
    ws_status st = pack(a, &x, err);
    *out = join(&s.batch, &s.left, &s.right);
    out->owned = NULL;
    if (!st)
        st = pack(b, &y, err);
    if (!st && !(out->owned = ws_alloc_tensor((size_t)count_of(out) * sizeof(double))))
        st = ws_fail(err, WS_ELIMIT, "no memory for a step of einsum");
    if (!st) {
        step_job j = {.a = x.v,
                      .b = y.v,
                      .out = out->owned,
                      .m = count_of(&s.left),
                      .n = count_of(&s.right),
                      .k = count_of(&s.sum)};
        multiply_all(&j, count_of(&s.batch));
        out->v = out->owned;
    }
    release(&x);
    release(&y);
    return st;
}

/* ---- the whole ---- */

static term operand(const ref_equation *q, const ref_call *c, int k, const double *v)
{
    term t = {.v = v};
    for (int d = 0; d < q->in[k].n; d++)
        add_letter(&t, q->in[k].p[d], c->in[k]->shape.dim[d]);
    return t;
}

/* out += the einsum of v[k] in the shapes of the operands. */
static ws_status add_einsum(const ref_equation *q, const ref_call *c, const double *const *v,
                            double *out)
{
    term sum = operand(q, c, 0, v[0]), result = {0};
    ws_status st = WS_OK;
    for (int k = 1; k < q->n_in && !st; k++) {
        bool keep[128] = {0};
        term next, right = operand(q, c, k, v[k]);
        for (int d = 0; d < q->out.n; d++)
            keep[(unsigned char)q->out.p[d] & 127] = true;
        for (int later = k + 1; later < q->n_in; later++)
            for (int d = 0; d < q->in[later].n; d++)
                keep[(unsigned char)q->in[later].p[d] & 127] = true;
        st = contract(&sum, &right, keep, &next, c->err);
        release(&sum);
        sum = next;
    }
    for (int d = 0; d < q->out.n; d++)
        add_letter(&result, q->out.p[d], c->out->shape.dim[d]);
    if (!st)
        st = pack(&sum, &result, c->err);
    for (int64_t i = 0; !st && i < c->out->shape.count; i++)
        out[i] += result.v[i];
    release(&result);
    release(&sum);
    return st;
}

static double extent_product(const ref_equation *q, const ref_shape *const *in, int first, int end,
                             const bool *skip)
{
    bool seen[128] = {0};
    double n = 1;
    for (int k = first; k < end; k++)
        for (int d = 0; d < q->in[k].n; d++) {
            unsigned at = (unsigned char)q->in[k].p[d] & 127;
            if (!seen[at] && !(skip && skip[at]))
                n *= (double)in[k]->dim[d];
            seen[at] = true;
        }
    return n;
}

/* Products that one element of the result adds up. */
static double count_terms(const ref_equation *q, const ref_call *c)
{
    const ref_shape *in[REF_EINSUM_OPERANDS];
    bool skip[128] = {0};
    for (int d = 0; d < q->out.n; d++)
        skip[(unsigned char)q->out.p[d] & 127] = true;
    for (int k = 0; k < q->n_in; k++)
        in[k] = &c->in[k]->shape;
    return extent_product(q, in, 0, q->n_in, skip);
}

static ws_status fill_magnitudes(const ref_call *c, double **size, double **square)
{
    for (int k = 0; k < c->n_in; k++) {
        const ref_tensor *x = c->in[k];
        size_t bytes = (size_t)x->shape.count * sizeof(double);
        size[k] = ws_alloc_tensor(bytes);
        square[k] = ws_alloc_tensor(bytes);
        if (!size[k] || !square[k])
            return ws_fail(c->err, WS_ELIMIT, "no memory for the magnitudes of an operand");
        for (int64_t i = 0; i < x->shape.count; i++) {
            size[k][i] = fabs(x->v[i]);
            square[k][i] = x->v[i] * x->v[i];
        }
    }
    return WS_OK;
}

/* e = u sqrt(sum of squares) + f sum + the operands' errors; `size` and `square` are magnitudes. */
static ws_status add_bounds(const ref_equation *q, const ref_call *c, double *const *size,
                            double *const *square)
{
    double *e = c->out->e;
    const double *v[REF_EINSUM_OPERANDS];
    double f = REF_SUM * sqrt(count_terms(q, c)) * c->ua + (c->n_in > 2 ? c->n_in * c->u : 0);
    ws_status st = WS_OK;
    for (int k = 0; k < c->n_in; k++)
        v[k] = square[k];
    if (c->n_in == 2 && c->u > c->ua)
        st = add_einsum(q, c, v, e);
    for (int64_t i = 0; i < c->out->shape.count; i++)
        e[i] = c->u * sqrt(e[i]);
    for (int k = 0; k < c->n_in; k++)
        v[k] = size[k];
    for (int64_t i = 0; i < c->in[0]->shape.count; i++)
        square[0][i] = f * size[0][i];
    v[0] = square[0];
    if (!st)
        st = add_einsum(q, c, v, e);
    v[0] = size[0];
    for (int k = 0; k < c->n_in && !st; k++) {
        if (!c->in[k]->e)
            continue;
        v[k] = c->in[k]->e;
        st = add_einsum(q, c, v, e);
        v[k] = size[k];
    }
    for (int64_t i = 0; i < c->out->shape.count; i++)
        if (isnan(e[i])) /* an unbounded error times zero */
            e[i] = (double)INFINITY;
    return st;
}

static ws_status eval_einsum(const ref_call *c)
{
    ref_equation q;
    double *size[REF_EINSUM_OPERANDS] = {0}, *square[REF_EINSUM_OPERANDS] = {0};
    const double *v[REF_EINSUM_OPERANDS];
    if (!ref_equation_parse(c->at->equation, &q))
        ws_bug("an equation that inference accepted");
    for (int k = 0; k < c->n_in; k++)
        v[k] = c->in[k]->v;
    ws_status st = add_einsum(&q, c, v, c->out->v);
    if (!st && c->out->e && !(st = fill_magnitudes(c, size, square)))
        st = add_bounds(&q, c, size, square);
    for (int k = 0; k < c->n_in; k++) {
        free(size[k]);
        free(square[k]);
    }
    return st;
}

/* A multiply-add for every combination of the letters of each step, from left to right. */
static double flops_einsum(const ref_attrs *at, const ref_shape *const *in, int n_in,
                           const ref_shape *out)
{
    ref_equation q;
    bool gone[128] = {0};
    double flops = 0;
    (void)out;
    if (!ref_equation_parse(at->equation, &q))
        ws_bug("an equation that inference accepted");
    if (n_in == 1)
        return extent_product(&q, in, 0, 1, NULL);
    for (int k = 1; k < n_in; k++) {
        flops += 2 * extent_product(&q, in, 0, k + 1, gone);
        for (int i = 0; i <= k; i++)
            for (int d = 0; d < q.in[i].n; d++) {
                bool needed = ref_letter_find(q.out, q.in[i].p[d]) >= 0;
                for (int later = k + 1; later < n_in; later++)
                    needed |= ref_letter_find(q.in[later], q.in[i].p[d]) >= 0;
                gone[(unsigned char)q.in[i].p[d] & 127] |= !needed;
            }
    }
    return flops;
}

const ref_op ref_ops_einsum[] = {{.name = "einsum",
                                  .min_in = 1,
                                  .max_in = REF_EINSUM_OPERANDS,
                                  .attrs = "equation",
                                  .infer = infer_einsum,
                                  .eval = eval_einsum,
                                  .flops = flops_einsum},
                                 {0}};
