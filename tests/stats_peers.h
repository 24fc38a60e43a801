/* How others decide that B is faster than A, from n times of each. All are kept so that the table
 * of tests/bench_stats.c can compare; none is used by the program. */
#ifndef TESTS_STATS_PEERS_H
#define TESTS_STATS_PEERS_H

#include "base/mem.h"
#include "base/philox.h"
#include "harness/timing/stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const double PEER_Z = 1.959964; /* two-sided 5 %, so one-sided 2.5 % */

static double peer_mean(const double *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    return sum / n;
}

static double peer_sd(const double *v, int n)
{
    double m = peer_mean(v, n), sum = 0;
    for (int i = 0; i < n; i++)
        sum += (v[i] - m) * (v[i] - m);
    return sqrt(sum / (n - 1));
}

static double peer_quantile(const double *v, int n, double p)
{
    double *w = ws_malloc((size_t)n * sizeof *w), q;
    memcpy(w, v, (size_t)n * sizeof *w);
    tim_sort(w, n);
    q = tim_quantile(w, n, p);
    free(w);
    return q;
}

static bool peer_mean_any(const double *a, const double *b, int n)
{
    return peer_mean(b, n) < peer_mean(a, n);
}

static bool peer_mean_1(const double *a, const double *b, int n)
{
    return peer_mean(b, n) * 1.01 < peer_mean(a, n);
}

static bool peer_median_any(const double *a, const double *b, int n)
{
    return peer_quantile(b, n, 0.5) < peer_quantile(a, n, 0.5);
}

static bool peer_min_half(const double *a, const double *b, int n)
{
    return peer_quantile(b, n, 0) * 1.005 < peer_quantile(a, n, 0);
}

static bool peer_welch(const double *a, const double *b, int n)
{
    double sa = peer_sd(a, n), sb = peer_sd(b, n);
    return peer_mean(a, n) - peer_mean(b, n) > PEER_Z * sqrt((sa * sa + sb * sb) / n);
}

typedef struct peer_ranked {
    double t;
    bool is_a;
} peer_ranked;

static int peer_by_time(const void *x, const void *y)
{
    double a = ((const peer_ranked *)x)->t, b = ((const peer_ranked *)y)->t;
    return (a > b) - (a < b);
}

/* Normal approximation, with the correction for ties. */
static bool peer_mann_whitney(const double *a, const double *b, int n)
{
    peer_ranked *r = ws_malloc(2 * (size_t)n * sizeof *r);
    double rank_sum = 0, ties = 0, all = 2.0 * n;
    for (int i = 0; i < n; i++) {
        r[i] = (peer_ranked){a[i], true};
        r[n + i] = (peer_ranked){b[i], false};
    }
    qsort(r, 2 * (size_t)n, sizeof *r, peer_by_time);
    for (int i = 0, j; i < 2 * n; i = j) {
        for (j = i; j < 2 * n && r[j].t == r[i].t; j++)
            ;
        for (int k = i; k < j; k++)
            rank_sum += r[k].is_a ? 0.5 * (i + 1 + j) : 0;
        ties += pow(j - i, 3) - (j - i);
    }
    free(r);
    double u = rank_sum - 0.5 * n * (n + 1.0);
    double sd = sqrt(n * (double)n / 12 * (all + 1 - ties / (all * (all - 1))));
    return u - 0.5 * n * n > PEER_Z * sd;
}

/* "Change" when the means differ by more than the smaller of both relative standard deviations. */
static bool peer_nvbench(const double *a, const double *b, int n)
{
    double ma = peer_mean(a, n), mb = peer_mean(b, n);
    return (ma - mb) / ma > fmin(peer_sd(a, n) / ma, peer_sd(b, n) / mb);
}

/* The 95 % percentile interval of a bootstrap of the difference of means is above 0, and the
 * difference above the noise threshold of 1 %. */
static bool peer_criterion(const double *a, const double *b, int n)
{
    enum { RESAMPLES = 200 };
    double d[RESAMPLES];
    uint64_t at = 0;
    if (!peer_mean_1(a, b, n))
        return false;
    for (int k = 0; k < RESAMPLES; k++) {
        d[k] = 0;
        for (int i = 0; i < n; i++) {
            uint64_t w = ws_philox_u64(1, 2, at++);
            d[k] += a[(uint32_t)w % (uint32_t)n] - b[(w >> 32) % (uint32_t)n];
        }
    }
    tim_sort(d, RESAMPLES);
    return tim_quantile(d, RESAMPLES, 0.025) > 0;
}

enum { PEER_SAMPLES = 100 };

typedef struct peer_rule {
    const char *name, *who;
    bool alternating; /* ABAB..., not all of A before all of B */
    int samples;      /* of each, PEER_SAMPLES at most */
    bool (*faster)(const double *a, const double *b, int n);
} peer_rule;

static const peer_rule peer_rules[] = {
    {"mean",           "triton do_bench, KernelBench, cutlass", false, 100, peer_mean_any},
    {"mean of 7",      "kernel_tuner's default",                 false, 7,   peer_mean_any},
    {"mean > 1 %",     "the same with a margin",                 false, 100, peer_mean_1},
    {"median",         "flashinfer, tritonbench",                false, 100, peer_median_any},
    {"min > 0.5 %",    "inductor, with a margin",                false, 100, peer_min_half},
    {"Welch's t",      "the usual test of means",                false, 100, peer_welch},
    {"Mann-Whitney",   "google/benchmark",                       false, 100, peer_mann_whitney},
    {"min noise",      "nvbench_compare",                        false, 100, peer_nvbench},
    {"bootstrap, 1 %", "criterion.rs",                           false, 100, peer_criterion},
    {"ABAB median",    "helion",                                 true,  100, peer_median_any},
    {"ABAB Mann-Wh.",  "unpaired, on interleaved samples",       true,  100, peer_mann_whitney},
};

#endif
