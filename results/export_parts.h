/* Inside the exporter: what its files share. */
#ifndef RESULTS_EXPORT_PARTS_H
#define RESULTS_EXPORT_PARTS_H

#include "harness/plan/plan.h"
#include "reference/graph.h"
#include "results/export.h"
#include "results/export_source.h"

/* A tensor of the launcher's signature, in the order of plan_names.tensor. */
typedef struct exp_tensor {
    const char *name, *role; /* role: "in", "weight", "inout", "out" */
    ws_dtype dtype;
    int rank;
    const ws_expr *const *dim;
} exp_tensor;

typedef struct exp_job {
    const exp_input *in;
    ws_arena arena;
    char name[64];  /* the inner namespace */
    char upper[64]; /* the same in capitals, for macros */
    ref_graph *graph;
    exp_tensor *tensor;
    int n_tensors;
    plan_names names;
    plan *plan;
    int64_t tune[PLAN_MAX_TUNE];
    exp_source source;
    bool *baked; /* per dim: the source uses DIM_<dim> */
    ws_buf *out;
} exp_job;

/* The comment on top: how to call it, and the evidence. */
ws_status exp_put_evidence(exp_job *j, ws_err *err) WS_MUST_CHECK;
/* Everything behind the kernels: the plan in C++ and the launcher. */
void exp_put_launcher(exp_job *j);
/* The helpers that the launcher uses; one copy a header, in its own namespace. */
void exp_put_helpers(exp_job *j);

#endif
