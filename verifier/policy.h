/* Level 0 on the compiled code: what no spelling in the source can hide from.
 *
 * A candidate's results may depend on its inputs alone. So nothing that tells where or when it runs
 * may be read (clocks, SM numbers, counts of launches), no code of others may be called
 * (device-side launches are such calls), and no line may be pinned in the L2 cache, which outlives
 * a launch. */
#ifndef VERIFIER_POLICY_H
#define VERIFIER_POLICY_H

#include "harness/diag.h"

#include <stdbool.h>
#include <stddef.h>

/* false: *d says HX_FORBIDDEN_CONSTRUCT and what, with the line of the source: from the PTX's line
 * information, else where the source names it first, else 0. */
bool vfy_check_ptx(const char *ptx, const char *source, size_t n, hx_diag *d);
/* What cuda::barrier does with the time is only known from PTX with line information. */
bool vfy_needs_lines(const char *ptx);

/* The module has variables that kernels may write, which outlive a run. Texts of printf
 * are some. */
bool vfy_has_variables(const char *ptx);

#endif
