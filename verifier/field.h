/* The algebraic level: the plan runs over prime fields, and what it computes there is compared with
 * the graph over the same fields (harness/ptx/field.h, reference/field.h, docs/field.md). */
#ifndef VERIFIER_FIELD_H
#define VERIFIER_FIELD_H

#include "harness/worker/run.h"
#include "verifier/session.h"

typedef struct vfy_field_shape { /* a check shape, and what is compiled for it */
    vfy_session *s;
    const plan *plan;
    const plan_bound *bound;
    const comp_result *compiled;
    int check;
    uint64_t seed;
    double wall_seconds;
} vfy_field_shape;

/* What the graph's outputs are over a field; no run yet. */
void vfy_field_begin(const vfy_session *s, vfy_field *out);
/* Runs the shape. A kernel that is wrong is a reason in `v`; one that leaves the field makes
 * out->applies false, or takes outputs out of out->covered. */
ws_status vfy_field_check(const vfy_field_shape *x, vfy_field *out, vfy_verdict *v,
                          ws_err *err) WS_MUST_CHECK;
/* The verdict's sentence. */
void vfy_field_describe(const vfy_field *f, const vfy_session *s, char *out, size_t size);
cJSON *vfy_field_json(const vfy_field *f);

#endif
