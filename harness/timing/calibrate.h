/* The cost model's constants, fitted to times that a GPU gave: the sum over kernels of |ln(modelled
 * / measured)| is made small, with a pull towards the estimates for what the kernels say nothing
 * about. The error that is stated is of kernels that the fit did not see. Pure: the same samples
 * give the same bits. */
#ifndef HARNESS_TIMING_CALIBRATE_H
#define HARNESS_TIMING_CALIBRATE_H

#include "harness/timing/model.h"

/* One plan at one shape: what the engine counted of it, and what the GPU took. */
typedef struct tim_sample {
    const char *name;          /* samples of one name are in or out of the fit together */
    const tim_launch *launch;
    int n;
    double flops, min_bytes;   /* of the operation */
    double seconds;            /* measured, median */
} tim_sample;

enum { TIM_FEWEST_SAMPLES = 12 };

typedef struct tim_fit_result {
    tim_constants constants;   /* `calibrated`, with `error` of kernels left out */
    double before,
        after; /* median |ln(modelled / measured)|: by the estimates; of the fitted kernels */
} tim_fit_result;

/* WS_EINPUT: fewer than TIM_FEWEST_SAMPLES, or a time that is none. */
ws_status tim_fit(const tim_gpu *gpu, const tim_sample *sample, int n, tim_fit_result *out,
                  ws_err *err) WS_MUST_CHECK;

#endif
