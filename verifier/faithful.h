/* Which precision a candidate's arithmetic is faithful to, measured: its error in units of what
 * rounding every operand, and the result, to one part in 2^-11 does to the exact result. */
#ifndef VERIFIER_FAITHFUL_H
#define VERIFIER_FAITHFUL_H

#include <stdbool.h>
#include <stddef.h>

/* The label of an effective roundoff u (0: every element is the nearest value): "exact", "f64",
 * "f32", "split" (f32 put together from narrower products), "tf32" or "f16", "bf16", "fp8". `ptx`
 * tells apart what has the same roundoff, and f32 with long sums from split products. */
const char *vfy_precision_label(double u, const char *ptx);

/* The code has arithmetic, or conversions, in formats below f32. */
bool vfy_is_narrow_code(const char *ptx);

#endif
