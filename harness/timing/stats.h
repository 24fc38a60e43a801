/* What timing needs of statistics: means and quantiles that outliers do not move, and an interval
 * around a trimmed mean that stays honest when neighbouring samples resemble each other.
 *
 * The interval is that of a moving-block bootstrap (Kuensch 1989): blocks of neighbouring samples
 * are drawn, so that what makes neighbours alike is in the resamples too. Few blocks give a
 * standard error that is itself uncertain and too small: it is divided by sqrt(1 - b/n), and
 * quantiles are those of Student's t with 1.5 n/b degrees of freedom, what the variance of block
 * means has (the equivalent degrees of freedom of a Bartlett spectral estimate, Priestley 1981,
 * ch. 6.2; Kiefer and Vogelsang 2005 for the size of tests that use it). docs/timing.md has the
 * coverage that was measured. */
#ifndef HARNESS_TIMING_STATS_H
#define HARNESS_TIMING_STATS_H

#include <stdint.h>

enum {
    TIM_BOOTSTRAP_MIN = 8,    /* samples that an interval needs */
    TIM_BLOCK = 8,            /* least length of a block, in pairs */
    TIM_BLOCKS = 15,          /* blocks grow with n, so that n holds so many of them */
    TIM_RESAMPLES = 300       /* the standard error is then known to 4 % */
};

/* Mean without the floor(share n) least and as many greatest of n >= 1 values; share < 0.5. */
double tim_trimmed_mean(const double *v, int n, double share);
extern const double tim_trim; /* 0.1, the share that all of timing trims */

/* Of n >= 1 ascending values, 0 <= p <= 1, linear between neighbours (Hyndman and Fan's type 7). */
double tim_quantile(const double *ascending, int n, double p);
void tim_sort(double *v, int n); /* ascending; no NaN */

/* t > 0 with P(T > t) = tail, of Student's t with df > 0 degrees of freedom, 0 < tail < 0.5. */
double tim_student(double df, double tail);

/* A trimmed mean and how well it is known. Its interval with `tail` on either side is
 * mean -+ tim_student(df, tail) * se. */
typedef struct tim_spread {
    double mean, se, df;
    int block; /* samples in a block of the bootstrap */
    double alike; /* so many samples in a row say as much as one that resembles no other; >= 1 */
} tim_spread;
double tim_spread_reach(const tim_spread *s, double tail); /* half the width of the interval */

/* Of n values in the order of measurement. n >= TIM_BOOTSTRAP_MIN. The same seed gives the same
 * spread. */
void tim_bootstrap(const double *v, int n, uint64_t seed, tim_spread *out);

#endif
