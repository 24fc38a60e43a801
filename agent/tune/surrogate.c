/* Matern 5/2 over scaled distances, noise for what features cannot tell; lengths and noise by the
 * gradient of the marginal likelihood (Rasmussen & Williams, Gaussian Processes for Machine
 * Learning, 2006, sections 4.2 and 5.4.1), with a prior that keeps them near the size of the
 * space. */
#include "agent/tune/surrogate.h"

#include "agent/tune/space.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FEATURES = TUNE_MAX_FEATURES };

static const double PRIOR_LENGTH = 0.7, PRIOR_SPREAD = 1; /* of log length */
static const double PRIOR_NOISE = -7, NOISE_SPREAD = 1.5; /* of log (noise / signal), variances */

struct tune_surrogate {
    int d, n, cap;
    double theta[MAX_FEATURES + 1]; /* log lengths, then log noise */
    double *x;                      /* n x d */
    double *y;                      /* standardised */
    double *chol;                   /* lower triangle, row i at i * cap */
    double *alpha;                  /* A^-1 y */
    double mean, scale;             /* of y over the standardised one */
    double signal;                  /* variance of the latter */
};

tune_surrogate *tune_surrogate_new(int n_features)
{
    tune_surrogate *g = ws_calloc(1, sizeof *g);
    g->d = n_features;
    for (int f = 0; f < g->d; f++)
        g->theta[f] = log(PRIOR_LENGTH);
    g->theta[g->d] = PRIOR_NOISE;
    return g;
}

void tune_surrogate_free(tune_surrogate *g)
{
    if (!g)
        return;
    free(g->x);
    free(g->y);
    free(g->chol);
    free(g->alpha);
    free(g);
}

static void reserve(tune_surrogate *g, int n)
{
    if (n <= g->cap)
        return;
    g->cap = n + 32;
    const size_t cap = (size_t)g->cap;
    g->x = ws_realloc(g->x, cap * (size_t)(g->d + 1) * sizeof *g->x);
    g->y = ws_realloc(g->y, cap * sizeof *g->y);
    g->alpha = ws_realloc(g->alpha, cap * sizeof *g->alpha);
    free(g->chol);
    g->chol = ws_malloc(cap * cap * sizeof *g->chol);
}

static double *row_of(const tune_surrogate *g, int i)
{
    return g->chol + (size_t)i * (size_t)g->cap;
}

/* ---- the kernel ---- */

static double distance(const tune_surrogate *g, const double *weight, const double *a,
                       const double *b)
{
    double r2 = 0;
    for (int f = 0; f < g->d; f++)
        r2 += weight[f] * (a[f] - b[f]) * (a[f] - b[f]);
    return sqrt(5 * r2);
}

static double matern(double r)
{
    return (1 + r + r * r / 3) * exp(-r);
}

static void weights(const tune_surrogate *g, double *out)
{
    for (int f = 0; f < g->d; f++)
        out[f] = exp(-2 * g->theta[f]);
}

/* ---- linear algebra on the lower triangle ---- */

/* Four sums at once: one would wait for itself. */
static double dot(const double *a, const double *b, int n)
{
    double s[4] = {0};
    int i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++)
            s[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        s[0] += a[i] * b[i];
    return s[0] + s[1] + (s[2] + s[3]);
}

/* L^-1 v, where v is zero up to `from`. */
static void forward(const tune_surrogate *g, int from, double *v)
{
    for (int i = from; i < g->n; i++) {
        const double *l = row_of(g, i);
        v[i] = (v[i] - dot(l + from, v + from, i - from)) / l[i];
    }
}

static void backward(const tune_surrogate *g, double *v)
{
    for (int i = g->n - 1; i >= 0; i--) {
        v[i] /= row_of(g, i)[i];
        const double *l = row_of(g, i);
        for (int j = 0; j < i; j++)
            v[j] -= l[j] * v[i];
    }
}

