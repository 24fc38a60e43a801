/* What a candidate's launches take of a GPU, without one: the plan at the benchmark shape, compiled
 * for it, the cubin read, and the blocks that fit on an SM. */
#ifndef VERIFIER_PROFILE_H
#define VERIFIER_PROFILE_H

#include "harness/plan/plan.h"
#include "harness/profile/cubin.h"
#include "harness/profile/lines.h"
#include "harness/timing/occupancy.h"
#include "verifier/verify.h"

typedef struct vfy_profile_launch {
    const plan_bound_launch *plan;
    const cubin_kernel *kernel;
    int spill_store_bytes, spill_load_bytes; /* of the compiler's log */
    int64_t threads, blocks;                 /* of a block, of the grid */
    int64_t shared_bytes;                    /* static and dynamic */
    tim_occupancy occupancy;
    double waves;      /* blocks / those resident on the GPU */
    int cluster;       /* blocks in one, 0: none */
    int clusters;      /* on the GPU at once (tim_clusters) */
} vfy_profile_launch;

typedef struct vfy_profile {
    hx_diag diag;      /* not HX_PASS: the candidate cannot be profiled, and why */
    plan_bound *bound;
    const char *const *scratch_name;
    comp_result compiled;
    cubin module;
    prof_lines lines;
    int *launch_line;  /* in the source, of each launch */
    vfy_profile_launch *launch;
    int n_launches;
} vfy_profile;

/* `arch` as "sm_90"; everything lives in `a`. A candidate that does not compile is data. */
ws_status vfy_profile_make(vfy_session *s, const char *source, size_t n, const char *file,
                           const char *arch, const tim_gpu *gpu, ws_arena *a, vfy_profile *out,
                           ws_err *err) WS_MUST_CHECK;

#endif
