/* The performance counters of a GPU on a profiled candidate at the benchmark shape. */
#ifndef VERIFIER_PROFILE_DEVICE_H
#define VERIFIER_PROFILE_DEVICE_H

#include "harness/profile/metrics.h"
#include "verifier/profile.h"

typedef struct vfy_counted {
    bool measured;
    char why[WS_ERR_MAX];     /* not: why not, one line; with what to do about it, or "" */
    char hint[WS_ERR_MAX];
    char device[128], chip[32];
    int tier, passes, n;
    const prof_metric *metric[PROF_MAX_METRICS];
    double value[PROF_MAX_METRICS];
} vfy_counted;

/* Runs the kernels as often as the tier asks for, in a device worker. Whatever keeps that from
 * happening (no GPU, no permission, a tensor that is too large, a fault of the kernel) is `why`. An
 * error is one of ours alone. */
ws_status vfy_profile_count(vfy_session *s, const vfy_profile *p, int tier, uint64_t seed,
                            vfy_counted *out, ws_err *err) WS_MUST_CHECK;

#endif