/* Row i of the factor, whose rows before are there and which holds row i of the matrix. */
static void factor_row(const tune_surrogate *g, int i)
{
    double *l = row_of(g, i);
    for (int j = 0; j < i; j++) {
        const double *m = row_of(g, j);
        l[j] = (l[j] - dot(l, m, j)) / m[j];
    }
    const double left = l[i] - dot(l, l, i);
    l[i] = sqrt(left > 1e-12 ? left : 1e-12);
}

/* Factor and alpha at the present theta; the value to be made small: minus twice the log
 * posterior. */
static double factor(tune_surrogate *g)
{
    double w[MAX_FEATURES], log_det = 0, fit = 0, prior = 0;
    const double noise = exp(g->theta[g->d]);
    weights(g, w);
    for (int i = 0; i < g->n; i++) {
        double *l = row_of(g, i);
        for (int j = 0; j < i; j++)
            l[j] = matern(
                distance(g, w, g->x + (size_t)i * (size_t)g->d, g->x + (size_t)j * (size_t)g->d));
        l[i] = 1 + noise;
        factor_row(g, i);
        log_det += 2 * log(l[i]);
    }
    memcpy(g->alpha, g->y, (size_t)g->n * sizeof *g->y);
    forward(g, 0, g->alpha);
    backward(g, g->alpha);
    for (int i = 0; i < g->n; i++)
        fit += g->y[i] * g->alpha[i];
    g->signal = fit / g->n > 1e-6 ? fit / g->n : 1e-6;
    for (int f = 0; f < g->d; f++)
        prior += pow((g->theta[f] - log(PRIOR_LENGTH)) / PRIOR_SPREAD, 2);
    prior += pow((g->theta[g->d] - PRIOR_NOISE) / NOISE_SPREAD, 2);
    return g->n * log(g->signal) + log_det + prior;
}

/* Element (i, j <= i) of A^-1 from the columns of L^-1. */
static double inner(const double *columns, int n, int i, int j)
{
    return dot(columns + (size_t)i * (size_t)n + i, columns + (size_t)j * (size_t)n + i, n - i);
}

/* Its gradient over theta, after factor(). inverse: n x n of room. */
static void gradient(const tune_surrogate *g, double *inverse, double *out)
{
    double w[MAX_FEATURES];
    const int n = g->n, d = g->d;
    const double noise = exp(g->theta[d]);
    weights(g, w);
    for (int i = 0; i < n; i++) { /* column i of L^-1, zero above i */
        double *v = inverse + (size_t)i * (size_t)n;
        memset(v, 0, (size_t)n * sizeof *v);
        v[i] = 1;
        forward(g, i, v);
    }
    for (int f = 0; f < d; f++)
        out[f] = 2 * (g->theta[f] - log(PRIOR_LENGTH)) / (PRIOR_SPREAD * PRIOR_SPREAD);
    out[d] = 2 * (g->theta[d] - PRIOR_NOISE) / (NOISE_SPREAD * NOISE_SPREAD);
    for (int i = 0; i < n; i++) {
        const double *a = g->x + (size_t)i * (size_t)d;
        for (int j = 0; j < i; j++) {
            const double *b = g->x + (size_t)j * (size_t)d;
            const double r = distance(g, w, a, b);
            const double slope = 5.0 / 3 * (1 + r) * exp(-r); /* x w (a - b)^2: dk / d log length */
            const double of =
                2 * slope * (inner(inverse, n, i, j) - g->alpha[i] * g->alpha[j] / g->signal);
            for (int f = 0; f < d; f++)
                out[f] += of * w[f] * (a[f] - b[f]) * (a[f] - b[f]);
        }
        out[d] += noise * (inner(inverse, n, i, i) - g->alpha[i] * g->alpha[i] / g->signal);
    }
}

