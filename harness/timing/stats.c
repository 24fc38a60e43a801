

#include "harness/timing/stats.h"

#include "base/mem.h"
#include "base/philox.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double tim_trim = 0.1;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void tim_sort(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, ascending);
}

double tim_quantile(const double *v, int n, double p)
{
    assert(n >= 1 && p >= 0 && p <= 1);
    double at = p * (n - 1);
    int i = (int)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[n - 1];
}

static int trimmed_each_side(int n, double share)
{
    return (int)(share * n + 1e-9); /* 0.1 * 30 must be 3, whatever 0.1 is in binary */
}

static double mean_between(const double *v, int n, int cut)
{
    double sum = 0;
    for (int i = cut; i < n - cut; i++)
        sum += v[i];
    return sum / (n - 2 * cut);
}

double tim_trimmed_mean(const double *v, int n, double share)
{
    assert(n >= 1 && share >= 0 && share < 0.5);
    double *w = ws_malloc((size_t)n * sizeof *w);
    memcpy(w, v, (size_t)n * sizeof *w);
    tim_sort(w, n);
    double mean = mean_between(w, n, trimmed_each_side(n, share));
    free(w);
    return mean;
}

/* ---- Student's t ---- */

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 1000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            double term = k ? odd : even;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            c = fabs(c) < tiny ? tiny : c;
            f *= c * d;
        }
        if (fabs(c * d - 1) < 1e-14)
            break;
    }
    return f;
}

/* I_x(a, b), regularised. */
static double beta_share(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double tim_student(double df, double tail)
{
    assert(df > 0 && tail > 0 && tail < 0.5);
    double lo = 0, hi = 1;
    while (0.5 * beta_share(df / 2, 0.5, df / (df + hi * hi)) > tail && hi < 1e150)
        hi *= 2;
    for (int i = 0; i < 200 && hi - lo > 1e-12 * hi; i++) {
        double mid = 0.5 * (lo + hi);
        *(0.5 * beta_share(df / 2, 0.5, df / (df + mid * mid)) > tail ? &lo : &hi) = mid;
    }
    return 0.5 * (lo + hi);
}

double tim_spread_reach(const tim_spread *s, double tail)
{
    return s->se > 0 ? tim_student(s->df, tail) * s->se : 0;
}

/* ---- bootstrap ---- */

/* One sample of values, ready to be resampled by blocks. */
typedef struct blocks {
    int n, length, cut;     /* values, values in a block, values cut at each end */
    double *sorted, *until; /* until[i]: sum of v[0 .. i - 1] */
    int *rank;              /* of v[i] in sorted */
    int *times;             /* how often each rank is in the resample; all 0 between two */
    uint64_t state;         /* of the draws */
} blocks;

/* A draw per block is most of a resample: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which
 * takes a tenth of Philox's time. */
static uint32_t below(blocks *b, uint32_t end)
{
    uint64_t z = b->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z >> 32) * end >> 32);
}

/* Sum of the `cut` values at one end of the resample. */
static double end_sum(const blocks *b, int first, int step)
{
    const double *sorted = b->sorted;
    const int *times = b->times;
    double sum = 0;
    int left = b->cut, r = first;
    for (; left >= times[r] && left > 0; r += step) {
        sum += times[r] * sorted[r];
        left -= times[r];
    }
    return sum + left * sorted[r];
}

/* The trimmed mean of n values made of random blocks. Only the ends are looked at in order: what is
 * between them is the sum of the blocks without the ends. */
static double resample(blocks *b)
{
    const int n = b->n, length = b->length, *rank = b->rank;
    int *times = b->times;
    double sum = 0;
    memset(times, 0, (size_t)n * sizeof *times);
    for (int have = 0; have < n; have += length) {
        int k = n - have < length ? n - have : length;
        int from = (int)below(b, (uint32_t)(n - length + 1));
        sum += b->until[from + k] - b->until[from];
        for (int i = from; i < from + k; i++)
            times[rank[i]]++;
    }
    return (sum - end_sum(b, 0, 1) - end_sum(b, b->n - 1, -1)) / (b->n - 2 * b->cut);
}

typedef struct ranked {
    double v;
    int at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->v != y->v ? (x->v > y->v) - (x->v < y->v) : (x->at > y->at) - (x->at < y->at);
}

static void prepare(blocks *b, const double *v, ws_arena *arena)
{
    size_t n = (size_t)b->n;
    ranked *r = WS_ARENA_NEW(arena, ranked, n);
    b->sorted = WS_ARENA_NEW(arena, double, n);
    b->until = WS_ARENA_NEW(arena, double, n + 1);
    b->rank = WS_ARENA_NEW(arena, int, n);
    b->times = WS_ARENA_NEW(arena, int, n);
    for (int i = 0; i < b->n; i++) {
        r[i] = (ranked){v[i], i};
        b->until[i + 1] = b->until[i] + v[i];
    }
    qsort(r, n, sizeof *r, by_value);
    for (int i = 0; i < b->n; i++) {
        b->sorted[i] = r[i].v;
        b->rank[r[i].at] = i;
    }
}

