/* The terms of the cost model; explain.h has their shape. */
#ifndef HARNESS_TIMING_TERMS_H
#define HARNESS_TIMING_TERMS_H

#include "harness/timing/arch.h"
#include "harness/timing/explain.h"

/* What all terms of a launch need. */
typedef struct tim_view {
    const tim_gpu *gpu;
    const tim_arch *arch;
    const tim_launch *launch;
    tim_constants k;
    double scale, blocks;
    double uneven;        /* longest block / average block */
    double busiest_share; /* of the launch's work, on the SM that has most */
    double resident;      /* blocks on an SM */
    double waves;         /* of blocks, whole ones */
} tim_view;

typedef void tim_term_fn(const tim_view *v, tim_launch_estimate *e, tim_term *out);
tim_term_fn tim_term_dram, tim_term_l2, tim_term_shared, tim_term_compute, tim_term_latency,
    tim_term_atomics, tim_term_grid_barriers;

extern const tim_constants tim_estimates;

#endif
