/* A few points spread over the space, then what a surrogate expects most of: the largest expected
 * improvement of the best time (Jones, Schonlau & Welch, 1998), times the chance that the point can
 * be used at all. Every fourth point is the most promising one that differs from the best in one
 * tunable, so that the best is no worse than its neighbours when there is time to look. Points of
 * one batch are chosen as if those before them had come out as predicted.
 *
 * The surrogate learns log(time / best - 1 + near). Kernels meet at a floor, the memory's mostly,
 * and what tells the fast ones apart is their distance from it, not the time itself; `near` is the
 * distance of the fast eighth of what was told.
 *
 * Exact times (modelled ones) are asked for once. With noise the last third of the points are
 * repeats, as in successive halving: of the fastest eight once, of four twice, of two as often as
 * is left. */
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
    FIRST_STEPS = 40, /* of its lengths, and later */
    STEPS = 8,
    SCORED = 512, /* points whose certainty is asked for */
    LOCAL_EVERY = 4
};

static const double NEAR_LEAST = 3e-4, NEAR_MOST = 0.03;
static const double LEAST_CHANCE = 1e-3, UNSURE = 0.1; /* of a point's being usable */

typedef struct ranked {
    int at;
    double key;
} ranked;

struct tune_search {
    const plan *plan;
    tune_options o;
    tune_space space;
    tune_table told;
    int *told_at;                 /* of each told row, its index in the space's list */
    int *times;                   /* how often it was told */
    tune_surrogate *model, *odds; /* of times; of being usable */
    bool some_wrong;
    bool *asked; /* per point of the space's list */
    int n_flags;
    int n_asked, n_design, n_search; /* points of the first phase, and before repeats begin */
    ranked *list;                    /* what this batch is chosen from, NULL until it is needed */
    int n_list;
    int *batch;              /* indexes into the list */
    int n_batch, batch_from; /* from which told row on the batch's rows stand */
    int64_t *rows;
    int *repeats, n_repeats, next_repeat, round; /* told rows that are asked for again */
    uint64_t draws;
    bool fitted;
    double near; /* of the fit, see above */
};

static double uniform(tune_search *t)
{
    return ws_philox_uniform(t->o.seed, 0x7475, t->draws++);
}

/* The list may have grown. */
static void keep_flags(tune_search *t)
{
    if (t->n_flags >= t->space.n)
        return;
    t->asked = ws_realloc(t->asked, (size_t)t->space.n * sizeof *t->asked);
    memset(t->asked + t->n_flags, 0, (size_t)(t->space.n - t->n_flags));
    t->n_flags = t->space.n;
}

static int default_point(const tune_search *t)
{
    int64_t row[PLAN_MAX_TUNE];
    for (int k = 0; k < t->plan->n_tune; k++)
        row[k] = t->plan->tune[k].value[0];
    return tune_space_find(&t->space, row);
}

/* A quarter of a space of some hundreds, all of a small one. */
static int usual_points(double space)
{
    enum { LEAST = 32, MOST = 256 };
    const double quarter = floor(space / 4);
    return quarter < LEAST ? LEAST : quarter > MOST ? MOST : (int)quarter;
}

tune_search *tune_search_new(const plan *p, const ws_env *dims, const tune_options *o,
                             const tune_result *base)
{
    tune_search *t = ws_calloc(1, sizeof *t);
    *t = (tune_search){.plan = p, .o = *o, .told = {.width = p->n_tune}};
    tune_space_init(&t->space, p, dims, o->seed);
    if (t->o.batch < 1)
        t->o.batch = 1;
    if (t->o.max_points < 1)
        t->o.max_points = usual_points(t->space.count);
    if (t->space.whole && !(t->o.noise > 0) && t->o.max_points > t->space.n)
        t->o.max_points = t->space.n > 0 ? t->space.n : 1;
    t->n_search = t->o.noise > 0 ? t->o.max_points - t->o.max_points / 3 : t->o.max_points;
    t->n_design = 4 + 2 * p->n_tune;
    if (t->n_design > t->n_search / 3 + 1)
        t->n_design = t->n_search / 3 + 1;
    t->model = tune_surrogate_new(t->space.n_features);
    t->odds = tune_surrogate_new(t->space.n_features);
    t->batch = ws_calloc((size_t)t->o.batch, sizeof *t->batch);
    t->rows = ws_calloc((size_t)t->o.batch * (size_t)p->n_tune + 1, sizeof *t->rows);
    t->repeats = ws_calloc((size_t)(t->o.max_points - t->n_search) + 1, sizeof *t->repeats);
    keep_flags(t);
    int first = base ? default_point(t) : -1;
    if (first >= 0) {
        t->asked[first] = true;
        t->n_asked++;
        tune_search_tell(t, tune_space_row(&t->space, first), base);
        t->batch_from = 1;
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
    tune_surrogate_free(t->odds);
    free(t->told_at);
    free(t->times);
    free(t->asked);
    free(t->list);
    free(t->batch);
    free(t->rows);
    free(t->repeats);
    free(t);
}

static double apart(const tune_search *t, int a, int b)
{
    const double *x = tune_space_feature(&t->space, a), *y = tune_space_feature(&t->space, b);
    double d = 0;
    for (int f = 0; f < t->space.n_features; f++)
        d += (x[f] - y[f]) * (x[f] - y[f]);
    return d;
}

/* ---- what the surrogate expects ---- */

static double best_seconds(const tune_search *t)
{
    int best = tune_table_best(&t->told);
    return best < 0 ? (double)NAN : t->told.result[best].seconds;
}

static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key ? 1 : x->at - y->at;
}

