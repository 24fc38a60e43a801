/* What is told of wrong values: the first elements that are wrong, and who wrote the worst. */
#ifndef VERIFIER_WRONG_H
#define VERIFIER_WRONG_H

#include "verifier/exec.h"

/* v->bad: the first wrong elements of output o, in storage format, in order. */
void vfy_list_wrong(const vfy_case *c, int o, const void *got, vfy_verdict *v);
/* v->writer: who wrote element `flat` of output o, found by running the same again. */
void vfy_name_writer(const vfy_exec *e, const vfy_run *r, int o, int64_t flat, vfy_verdict *v);
/* What a larger shape shows, after what the first one did. */
void vfy_append_pattern(vfy_verdict *first, const vfy_verdict *larger);

#endif
