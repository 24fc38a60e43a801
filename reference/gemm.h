/* Products of matrices in double: values through OpenBLAS where it is installed, and the error
 * bound of a product as a product of magnitudes.
 *
 *     v = a b
 *     e = |a| (f |b| + e_b) + e_a |b|  +  u sqrt(a^2 b^2)      f = REF_SUM sqrt(k) ua
 *
 * The last term, where sums are finer than the precision (ua < u), is for products that are rounded
 * to the precision before they are added: their errors have random signs. */
#ifndef REFERENCE_GEMM_H
#define REFERENCE_GEMM_H

#include "reference/ops.h"

/* Rows of `step` elements; transposed: the matrix is read as columns of `step` elements. */
typedef struct ref_matrix {
    const double *v;
    int64_t step;
    bool transposed;
} ref_matrix;

/* c[m][n], rows of c_step elements, = a[m][k] b[k][n], added to c when `add`. One thread. */
void ref_gemm(int64_t m, int64_t n, int64_t k, ref_matrix a, ref_matrix b, double *c,
              int64_t c_step, bool add);
/* Own loops instead of OpenBLAS from now on (false: OpenBLAS again, if it is there). */
void ref_gemm_plain(bool plain);
/* "OpenBLAS" or "own loops" */
const char *ref_gemm_name(void);

/* An operand with what bounds need of it, all laid out as v. */
typedef struct ref_factor {
    const double *v, *e; /* the caller's; e NULL: exact */
    double *size;        /* |v|; NULL without bounds */
    double *weighted;    /* f |v| + e; only of a right operand */
    double *square;      /* v^2; NULL when not wanted */
} ref_factor;

/* f < 0: a left operand. With `bounds` false only v is there. */
ws_status ref_factor_init(ref_factor *x, const double *v, const double *e, int64_t count,
                          bool bounds, double f, bool squares, ws_err *err) WS_MUST_CHECK;
void ref_factor_release(ref_factor *x);

/* One product of parts of two factors, that begin at element a_at and b_at. v and e (NULL: no
 * bounds) are m x n with rows of c_step elements. One thread. */
typedef struct ref_product {
    const ref_factor *a, *b;
    int64_t m, n, k, a_at, b_at, a_step, b_step, c_step;
    bool trans_a, trans_b;
    double *v, *e;
    double u; /* of the last term, when both factors have squares */
} ref_product;
ws_status ref_multiply(const ref_product *p, ws_err *err) WS_MUST_CHECK;

#endif
