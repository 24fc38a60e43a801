/* Which product of cuBLASLt does the work of a spec. */
#ifndef VERIFIER_CUBLAS_PLAN_H
#define VERIFIER_CUBLAS_PLAN_H

#include "harness/baseline/cublaslt.h"
#include "reference/graph.h"

/* Of graphs that are one matmul or linear over inputs, with or without a relu after it. false:
 * `why` says in a sentence why there is none. `b` is the graph at the shape that is asked for. */
bool vfy_cublas_plan(const ref_bound *b, lt_problem *out, char *why, size_t size);

#endif
