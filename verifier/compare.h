/* Element-wise comparison of an output with its reference under the derived tolerance. */
#ifndef VERIFIER_COMPARE_H
#define VERIFIER_COMPARE_H

#include "verifier/cases.h"

/* A candidate may be this many times further off than the first-order bound of an honest
 * evaluation: another summation order, a fused or an approximate instruction where the bound
 * assumes a plain one. */
#define VFY_SAFETY 4.0

typedef struct vfy_comparison {
    int64_t checked, wrong;
    int64_t first;        /* flat index of the worst element, -1: none wrong */
    double got, want, tolerance; /* at `first` */
    double worst_ratio;   /* max |got - want| / tolerance over elements in tolerance */
    bool constant;        /* every element has the same value where the reference varies */
    double excess;        /* max |got - want| / bound over wrong elements; infinity for NaN */
} vfy_comparison;

/* `got` is output `o` in storage format. */
void vfy_compare(const vfy_case *c, int o, const void *got, vfy_comparison *out);
/* How far `got` is off as element i of output o, as a share of what it may be off by, which is in
 * *tolerance: wrong when it is not <= 1. Of several indices for one line each is looked at alone. */
double vfy_compare_element(const vfy_case *c, int o, int64_t i, double got, double *tolerance);
/* marks[i]: element i of `value`, output o in double, is wrong. */
void vfy_compare_marks(const vfy_case *c, int o, const double *value, bool *marks);
/* What the wrong elements have in common, as vfy_pattern_describe. */
void vfy_compare_pattern(const vfy_case *c, int o, const void *got, char *text, size_t size);
/* What element i of output o may be off by; infinite where it is left open. */
double vfy_tolerance(const vfy_case *c, int o, int64_t i);
/* "[2,17]" */
void vfy_element_name(const ref_shape *s, int64_t flat, char *out, size_t size);

#endif
