/* Evaluation as an honest kernel does it: the same evaluator, but every result is rounded to its
 * dtype and the sums of float nodes run in f32, in one of three orders. Bounds are checked with it.
 * What the ops compute between their sums stays in double. Cumulative sums and products have the
 * orders of parallel scans: pairs of pairs, and pieces that begin with what is before them. */
#ifndef REFERENCE_ORDER_H
#define REFERENCE_ORDER_H

#include "reference/graph.h"

#define REF_ORDERS(X)                                                                              \
    X(EXACT, "in double")                                                                          \
    X(SEQUENTIAL, "one after the other")                                                           \
    X(PAIRWISE, "pairwise")                                                                        \
    X(LANES, "in 32 strided parts")
typedef enum ref_order {
#define X(id, name) REF_ORDER_##id,
    REF_ORDERS(X)
#undef X
        REF_ORDER_COUNT
} ref_order;
const char *ref_order_name(ref_order o);

/* As ref_eval without bounds. One such evaluation at a time in a process, and none of another kind
 * beside it. Sums are in f32 where the spec accumulates in f32; in double elsewhere. */
ws_status ref_eval_in_order(const ref_bound *b, const ref_tensor *input, ref_order order,
                            ref_tensor *output, ws_err *err) WS_MUST_CHECK;

/* ---- for the evaluator and the ops ---- */

/* Of the node at hand; EXACT outside of ref_eval_in_order. */
extern ref_order ref_order_now;
/* Results are rounded to their dtype. */
extern bool ref_rounds_results;
/* ref_order_now for a node whose result has that dtype. */
void ref_order_enter(const ref_graph *g, ws_dtype result);

/* x as a sum in f32 holds it. */
static inline double ref_partial(double x)
{
    return ref_order_now ? (double)(float)x : x;
}

/* Sum of term(x[k], by), in order. */
double ref_ordered_sum(const double *x, int64_t n, double (*term)(double x, double by), double by);
double ref_term_square(double x, double by); /* (x - by)^2 */
double ref_term_exp(double x, double by);    /* exp(x - by) */

/* y[k] = the sum, or the product, of x[0] to x[k], in order; LANES: in 32 pieces one after the other.
 * y may be x. */
void ref_ordered_scan(const double *x, int64_t n, bool product, double *y);

/* `width` sums side by side. PAIRWISE: row i holds the sum of 2^i terms, the last row the total;
 * LANES: row i the sum of every 32nd term. */
enum { REF_ADDER_ROWS = 48 };
typedef struct ref_adder {
    int64_t width;
    float *row; /* the caller's, REF_ADDER_ROWS rows */
    uint64_t n; /* terms so far */
} ref_adder;
void ref_adder_init(ref_adder *a, float *row, int64_t width);
/* sum[i] += factor * x[i], the product rounded */
void ref_adder_push(ref_adder *a, float factor, const float *x);
/* The sums. */
const float *ref_adder_finish(ref_adder *a);

#endif
