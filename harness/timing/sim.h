/* A machine that times imperfectly, without one: the true time of a kernel and the moment at which
 * it runs go in, what a timer and a clock probe would have said comes out. Seeded: the same seed
 * and the same calls give the same numbers.
 *
 * The statistics of timing are tested on it, and it gives modelled times the noise of measured
 * ones. All that is relative is relative to the true time: 0.01 is 1 %. */
#ifndef HARNESS_TIMING_SIM_H
#define HARNESS_TIMING_SIM_H

#include "harness/timing/pairs.h"

#include <stdbool.h>
#include <stdint.h>

/* {0} is a perfect machine that has no clock probe. */
typedef struct tim_noise {
    /* What makes the whole machine slower, clock included. */
    double linear_per_s;                      /* slower by so much each second */
    double sine, sine_period_s;               /* amplitude; the seed draws the phase */
    double walk, walk_tau_s;                  /* Ornstein-Uhlenbeck: stationary sd, memory */
    double throttle, throttle_s, throttle_gap_s; /* slower by `throttle` for `throttle_s` seconds,
                                               * exponential gaps of `throttle_gap_s` on average */
    /* What hits single observations. */
    double white;                             /* sd of a normal factor */
    double ar, ar_rho;                        /* sd and lag-1 correlation of a factor that one
                                               * observation hands to the next */
    double outlier_rate;                      /* share of observations that are slower by ... */
    double outlier_least, outlier_most;       /* ... uniform between the two, or */
    double outlier_tail;                      /* > 0: least * Pareto of this exponent, unbounded */
    double second_place;                      /* pairs: what runs second is slower by so much */
    /* What is read. */
    double quantum_s;                         /* step of the timer; 0: none */
    bool in_phase;                            /* the timer's ticks begin with the kernel (times are
                                               * rounded), not at a random phase */
    double clock_hz, clock_read;              /* nominal clock, 0: no probe; sd of a reading */
} tim_noise;

typedef struct tim_sim {
    tim_noise noise;
    uint64_t seed, draws;
    double moment_s;                 /* of the latest observation */
    double walk, ar, phase;          /* states; phase in turns */
    double throttle_from_s, throttle_to_s;
} tim_sim;

void tim_sim_init(tim_sim *s, const tim_noise *noise, uint64_t seed);

/* A kernel that takes true_s > 0 on the perfect machine runs at moment_s, no earlier than the one
 * before. *clock_hz is 0 without a probe. Observed times are positive: at least one quantum. */
void tim_sim_observe(tim_sim *s, double true_s, double moment_s, double *observed_s,
                     double *clock_hz);

/* One member of a simulated pair; `own` is noise of this kernel alone (what its place in memory
 * does), or NULL. */
typedef struct tim_sim_kernel {
    double true_s;
    tim_sim *own;
} tim_sim_kernel;

/* Appends n pairs to `out`, in the orders of its seed, with idle_s between all kernels (flushing,
 * rotation, the host). The machine's moment goes on from where it is. */
void tim_sim_pairs(tim_sim *machine, const tim_sim_kernel *a, const tim_sim_kernel *b,
                   double idle_s, int n, tim_pairs *out);

#endif
