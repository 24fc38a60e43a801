/* Precision that the check shapes are too small to show. */
#ifndef VERIFIER_PRECISION_H
#define VERIFIER_PRECISION_H

#include "specs/spec.h"

/* Tensor-core instructions that sum in half precision although the spec asks for more: their error
 * grows with the length of the sum, and check shapes are short. The source line of the first one in
 * the PTX, 0 when there is no line information, -1 when there is none. */
int vfy_half_sums(const spec *s, const char *ptx);
/* Half-precision arithmetic in the PTX of a spec that has no half-precision tensor. */
bool vfy_uses_half(const spec *s, const char *ptx);

#endif