/* Told rows that are right, fastest first; malloc'ed. */
static ranked *fastest(const tune_search *t, int *n)
{
    ranked *r = ws_malloc((size_t)(t->told.n + 1) * sizeof *r);
    *n = 0;
    for (int i = 0; i < t->told.n; i++)
        if (t->told.result[i].right)
            r[(*n)++] = (ranked){i, t->told.result[i].seconds};
    qsort(r, (size_t)*n, sizeof *r, by_key);
    return r;
}

/* How far the fast eighth is from the best: r[n], fastest first. */
static double resolution(const tune_search *t, const ranked *r, int n)
{
    const int eighth = 2 + n / 8 < n ? 2 + n / 8 : n - 1;
    if (n < 1)
        return NEAR_MOST;
    const double excess =
        t->told.result[r[eighth].at].seconds / t->told.result[r[0].at].seconds - 1;
    return fmin(fmax(fmax(excess, t->o.noise), NEAR_LEAST), NEAR_MOST);
}

static void learn(tune_search *t)
{
    const int d = t->space.n_features;
    const double least = best_seconds(t);
    int n;
    ranked *r = fastest(t, &n);
    for (int i = 0; i < n && i < 3; i++)
        tune_space_add_neighbours(&t->space, tune_table_row(&t->told, r[i].at));
    keep_flags(t);
    t->near = resolution(t, r, n);
    n = n < LEARN_MAX ? n : LEARN_MAX;
    double *x = ws_malloc((size_t)(n + 1) * (size_t)(d + 1) * sizeof *x);
    double *y = ws_malloc((size_t)(n + 1) * sizeof *y);
    for (int i = 0; i < n; i++) {
        memcpy(x + (size_t)i * (size_t)d, tune_space_feature(&t->space, t->told_at[r[i].at]),
               (size_t)d * sizeof *x);
        y[i] = log(t->told.result[r[i].at].seconds / least - 1 + t->near);
    }
    if (n > 1)
        tune_surrogate_fit(t->model, x, y, n, t->fitted ? STEPS : FIRST_STEPS);
    t->fitted = n > 1;
    free(r);
    free(x);
    free(y);
}

/* Which points can be used, as values of 0 and 1 to a surrogate of its own, which finds the
 * tunables that matter for that. */
static void learn_odds(tune_search *t)
{
    const int d = t->space.n_features, n = t->told.n < LEARN_MAX ? t->told.n : LEARN_MAX;
    const int from = t->told.n - n;
    int wrong = 0;
    double *x = ws_malloc((size_t)(n + 1) * (size_t)(d + 1) * sizeof *x);
    double *y = ws_malloc((size_t)(n + 1) * sizeof *y);
    for (int i = 0; i < n; i++) {
        memcpy(x + (size_t)i * (size_t)d, tune_space_feature(&t->space, t->told_at[from + i]),
               (size_t)d * sizeof *x);
        y[i] = t->told.result[from + i].right;
        wrong += !t->told.result[from + i].right;
    }
    t->some_wrong = wrong > 0;
    if (t->some_wrong)
        tune_surrogate_fit(t->odds, x, y, n, STEPS);
    free(x);
    free(y);
}

/* That a point can be used. */
static double chance(const tune_search *t, int at)
{
    double mean, sd;
    if (!t->some_wrong)
        return 1;
    tune_surrogate_predict(t->odds, tune_space_feature(&t->space, at), &mean, &sd);
    const double p = 0.5 * erfc((0.5 - mean) / (sqrt(2) * (sd + UNSURE)));
    return fmax(p, LEAST_CHANCE);
}

/* ---- the first points ---- */

/* Of some points at random the one that is farthest from all that were asked for, and can probably
 * be used. */
