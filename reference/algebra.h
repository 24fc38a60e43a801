/* Cheaper forms of a graph: the same results for every input and weight, in exact arithmetic, with
 * less work. Rules are rows of one table (algebra.c), each a pattern around one node and what may
 * stand in its place. They are tried until none saves anything. What comes out is a spec like any
 * other, so that whoever doubts a rule can evaluate both. */
#ifndef REFERENCE_ALGEBRA_H
#define REFERENCE_ALGEBRA_H

#include "reference/graph.h"

enum { REF_MAX_STEPS = 32 };

/* One rule, applied to one node. */
typedef struct ref_step {
    const char *rule, *text;
    char node[80];
    double before, after; /* useful operations of the whole graph at the benchmark's dims */
} ref_step;

typedef struct ref_rewriting {
    spec *s; /* the spec's tensors in their order, behind them constant tables of the new form;
                NULL: no rule applies */
    ref_step step[REF_MAX_STEPS];
    int n;
} ref_rewriting;

/* WS_OK also when nothing applies. Nodes that ask for a dtype of their own, and bodies of scans,
 * stay as they are: a rounding is no algebra. */
ws_status ref_rewrite(const spec *s, ref_rewriting *out, ws_err *err) WS_MUST_CHECK;
void ref_rewriting_release(ref_rewriting *r);

#endif
