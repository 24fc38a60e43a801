/* A few points spread over the space, then what a surrogate expects most of: the largest expected
 * improvement of the logarithm of the best time (Jones, Schonlau & Welch, 1998), times the chance
 * that the point can be used at all. Points of one batch are chosen as if those before them had come
 * out as predicted. */
#include "agent/tune/search.h"

#include "agent/tune/space.h"
#include "agent/tune/surrogate.h"
#include "agent/tune/table.h"
#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEARN_MAX = 320,  /* points that the surrogate learns from */
    FIRST_STEPS = 40, /* of its lengths, and then */
    STEPS = 8,
    SCORED = 768      /* points whose certainty is asked for, the most promising by their mean */
};

struct tune_search {
    const plan *plan;
    tune_options o;
    tune_space space;
    tune_table told;
    int *told_at;      /* of each told row, its index in the list */
    tune_surrogate *model;
    bool *asked;       /* per point of the space's list */
    int n_asked_flags;
    int n_asked, n_design;
    int *batch;        /* indexes into the list */
    int n_batch, n_told;
    int64_t *rows;
    uint64_t draws;
    bool fitted;
};

static double uniform(tune_search *t)
{
    return ws_philox_uniform(t->o.seed, 0x7475, t->draws++);
}

static void note_size(tune_search *t)
{
    if (t->n_asked_flags >= t->space.n)
        return;
    t->asked = ws_realloc(t->asked, (size_t)t->space.n * sizeof *t->asked);
    memset(t->asked + t->n_asked_flags, 0, (size_t)(t->space.n - t->n_asked_flags));
    t->n_asked_flags = t->space.n;
}

static int default_point(const tune_search *t)
{
    int64_t row[PLAN_MAX_TUNE];
    for (int k = 0; k < t->plan->n_tune; k++)
        row[k] = t->plan->tune[k].value[0];
    return tune_space_find(&t->space, row);
}

static int points_of_design(const tune_search *t)
{
    const char*e=getenv("DES"); int n = 4 + (e?atoi(e):2) * t->plan->n_tune;
    return n < t->o.max_points / 3 ? n : t->o.max_points / 3 + 1;
}

tune_search *tune_search_new(const plan *p, const ws_env *dims, const tune_options *o,
                             const tune_result *base)
{
    tune_search *t = ws_calloc(1, sizeof *t);
    *t = (tune_search){.plan = p, .o = *o, .told = {.width = p->n_tune}};
    tune_space_init(&t->space, p, dims, o->seed);
    if (t->o.batch < 1)
        t->o.batch = 1;
    if (t->o.max_points < 1) {
        double quarter = ceil(t->space.count / 4);
        t->o.max_points = (int)fmin(fmax(quarter, 32), 256);
    }
    t->model = tune_surrogate_new(t->space.n_features);
    t->batch = ws_calloc((size_t)t->o.batch, sizeof *t->batch);
    t->rows = ws_calloc((size_t)t->o.batch * (size_t)p->n_tune + 1, sizeof *t->rows);
    t->n_design = points_of_design(t);
    note_size(t);
    int first = base ? default_point(t) : -1;
    if (first >= 0) {
        t->asked[first] = true;
        t->n_asked++;
        tune_search_tell(t, tune_space_row(&t->space, first), base);
    }
    return t;
}

void tune_search_free(tune_search *t)
{
    if (!t)
        return;
    tune_space_release(&t->space);
    tune_table_release(&t->told);
    tune_surrogate_free(t->model);
    free(t->asked);
    free(t->told_at);
    free(t->batch);
    free(t->rows);
    free(t);
}

/* ---- the first points ---- */

static double apart(const tune_search *t, int a, int b)
{
    const double *x = tune_space_feature(&t->space, a), *y = tune_space_feature(&t->space, b);
    double d = 0;
    for (int f = 0; f < t->space.n_features; f++)
        d += (x[f] - y[f]) * (x[f] - y[f]);
    return d;
}

/* Of some points at random the one that is farthest from all that were asked for. */
static int spread_point(tune_search *t)
{
    enum { TRIES = 24 };
    int best = -1;
    double farthest = -1;
    for (int i = 0; i < TRIES; i++) {
        int at = (int)(uniform(t) * t->space.n);
        double nearest = INFINITY;
        if (t->asked[at])
            continue;
        for (int j = 0; j < t->told.n; j++)
            nearest = fmin(nearest, apart(t, at, t->told_at[j]));
        for (int j = 0; j < t->n_batch; j++)
            nearest = fmin(nearest, apart(t, at, t->batch[j]));
        if (nearest > farthest) {
            farthest = nearest;
            best = at;
        }
    }
    for (int at = 0; best < 0 && at < t->space.n; at++)
        if (!t->asked[at])
            best = at;
    return best;
}