/* Rprop: steps that grow while a slope keeps its sign, and shrink when it turns. */
static void improve(tune_surrogate *g, int steps)
{
    double step[MAX_FEATURES + 1], slope[MAX_FEATURES + 1], last[MAX_FEATURES + 1] = {0};
    double best[MAX_FEATURES + 1], least = INFINITY;
    double *inverse = ws_malloc((size_t)g->n * (size_t)g->n * sizeof *inverse);
    for (int f = 0; f <= g->d; f++)
        step[f] = 0.2;
    for (int s = 0; s <= steps; s++) {
        const double value = factor(g);
        if (value < least) {
            least = value;
            memcpy(best, g->theta, sizeof best);
        }
        if (s == steps)
            break;
        gradient(g, inverse, slope);
        for (int f = 0; f <= g->d; f++) {
            const double turn = slope[f] * last[f];
            step[f] *= turn > 0 ? 1.2 : turn < 0 ? 0.5 : 1;
            step[f] = fmin(step[f], 1);
            g->theta[f] -= slope[f] > 0 ? step[f] : slope[f] < 0 ? -step[f] : 0;
            last[f] = slope[f];
        }
    }
    memcpy(g->theta, best, sizeof best);
    free(inverse);
}

void tune_surrogate_fit(tune_surrogate *g, const double *x, const double *y, int n, int steps)
{
    double var = 0;
    reserve(g, n);
    g->n = n;
    g->mean = 0;
    memcpy(g->x, x, (size_t)n * (size_t)g->d * sizeof *x);
    for (int i = 0; i < n; i++)
        g->mean += y[i] / n;
    for (int i = 0; i < n; i++)
        var += (y[i] - g->mean) * (y[i] - g->mean) / n;
    g->scale = var > 1e-16 ? sqrt(var) : 1e-8;
    for (int i = 0; i < n; i++)
        g->y[i] = (y[i] - g->mean) / g->scale;
    if (steps > 0)
        improve(g, steps);
    factor(g);
}

/* k against every point into v; the mean. */
static double correlate(const tune_surrogate *g, const double *x, double *v)
{
    double w[MAX_FEATURES], mean = 0;
    weights(g, w);
    for (int i = 0; i < g->n; i++) {
        v[i] = matern(distance(g, w, x, g->x + (size_t)i * (size_t)g->d));
        mean += v[i] * g->alpha[i];
    }
    return mean;
}

double tune_surrogate_mean(const tune_surrogate *g, const double *x)
{
    double w[MAX_FEATURES], mean = 0;
    weights(g, w);
    for (int i = 0; i < g->n; i++)
        mean += matern(distance(g, w, x, g->x + (size_t)i * (size_t)g->d)) * g->alpha[i];
    return g->mean + g->scale * mean;
}

void tune_surrogate_predict(const tune_surrogate *g, const double *x, double *mean, double *sd)
{
    double *v = ws_malloc((size_t)(g->n + 1) * sizeof *v), left = 1;
    *mean = g->mean + g->scale * correlate(g, x, v);
    forward(g, 0, v);
    for (int i = 0; i < g->n; i++)
        left -= v[i] * v[i];
    *sd = g->scale * sqrt(g->signal * (left > 1e-10 ? left : 1e-10));
    free(v);
}

void tune_surrogate_believe(tune_surrogate *g, const double *x)
{
    const int n = g->n;
    double *old = g->chol;
    const size_t was = (size_t)g->cap;
    if (n == g->cap) {
        g->chol = NULL;
        reserve(g, n + 1);
        for (int i = 0; i < n; i++)
            memcpy(row_of(g, i), old + (size_t)i * was, (size_t)(i + 1) * sizeof *old);
        free(old);
    }
    memcpy(g->x + (size_t)n * (size_t)g->d, x, (size_t)g->d * sizeof *x);
    g->y[n] = correlate(g, x, row_of(g, n));
    row_of(g, n)[n] = 1 + exp(g->theta[g->d]);
    factor_row(g, n);
    g->n++;
    memcpy(g->alpha, g->y, (size_t)g->n * sizeof *g->y);
    forward(g, 0, g->alpha);
    backward(g, g->alpha);
}
