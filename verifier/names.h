/* The names that plans of a spec may use: its inputs and weights, the outputs that are no inputs, its
 * dims; with what is known of the tensors. */
#ifndef VERIFIER_NAMES_H
#define VERIFIER_NAMES_H

#include "harness/plan/plan.h"
#include "reference/graph.h"

/* In the graph's arena; as long as the graph. */
plan_names vfy_plan_names(ref_graph *g);

#endif