/* ---- what the surrogate expects ---- */

static double P(const char *n, double d){ const char *e=getenv(n); return e?atof(e):d; }
static void learn(tune_search *t)
{
    const double delta = P("DELTA", 0.03);
    const double tmin = tune_table_best(&t->told) >= 0 ? t->told.result[tune_table_best(&t->told)].seconds : 1;
    const int d = t->space.n_features;
    double *x = ws_malloc((size_t)(t->told.n + 1) * (size_t)(d + 1) * sizeof *x);
    double *y = ws_malloc((size_t)(t->told.n + 1) * sizeof *y);
    int n = 0;
    for (int i = 0; i < t->told.n; i++) {
        const int at = t->told_at[i];
        if (!t->told.result[i].right)
            continue;
        memcpy(x + (size_t)n * (size_t)d, tune_space_feature(&t->space, at), (size_t)d * sizeof *x);
        y[n++] = delta > 0 ? log(t->told.result[i].seconds / tmin - 1 + delta) : log(t->told.result[i].seconds);
    }
    t->fitted = n > 1;
    if (t->fitted)
        tune_surrogate_fit(t->model, x, y, n, t->n_told <= t->n_design ? FIRST_STEPS : STEPS);
    free(x);
    free(y);
}

/* That a point can be used, from how many near it can. */
static double chance(const tune_search *t, int at)
{
    double good = 1, all = 1;
    for (int i = 0; i < t->told.n; i++) {
        double w = exp(-8 * apart(t, at, t->told_at[i]));
        all += w;
        good += t->told.result[i].right ? w : 0;
    }
    return good / all;
}

static double improvement(double best, double mean, double sd)
{
    const double z = (best - mean) / sd;
    return (best - mean) * 0.5 * erfc(-z / sqrt(2)) + sd * exp(-z * z / 2) / sqrt(2 * 3.14159265358979);
}

static int promising_point(tune_search *t)
{
    const double delta = P("DELTA", 0.03);
    const double best = delta > 0 ? log(delta) : log(t->told.result[tune_table_best(&t->told)].seconds);
    int chosen = -1;
    double most = -1;
    for (int i = 0; i < t->space.n; i++) {
        double mean, sd;
        if (t->asked[i])
            continue;
        tune_surrogate_predict(t->model, tune_space_feature(&t->space, i), &mean, &sd);
        double value = improvement(best, mean, sd) * chance(t, i);
        if (value > most) {
            most = value;
            chosen = i;
        }
    }
    return chosen;
}

/* ---- ask and tell ---- */

int tune_search_ask(tune_search *t, const int64_t **rows)
{
    t->n_batch = 0;
    if (t->n_asked >= t->n_design)
        learn(t);
    while (t->n_batch < t->o.batch && t->n_asked < t->o.max_points) {
        int at = t->n_asked == 0 ? default_point(t) : -1;
        if (at < 0 && (t->n_asked < t->n_design || !t->fitted))
            at = spread_point(t);
        else if (at < 0)
            at = promising_point(t);
        if (at < 0)
            break;
        if (t->fitted)
            tune_surrogate_believe(t->model, tune_space_feature(&t->space, at));
        t->asked[at] = true;
        t->n_asked++;
        memcpy(t->rows + (size_t)t->n_batch * (size_t)t->plan->n_tune, tune_space_row(&t->space, at),
               (size_t)t->plan->n_tune * sizeof *t->rows);
        t->batch[t->n_batch++] = at;
    }
    *rows = t->rows;
    return t->n_batch;
}

void tune_search_tell(tune_search *t, const int64_t *row, const tune_result *r)
{
    const int at = tune_space_find(&t->space, row), had = t->told.n;
    if (at < 0)
        ws_bug("a tune search was told of a point that is not in its space");
    const int i = tune_table_put(&t->told, row, r);
    if (i < had)
        return;
    t->told_at = ws_realloc(t->told_at, (size_t)t->told.cap * sizeof *t->told_at);
    t->told_at[i] = at;
    t->n_told++;
}

const int64_t *tune_search_best(const tune_search *t, tune_result *out)
{
    int best = tune_table_best(&t->told);
    if (best < 0)
        return NULL;
    *out = t->told.result[best];
    return tune_table_row(&t->told, best);
}

void tune_search_report(const tune_search *t, int max_lines, ws_buf *out)
{
    tune_table_report(t->plan, &t->told, max_lines, out);
}

void tune_search_counts(const tune_search *t, int64_t *space, int *asked, int *right)
{
    *space = (int64_t)t->space.count;
    *asked = t->n_asked;
    *right = 0;
    for (int i = 0; i < t->told.n; i++)
        *right += t->told.result[i].right;
}