/* How values resemble those after them: rho[k] of lags 0 .. n_rho - 1. */
typedef struct likeness {
    double *rho;
    int n_rho;
    double time; /* 1 + 2 sum rho[k]: that many values count as one, >= 1 */
} likeness;

static double covariance(const double *x, int n, int lag)
{
    double sum = 0;
    for (int i = 0; i + lag < n; i++)
        sum += x[i] * x[i + lag];
    return sum / n;
}

/* Correlations of the values, winsorised as the trimmed mean sees them, up to where they vanish:
 * the initial monotone sequence of Geyer (Statist. Sci. 7, 1992), sums of two neighbouring lags
 * that are positive and do not grow. A mean that was taken from the same values makes each
 * correlation too small by time / n, which is put back. */
static void find_likeness(const blocks *b, const double *v, ws_arena *arena, likeness *out)
{
    int n = b->n;
    double *x = WS_ARENA_NEW(arena, double, n), mean = 0;
    double low = b->sorted[b->cut], high = b->sorted[n - 1 - b->cut];
    out->rho = WS_ARENA_NEW(arena, double, n + 1);
    for (int i = 0; i < n; i++) {
        x[i] = fmin(fmax(v[i], low), high);
        mean += x[i] / n;
    }
    for (int i = 0; i < n; i++)
        x[i] -= mean;
    double all = covariance(x, n, 0), before = 2;
    out->rho[0] = 1;
    out->n_rho = 1;
    out->time = 1;
    if (!(all > 0 && high > low)) /* all the same, but for rounding */
        return;
    double sum = 0, own = 1.0 / n;
    for (int k = 0; k + 1 < n / 2; k += 2) {
        double even = k ? covariance(x, n, k) / all + own : 1;
        double odd = covariance(x, n, k + 1) / all + own;
        if (!(even + odd > 0))
            break;
        double shrink = even + odd > before ? before / (even + odd) : 1;
        before = (even + odd) * shrink;
        out->rho[k] = even * (k ? shrink : 1);
        out->rho[k + 1] = odd * (k ? shrink : 1);
        out->n_rho = k + 2;
        sum += before;
        own = fmax(1, 2 * sum - 1) / n;
    }
    out->time = fmax(1, 2 * sum - 1);
}

/* The share of that time which blocks of this length have in them: a pair of values k apart is in
 * 1 - k / length of the blocks. What makes values cancel is left to the blocks. */
static double seen(const likeness *l, int length)
{
    double sum = 1;
    if (!(l->time > 1))
        return 1;
    for (int k = 1; k < length && k < l->n_rho; k++)
        sum += 2 * (1 - (double)k / length) * l->rho[k];
    return fmin(1, fmax(sum, 0.1) / l->time);
}

static int block_length(int n, double time)
{
    int b = n / TIM_BLOCKS > TIM_BLOCK ? n / TIM_BLOCKS : TIM_BLOCK;
    if (2 * time > b)
        b = (int)(2 * time);
    return b < n / 3 ? b : n / 3;
}

void tim_bootstrap(const double *v, int n, uint64_t seed, tim_spread *out)
{
    assert(n >= TIM_BOOTSTRAP_MIN);
    ws_arena arena = {0};
    blocks b = {.n = n,
                .cut = trimmed_each_side(n, tim_trim),
                .state = ws_philox_u64(seed, 0x626f6f74, (uint64_t)n)};
    likeness like;
    prepare(&b, v, &arena);
    find_likeness(&b, v, &arena, &like);
    b.length = block_length(n, like.time);
    /* Differences from the sample's own value, so that a small spread keeps its digits. */
    double own = mean_between(b.sorted, n, b.cut), sum = 0, squares = 0;
    for (int i = 0; i < TIM_RESAMPLES; i++) {
        double d = resample(&b) - own;
        sum += d;
        squares += d * d;
    }
    double mean = sum / TIM_RESAMPLES;
    double variance = fmax(squares - sum * mean, 0) / (TIM_RESAMPLES - 1);
    double share = (double)b.length / n;
    *out = (tim_spread){.mean = own,
                        .se = sqrt(variance / ((1 - share) * seen(&like, b.length))),
                        .df = fmin(1.5 / share, n / like.time),
                        .block = b.length,
                        .alike = like.time};
    ws_arena_release(&arena);
}
