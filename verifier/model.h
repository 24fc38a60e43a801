/* The modelled time at the benchmark shape. */
#ifndef VERIFIER_MODEL_H
#define VERIFIER_MODEL_H

#include "harness/plan/plan.h"
#include "harness/worker/run.h"
#include "reference/graph.h"
#include "verifier/verdict.h"

/* What was compiled for the benchmark shape, and what a verified check shape showed. */
typedef struct vfy_model_input {
    const ref_graph *graph;
    const plan *plan;
    const plan_bound *bench;
    const comp_result *compiled;    /* without resource lines: the launches fill the SMs */
    const char *const *tensor_name; /* inputs, weights, outputs */
    const tim_gpu *gpu;
    const ptx_counters *checked;    /* of a run of a check shape, the fallback */
    double checked_work;            /* its flops + bytes */
    bool lines;                     /* sample.engine.lines is wanted */
} vfy_model_input;

typedef struct vfy_modelled {
    tim_estimate time;
    bool sampled; /* from blocks of the benchmark shape; else scaled from a check shape */
    const tim_launch *launch; /* one a launch of the plan; not sampled: one for all */
    int n_launches;
    run_report sample; /* how the sample ended; the caller releases it */
} vfy_modelled;

/* What an SM has to hold of a launch, without counters. */
tim_launch vfy_launch_of(const comp_result *compiled, const plan_bound_launch *l);

/* Runs a sample of the blocks of every launch at the benchmark shape on the engine for their counters,
 * on inputs as sample_data.h gives them; a plan too long for that is scaled from the check shape. */
ws_status vfy_model(const vfy_model_input *m, ws_arena *a, vfy_modelled *out,
                    ws_err *err) WS_MUST_CHECK;
/* The same with what the sample counted and other resource lines. The time without any is a lower
 * bound of that with some: what occupancy decides only ever adds. */
ws_status vfy_model_again(const vfy_model_input *m, ws_arena *a, vfy_modelled *t,
                          ws_err *err) WS_MUST_CHECK;
/* The launches into the verdict, the longest ones when there are too many. */
void vfy_keep_launches(const vfy_model_input *m, const vfy_modelled *t, vfy_verdict *v);

#endif
