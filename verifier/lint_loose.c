/* Loose trials at larger shapes than the check shape's: some flaws come with size. What no wide
 * shape shows is measured at a series of them and extrapolated to the benchmark's. */
#include "verifier/lint_bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The straight line through the logarithms must fall by SLOPE a doubling or more, and pass them
 * this near. */
#define SLOPE    0.2
#define RESIDUAL 0.35
/* Elements that differ by no more of 1e-2 from one number "hardly differ". */
#define HARDLY 2.0

static void append(char *text, size_t size, const char *fmt, ...) WS_PRINTF(3, 4);
static void append(char *text, size_t size, const char *fmt, ...)
{
    size_t n = strlen(text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + n, size - n, fmt, ap);
    va_end(ap);
}

static void append_dims(char *text, size_t size, const ws_env *env)
{
    ws_buf dims = {0};
    spec_env_print(env, &dims);
    append(text, size, "%s", ws_buf_z(&dims));
    ws_buf_release(&dims);
}

static int64_t elements(const lint_lab *b)
{
    int64_t n = 0;
    for (int o = 0; o < b->g->n_outputs; o++)
        n = b->c.want[o].shape.count > n ? b->c.want[o].shape.count : n;
    return n;
}

/* How far from passing, in units of allclose(1e-2, 1e-2). */
static double measure(const lint_lab *b, const lint_trial *t)
{
    double d = 0;
    bool right = lint_attempt(b, t, &d);
    return right || d > 1 ? d : (double)INFINITY;
}

/* What y[i], at i halvings, is `times` doublings before y[0]; infinity: no line goes through. Sums
 * of random terms fall by 1/2: a slope that is that within two standard errors, when each y is the
 * root of a mean square over `samples`, is taken for it. */
static double extrapolate(const double *y, int n, int times, int64_t samples)
{
    double w_sum = 0, x_mean = 0, y_mean = 0, xy = 0, xx = 0;
    for (int i = 0; i < n; i++) {
        if (!(y[i] > 0) || !isfinite(y[i]))
            return (double)INFINITY;
        w_sum += n - i; /* the larger shapes say more */
        x_mean += (n - i) * i;
        y_mean += (n - i) * log2(y[i]);
    }
    x_mean /= w_sum;
    y_mean /= w_sum;
    for (int i = 0; i < n; i++) {
        xy += (n - i) * (i - x_mean) * (log2(y[i]) - y_mean) / w_sum * n;
        xx += (n - i) * (i - x_mean) * (i - x_mean) / w_sum * n;
    }
    double slope = xy / xx;
    if (fabs(slope - 0.5) <= 2 / (log(2) * sqrt(2 * (double)samples * xx)))
        slope = 0.5;
    for (int i = 0; i < n; i++)
        if (!(fabs(y_mean + slope * (i - x_mean) - log2(y[i])) <= RESIDUAL))
            return (double)INFINITY;
    return slope >= SLOPE ? exp2(y_mean + slope * (-times - x_mean)) : (double)INFINITY;
}

/* *known: the benchmark's is known, whatever it is. */
static bool try_series(linter *l, const lint_trial *t, bool summed_only, lint_kind *kind,
                       bool *known, char *text, size_t size)
{
    enum { FEW = 16 }; /* of fewer elements a spread is not known */
    const lint_series *s = lint_open_series(l, summed_only);
    double y[LINT_SERIES];
    bool constant = t->kind == LINT_LOOSE_CONSTANT;
    lint_trial estimate = *t;
    estimate.estimated = true;
    if (s->n < 3 || elements(&s->lab[s->n - 1]) < FEW)
        return false;
    for (int i = 0; i < s->n; i++)
        y[i] = measure(&s->lab[i], &estimate);
    double at = extrapolate(y, s->n, s->times, elements(&s->lab[0]));
    *known = isfinite(at);
    if (!(at <= 1) && !(constant && at <= HARDLY))
        return false;
    *kind = at <= 1 ? t->kind : LINT_LOOSE_SPREAD;
    append(text, size, " at the benchmark shape: differences fall from %.3g times 1e-2 (at ", y[2]);
    append_dims(text, size, &s->lab[2].env);
    append(text, size, ") to %.3g (at ", y[0]);
    append_dims(text, size, &s->lab[0].env);
    append(text, size, ") to %.2g there, by extrapolation", at);
    return true;
}

bool lint_attempt_wider(linter *l, const lint_trial *t, lint_kind *kind, char *text, size_t size)
{
    *text = 0;
    *kind = t->kind;
    for (int k = 0; k < LINT_MAX_WIDE; k++)
        if ((k < 2 || lint_seconds(l) < l->seconds / 2) && lint_open_wide(l, k) &&
            measure(&l->wide[k], t) <= 1) {
            append(text, size, " at ");
            append_dims(text, size, &l->wide[k].env);
            return true;
        }
    bool known = false;
    for (int summed_only = 1; summed_only >= 0 && !known; summed_only--)
        if (lint_seconds(l) < l->seconds / 2 &&
            try_series(l, t, summed_only, kind, &known, text, size))
            return true;
    return false;
}
