/* cuBLASLt by dlopen as a baseline: one product of matrices, by the algorithm that its heuristic
 * puts first (which frameworks call) and by the fastest of the first 16. */
#ifndef HARNESS_BASELINE_CUBLASLT_H
#define HARNESS_BASELINE_CUBLASLT_H

#include "base/jsonl.h"
#include "harness/driver.h"

enum { LT_MAX_ALGOS = 16, LT_MAX_SAMPLES = 1000 };

/* d = op(a) op(b) [+ bias], [then relu], `batch` times. Row-major as specs have it: op(a) is m x k,
 * op(b) k x n, d m x n; trans_x: x is stored transposed. The library is column-major and gets d' =
 * op(b)' op(a)', whose rows the bias belongs to. */
typedef struct lt_problem {
    int64_t m, n, k, batch;
    bool trans_a, trans_b, bias, relu;
    int type;    /* lt_type of all operands */
    int compute; /* lt_compute */
} lt_problem;

/* "f32 in, f32 sums, TF32 not allowed" */
const char *lt_precision(const lt_problem *p);
size_t lt_element_bytes(const lt_problem *p);

void lt_problem_write(const lt_problem *p, jl_writer *w);
ws_status lt_problem_read(const jl_value *o, lt_problem *out, ws_err *err) WS_MUST_CHECK;

typedef struct lt_result {
    int version, algos;    /* of cuBLASLt; that were tried */
    int best;              /* index of the fastest */
    int n;                 /* samples of each, raw, in seconds */
    double first[LT_MAX_SAMPLES], fastest[LT_MAX_SAMPLES];
} lt_result;

/* On the open device: random operands, cold caches (a write of twice the L2 before each), the two
 * taken in turn. WS_EENV: cuBLASLt is not there, or has no algorithm for this. */
ws_status lt_measure(cu_device *d, const lt_problem *p, int samples, lt_result *out,
                     ws_err *err) WS_MUST_CHECK;

#endif
