/* What the tensors hold when blocks of the benchmark shape are run for their counters. */
#ifndef VERIFIER_SAMPLE_DATA_H
#define VERIFIER_SAMPLE_DATA_H

#include "harness/worker/run.h"
#include "reference/graph.h"

/* Gives tensor `i` of the spec contents where they can matter: whole numbers always, as they may be
 * places to read from; floating-point numbers when they are few, or when `tests_floats` says that a
 * branch looks at them. They are drawn as the spec says, and repeated when there are many. Other
 * tensors stay zeros, which take no memory. *room: bytes that may be filled, reduced by what is. */
ws_status vfy_sample_input(const ref_bound *b, int i, bool tests_floats, ws_arena *a,
                           run_tensor *t, size_t *room, ws_err *err) WS_MUST_CHECK;

#endif
