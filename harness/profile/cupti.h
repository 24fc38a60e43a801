/* CUPTI by dlopen: which metrics a chip has and in how many passes (without a GPU), and what a
 * piece of work on a GPU does by those metrics. */
#ifndef HARNESS_PROFILE_CUPTI_H
#define HARNESS_PROFILE_CUPTI_H

#include "base/err.h"
#include "base/mem.h"
#include "harness/profile/metrics.h"

#include <stdbool.h>

/* WS_EENV: CUPTI is not there, or lacks what is needed. Done once. */
ws_status prof_cupti_load(ws_err *err) WS_MUST_CHECK;

/* The chips whose metrics CUPTI knows; names live as long as the process. */
ws_status prof_cupti_chips(const char *const **out, int *n, ws_err *err) WS_MUST_CHECK;
/* How often work has to run for these metrics of a chip. WS_EINPUT: a metric is not one of its; the
 * message names it when there is one metric alone. */
ws_status prof_cupti_passes(const char *chip, const char *const *metric, int n, int *passes,
                            ws_err *err) WS_MUST_CHECK;

/* What is measured, once a pass: `prepare` makes the inputs what they were, outside the range,
 * `run` enqueues the work and waits for its end. */
typedef struct prof_work {
    ws_status (*prepare)(void *ud, ws_err *err), (*run)(void *ud, ws_err *err);
    void *ud;
} prof_work;

/* Values are in the units of prof_metric. */
typedef struct prof_measurement {
    char chip[32];
    int passes, n;
    const prof_metric *metric[PROF_MAX_METRICS];
    double value[PROF_MAX_METRICS];
} prof_measurement;
/* On device `device` (as the driver counts) with the current context `context`, a CUcontext. */
ws_status prof_cupti_measure(void *context, int device, int tier, const prof_work *work,
                             prof_measurement *out, ws_err *err) WS_MUST_CHECK;

/* What a result of CUPTI means for the user: WS_EENV with words and a hint. */
ws_status prof_cupti_fail(int result, const char *call, ws_err *err);

#endif
