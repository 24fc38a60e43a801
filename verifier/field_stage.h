/* Values of the graph that are of the field though the outputs which they lead to are not. Where
 * a plan leaves one in scratch memory, it is compared there: the last algebraic stage. */
#ifndef VERIFIER_FIELD_STAGE_H
#define VERIFIER_FIELD_STAGE_H

#include "harness/plan/plan.h"
#include "reference/field.h"
#include "verifier/verdict.h"

/* Chooses f->stage. */
void vfy_stages_begin(const ref_graph *g, const ref_field_value *value, vfy_field *f);
/* The plan with scratch buffer k as tensor n_tensors + k, so that its content comes back. */
const plan_bound *vfy_stages_plan(const plan_bound *b, int n_tensors, ws_arena *a);
/* f->stages, when all runs are done. */
void vfy_stages_name(const ref_graph *g, const plan *p, vfy_field *f);

#endif