static int spread_point(tune_search *t)
{
    enum { TRIES = 24 };
    int best = -1;
    double farthest = -1;
    for (int i = 0; i < TRIES && t->space.n; i++) {
        int at = (int)(uniform(t) * t->space.n);
        double nearest = INFINITY;
        if (t->asked[at])
            continue;
        for (int j = 0; j < t->told.n; j++)
            nearest = fmin(nearest, apart(t, at, t->told_at[j]));
        for (int j = 0; j < t->n_batch; j++)
            nearest = fmin(nearest, apart(t, at, t->batch[j]));
        if (isfinite(nearest))
            nearest *= chance(t, at);
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

/* ---- what is expected of a point ---- */

static double improvement(double best, double mean, double sd)
{
    static const double ROOT_2PI = 2.5066282746310002;
    const double z = (best - mean) / sd;
    return (best - mean) * 0.5 * erfc(-z / sqrt(2)) + sd * exp(-z * z / 2) / ROOT_2PI;
}

/* The points worth a closer look: all that are left, or the most promising and some at random. What
 * is believed changes no mean, so that one list does for a batch. */
static void make_shortlist(tune_search *t)
{
    int n = 0;
    ranked *list = ws_malloc((size_t)(t->space.n + 1) * sizeof *list);
    for (int i = 0; i < t->space.n; i++)
        if (!t->asked[i])
            list[n++] = (ranked){i, 0};
    t->list = list;
    t->n_list = n < SCORED ? n : SCORED;
    if (n <= SCORED)
        return;
    for (int i = 0; i < n; i++)
        list[i].key = tune_surrogate_mean(t->model, tune_space_feature(&t->space, list[i].at));
    qsort(list, (size_t)n, sizeof *list, by_key);
    for (int i = SCORED / 4 * 3; i < SCORED; i++) {
        int other = i + (int)(uniform(t) * (n - i));
        ranked swap = list[i];
        list[i] = list[other];
        list[other] = swap;
    }
}

static int promising_point(tune_search *t)
{
    const double best = log(t->near);
    int chosen = -1;
    double most = -1, mean, sd;
    if (!t->list)
        make_shortlist(t);
    for (int i = 0; i < t->n_list; i++) {
        const int at = t->list[i].at;
        if (t->asked[at])
            continue;
        tune_surrogate_predict(t->model, tune_space_feature(&t->space, at), &mean, &sd);
        double value = improvement(best, mean, sd) * chance(t, at);
        if (value > most) {
            most = value;
            chosen = at;
        }
    }
    return chosen;
}

/* The best told point with one tunable changed: what the surrogate likes most of that; -1: none is
 * left. */
static int local_point(tune_search *t)
{
    const int64_t *best = tune_table_row(&t->told, tune_table_best(&t->told));
    int chosen = -1;
    double least = INFINITY;
    for (int i = 0; i < t->space.n; i++) {
        const int64_t *row = tune_space_row(&t->space, i);
        int differ = 0;
        for (int k = 0; k < t->plan->n_tune; k++)
            differ += row[k] != best[k];
        if (t->asked[i] || differ != 1)
            continue;
        double mean = tune_surrogate_mean(t->model, tune_space_feature(&t->space, i));
        mean -= log(chance(t, i));
        if (mean < least) {
            least = mean;
            chosen = i;
        }
    }
    return chosen;
}

/* ---- repeats of noisy times ---- */

static void plan_repeats(tune_search *t)
{
    static const struct {
        int finalists, times; /* 0: as often as is left */
    } rounds[] = {{8, 1}, {4, 2}, {2, 0}};
    const int left = t->o.max_points - t->n_asked;
    const int round = t->round < (int)WS_COUNT(rounds) ? t->round++ : (int)WS_COUNT(rounds) - 1;
    const int finalists = rounds[round].finalists;
    const int times = rounds[round].times ? rounds[round].times : left / finalists;
    int n;
    ranked *r = fastest(t, &n);
    t->next_repeat = 0;
    t->n_repeats = 0;
    for (int again = 0; again < times; again++)
        for (int i = 0; i < finalists && i < n && t->n_repeats < left; i++)
            t->repeats[t->n_repeats++] = r[i].at;
    free(r);
}

static int next_repeat(tune_search *t)
{
    return t->next_repeat < t->n_repeats ? t->told_at[t->repeats[t->next_repeat++]] : -1;
}

/* ---- ask and tell ---- */

static int next_point(tune_search *t)
{
    if (t->n_asked >= t->n_search)
        return next_repeat(t);
    int at = t->n_asked == 0 ? default_point(t) : -1;
    if (at < 0 && (t->n_asked < t->n_design || !t->fitted))
        return spread_point(t);
    if (at < 0 && t->n_asked % LOCAL_EVERY == 0)
        at = local_point(t);
    return at < 0 ? promising_point(t) : at;
}

/* The last batch in the order in which it was asked for, whatever the order in which it was told:
 * what follows depends on that order by rounding. */
static void sort_batch(tune_search *t)
{
    int to = t->batch_from;
    for (int b = 0; b < t->n_batch; b++) {
        int i = to;
        while (i < t->told.n && t->told_at[i] != t->batch[b])
            i++;
        if (i == t->told.n)
            continue; /* a repeat, or never told */
        tune_table_swap(&t->told, i, to);
        int at = t->told_at[i], times = t->times[i];
        t->told_at[i] = t->told_at[to];
        t->times[i] = t->times[to];
        t->told_at[to] = at;
        t->times[to++] = times;
    }
    t->batch_from = t->told.n;
}

int tune_search_ask(tune_search *t, const int64_t **rows)
{
    const size_t width = (size_t)t->plan->n_tune;
    sort_batch(t);
    t->n_batch = 0;
    free(t->list);
    t->list = NULL;
    if (t->n_asked >= t->n_search) {
        if (t->next_repeat == t->n_repeats)
            plan_repeats(t);
    } else if (t->n_asked >= t->n_design) {
        learn(t);
        learn_odds(t);
    }
    while (t->n_batch < t->o.batch && t->n_asked < t->o.max_points) {
        int at = next_point(t);
        if (at < 0)
            break;
        if (t->fitted && !t->asked[at])
            tune_surrogate_believe(t->model, tune_space_feature(&t->space, at));
        t->asked[at] = true;
        t->n_asked++;
        memcpy(t->rows + (size_t)t->n_batch * width, tune_space_row(&t->space, at),
               width * sizeof *t->rows);
        t->batch[t->n_batch++] = at;
    }
    *rows = t->rows;
    return t->n_batch;
}

void tune_search_tell(tune_search *t, const int64_t *row, const tune_result *r)
{
    const int at = tune_space_find(&t->space, row), had = tune_table_find(&t->told, row);
    if (at < 0)
        ws_bug("a tune search was told of a point that is not in its space");
    if (had >= 0) {
        tune_result mean = *r;
        const int times = ++t->times[had];
        if (r->right && t->told.result[had].right && t->o.noise > 0)
            mean.seconds =
                t->told.result[had].seconds + (r->seconds - t->told.result[had].seconds) / times;
        t->told.result[had] = mean;
        return;
    }
    const int i = tune_table_put(&t->told, row, r);
    t->told_at = ws_realloc(t->told_at, (size_t)t->told.cap * sizeof *t->told_at);
    t->times = ws_realloc(t->times, (size_t)t->told.cap * sizeof *t->times);
    t->told_at[i] = at;
    t->times[i] = 1;
}

/* Of noisy times, those that were repeated most. */
const int64_t *tune_search_best(const tune_search *t, tune_result *out)
{
    int best = -1, most = 0;
    for (int i = 0; i < t->told.n; i++)
        if (t->told.result[i].right && t->times[i] > most)
            most = t->times[i];
    if (t->o.noise > 0)
        for (int i = 0; i < t->told.n; i++) {
            bool final = t->told.result[i].right && t->times[i] >= most - 1;
            if (final && (best < 0 || t->told.result[i].seconds < t->told.result[best].seconds))
                best = i;
        }
    else
        best = tune_table_best(&t->told);
    if (best < 0)
        return NULL;
    *out = t->told.result[best];
    return tune_table_row(&t->told, best);
}

void tune_search_report(const tune_search *t, int max_lines, ws_buf *out)
{
    ws_buf point = {0};
    int64_t space;
    int asked, right;
    tune_result r;
    const int64_t *best = tune_search_best(t, &r);
    tune_search_counts(t, &space, &asked, &right);
    ws_buf_printf(out, "%lld of %s%lld points judged, %d usable\n", (long long)t->told.n,
                  t->space.whole ? "" : "about ", (long long)space, right);
    if (best && max_lines > 1) {
        tune_row_print(t->plan, best, &point);
        ws_buf_printf(out,
                      "best %s: %.4g us, %d registers, %d bytes of shared memory, %d spilled\n",
                      ws_buf_z(&point), 1e6 * r.seconds, r.facts.registers, r.facts.shared_bytes,
                      r.facts.spill_bytes);
        tune_table_report(t->plan, &t->told, max_lines - 2, out);
    }
    ws_buf_release(&point);
}

int tune_search_most(const tune_search *t)
{
    return t->o.max_points;
}

void tune_search_counts(const tune_search *t, int64_t *space, int *asked, int *right)
{
    *space = (int64_t)t->space.count;
    *asked = t->n_asked;
    *right = 0;
    for (int i = 0; i < t->told.n; i++)
        *right += t->told.result[i].right;
}
