/* Executions of a candidate on the engine: its plan, bound to a shape, on a case's inputs, under a
 * schedule. What comes of them is judged elsewhere. */
#ifndef VERIFIER_EXEC_H
#define VERIFIER_EXEC_H

#include "verifier/session.h"

/* What the executions of one candidate have in common; all kept by reference. */
typedef struct vfy_exec {
    vfy_session *s;
    const vfy_options *o;
    const plan *plan;
    uint64_t seed; /* of the schedules */
} vfy_exec;

typedef struct vfy_run {
    /* what is asked for */
    const vfy_case *c;
    const plan_bound *bound;
    const comp_result *compiled;
    ptx_schedule schedule;
    uint64_t schedule_seed; /* 0: of the executions */
    bool state;             /* several runs: what one leaves for the next */
    uint32_t resident;      /* blocks or clusters at once, 0: as many as wait for each other */
    bool alone;             /* with variables as they were loaded; all of them or none */
    bool uncounted;         /* nobody asks for its counters, which take time */
    /* what came of it */
    run_tensor *tensor; /* inputs, weights, outputs */
    int n_tensors;
    run_report rep;
    int place; /* among the runs of its process, from 0 */
    bool done; /* false: an earlier one of its process failed, and ended it */
    ws_err err;
} vfy_run;

/* Who writes `bytes` bytes at `at` of output o in a run as `of` was: the last launch that touches
 * them, as the fault of touching them. false: nobody, or it cannot be told. */
bool vfy_find_writer(const vfy_exec *e, const vfy_run *of, int o, size_t at, size_t bytes,
                     ptx_fault *out);

/* Executes them in at most `threads` processes at once, in each one after the other: later runs of
 * a process meet what earlier ones left in the module's variables, as launches of a program do. */
void vfy_execute(const vfy_exec *e, vfy_run *run, int n, int threads);
void vfy_run_release(vfy_run *r);

#endif
