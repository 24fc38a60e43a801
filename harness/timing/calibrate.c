#include "harness/timing/calibrate.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 4, ROUNDS = 12, STEPS = 24 };
static const double PULL =
    0.004; /* of |ln| a constant is away from its estimate, in units of mean error */

/* Which constants are fitted, and between what. */
static const struct {
    size_t offset;
    double least, most;
} fitted[] = {
    {offsetof(tim_constants, dram_efficiency), 0.4, 1.0},
    {offsetof(tim_constants, l1_repeat_hit), 0.02, 0.98},
    {offsetof(tim_constants, dependent_clocks), 0.5, 12},
    {offsetof(tim_constants, loads_in_flight), 1, 32},
    {offsetof(tim_constants, overlap), 1, 16},
    {offsetof(tim_constants, launch_s), 2e-7, 2e-5},
};

static double *value_of(tim_constants *c, size_t i)
{
    return (double *)((char *)c + fitted[i].offset);
}

typedef struct fit {
    const tim_gpu *gpu;
    const tim_sample *sample;
    const bool *out; /* of the fit; NULL: all are in */
    int n;
    tim_constants estimate;
    double *error;   /* room for n */
} fit;

static double error_of(const fit *f, const tim_sample *s)
{
    tim_estimate e;
    tim_model(f->gpu, s->launch, s->n, s->flops, s->min_bytes, &e);
    return fabs(log(e.seconds / s->seconds));
}

/* The constants are in force while the model is asked; the caller puts back what was. */
static double cost(const fit *f, const tim_constants *c)
{
    double sum = 0, pull = 0;
    int n = 0;
    tim_constants_use(f->gpu, c);
    for (int i = 0; i < f->n; i++)
        if (!f->out || !f->out[i]) {
            sum += error_of(f, &f->sample[i]);
            n++;
        }
    for (size_t i = 0; i < WS_COUNT(fitted); i++) {
        tim_constants here = *c, there = f->estimate;
        pull += fabs(log(*value_of(&here, i) / *value_of(&there, i)));
    }
    return sum / (n ? n : 1) + PULL * pull;
}

/* The best value of constant `i`, the others held: golden section in its logarithm. */
static void search(const fit *f, tim_constants *c, size_t i)
{
    const double ratio = 0.6180339887498949;
    double lo = log(fitted[i].least), hi = log(fitted[i].most);
    tim_constants best = *c;
    double least = cost(f, c);
    for (int k = 0; k < STEPS; k++) {
        const double at[] = {hi - ratio * (hi - lo), lo + ratio * (hi - lo)};
        double got[2];
        for (int j = 0; j < 2; j++) {
            tim_constants trial = *c;
            *value_of(&trial, i) = exp(at[j]);
            got[j] = cost(f, &trial);
            if (got[j] < least) {
                least = got[j];
                best = trial;
            }
        }
        *(got[0] < got[1] ? &hi : &lo) = got[0] < got[1] ? at[1] : at[0];
    }
    *c = best;
}

/* One constant after the other, until a round changes nothing. */
static tim_constants minimise(const fit *f)
{
    tim_constants c = f->estimate;
    double before = cost(f, &c);
    for (int r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < WS_COUNT(fitted); i++)
            search(f, &c, i);
        const double now = cost(f, &c);
        if (before - now < 1e-6)
            break;
        before = now;
    }
    return c;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double median_error(fit *f, const tim_constants *c)
{
    tim_constants_use(f->gpu, c);
    for (int i = 0; i < f->n; i++)
        f->error[i] = error_of(f, &f->sample[i]);
    return median(f->error, f->n);
}

/* By its name, so that one kernel at several shapes is never on both sides. */
static int fold_of(const char *name)
{
    unsigned h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return (int)(h >> 8) % FOLDS;
}

/* Each fold is told by constants that were fitted to the others. */
static double left_out_error(const fit *all)
{
    fit f = *all;
    bool *out = ws_calloc((size_t)f.n, sizeof *out);
    double *error = ws_malloc((size_t)f.n * sizeof *error);
    int n = 0;
    for (int fold = 0; fold < FOLDS; fold++) {
        int left = 0;
        for (int i = 0; i < f.n; i++)
            left += out[i] = fold_of(f.sample[i].name) == fold;
        if (!left || left == f.n)
            continue;
        f.out = out;
        const tim_constants c = minimise(&f);
        tim_constants_use(f.gpu, &c);
        for (int i = 0; i < f.n; i++)
            if (out[i])
                error[n++] = error_of(&f, &f.sample[i]);
    }
    const double m = n ? median(error, n) : (double)INFINITY;
    free(out);
    free(error);
    return m;
}

ws_status tim_fit(const tim_gpu *gpu, const tim_sample *sample, int n, tim_fit_result *out,
                  ws_err *err)
{
    const tim_constants was = tim_constants_of(gpu);
    if (n < TIM_FEWEST_SAMPLES)
        return ws_fail(err, WS_EINPUT,
                       "%d kernels with times are too few to fit to, at least %d are needed", n,
                       TIM_FEWEST_SAMPLES);
    for (int i = 0; i < n; i++)
        if (!(sample[i].seconds > 0) || !isfinite(sample[i].seconds))
            return ws_fail(err, WS_EINPUT, "'%s': %g is no time", sample[i].name,
                           sample[i].seconds);
    fit f = {.gpu = gpu, .sample = sample, .n = n, .estimate = tim_constants_default(gpu),
             .error = ws_malloc((size_t)n * sizeof(double))};
    out->before = median_error(&f, &f.estimate);
    out->constants = minimise(&f);
    out->after = median_error(&f, &out->constants);
    out->constants.error = left_out_error(&f);
    out->constants.calibrated = true;
    out->constants.samples = n;
    tim_constants_use(gpu, &was);
    free(f.error);
    return WS_OK;
}
