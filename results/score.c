#include "results/score.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double res_fast_p[RES_FAST] = {0, 0.5, 0.8, 1, 1.5, 2};
const int res_pass_k[RES_PASS] = {1, 5, 10};

double res_speedup(const res_time *baseline, const res_time *best)
{
    bool known = baseline->seconds > 0 && best->seconds > 0 && isfinite(baseline->seconds) &&
                 isfinite(best->seconds) && baseline->kind && best->kind && baseline->gpu &&
                 best->gpu;
    if (!known || strcmp(baseline->kind, best->kind) != 0 || strcmp(baseline->gpu, best->gpu) != 0)
        return (double)NAN;
    return baseline->seconds / best->seconds;
}

double res_pass_at(int n, int c, int k)
{
    double none = 1; /* C(n - c, k) / C(n, k), factor by factor */
    if (n <= 0)
        return 0;
    if (n < k)
        return (double)NAN;
    for (int i = n - c + 1; i <= n; i++)
        none *= i > k ? 1 - (double)k / i : 0;
    return 1 - none;
}

/* ---- groups ---- */

static bool is_of(const char *wanted, const char *have)
{
    return !wanted || strcmp(wanted, have) == 0;
}

const char **res_groups(const res_set *s, ws_arena *a, int *n)
{
    const char **out = WS_ARENA_NEW(a, const char *, s->n + 1);
    *n = 0;
    for (int i = 0; i < s->n; i++) {
        int k = 0;
        while (k < *n && strcmp(out[k], s->problem[i].group) != 0)
            k++;
        if (k == *n)
            out[(*n)++] = s->problem[i].group;
    }
    return out;
}

res_arm *res_arms(const res_set *s, ws_arena *a, int *n)
{
    res_arm *out = WS_ARENA_NEW(a, res_arm, s->n + 1);
    *n = 0;
    for (int i = 0; i < s->n; i++) {
        const res_problem *p = &s->problem[i];
        int k = 0;
        while (k < *n &&
               (strcmp(out[k].model, p->model) != 0 || strcmp(out[k].strategy, p->strategy) != 0))
            k++;
        if (k == *n)
            out[(*n)++] = (res_arm){p->model, p->strategy};
    }
    return out;
}

/* ---- speed-ups ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    if (!n)
        return (double)NAN;
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Of those above `least`. */
static double geomean(const double *v, int n, double least)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++)
        if (v[i] > least) {
            sum += log(v[i]);
            count++;
        }
    return count ? exp(sum / count) : (double)NAN;
}

static double speedup_over(const res_problem *p, const char *baseline)
{
    for (int i = 0; i < p->n_baselines; i++)
        if (strcmp(p->baseline[i].name, baseline) == 0)
            return p->baseline[i].speedup;
    return (double)NAN;
}

/* ---- one score ---- */

static bool is_status(const res_problem *p, const char *status)
{
    return strcmp(p->status, status) == 0;
}

/* What needs no baseline. */
static void count(const res_problem *p, res_score *t)
{
    t->n++;
    t->failed += is_status(p, "failed");
    t->done += is_status(p, "done") || is_status(p, "limit");
    t->compiled += p->compiled;
    t->correct += p->correct;
    t->attempts += p->attempts;
    t->calls += p->calls;
    t->tokens += p->prompt_tokens + p->completion_tokens;
    t->usd += p->usd; /* NaN stays */
    if (isfinite(p->seconds))
        t->seconds += p->seconds;
    for (int i = 0; i < RES_PASS; i++)
        t->pass[i] += res_pass_at(p->attempts, p->attempts_correct, res_pass_k[i]);
}

void res_score_of(const res_set *s, const res_filter *f, const char *baseline, res_score *out)
{
    res_score t = {0};
    double *speedup = ws_calloc((size_t)s->n + 1, sizeof *speedup);
    for (int i = 0; i < s->n; i++) {
        const res_problem *p = &s->problem[i];
        if (p->flawed != f->flawed || !is_of(f->group, p->group) || !is_of(f->model, p->model) ||
            !is_of(f->strategy, p->strategy))
            continue;
        double x = p->correct ? speedup_over(p, baseline) : (double)NAN;
        count(p, &t);
        t.fast[0] += p->correct;
        for (int k = 1; k < RES_FAST; k++)
            t.fast[k] += x > res_fast_p[k];
        if (isfinite(x))
            speedup[t.compared++] = x;
    }
    t.geomean = geomean(speedup, t.compared, 0);
    t.geomean_faster = geomean(speedup, t.compared, 1);
    t.median = median(speedup, t.compared);
    for (int i = 0; i < RES_PASS; i++)
        t.pass[i] = t.n ? t.pass[i] / t.n : (double)NAN;
    free(speedup);
    *out = t;
}
