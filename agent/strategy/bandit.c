#include "agent/strategy/bandit.h"

#include "agent/strategy/past.h"
#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A kernel that passes is worth something even when it is not faster: 1 % of speed. */
#define PASS_GAIN 0.01
/* Of the dollars, divided over all arms without regard to their gains. */
#define FREE_SHARE 0.1
/* Of UCB1's bonus sqrt(2 ln N / n) in units of the mean gain. Larger explores more; at 0.4 the
 * better of two models whose gains per dollar are 2 : 1 has about nine of the first ten dozen calls
 * out of ten (tests/t_agent_bandit.c). */
#define BONUS 0.4

enum { STREAM = 0xba4d17 }; /* of random numbers */

typedef struct arm {
    int turns;
    double gain; /* sum */
    double usd;  /* mean of a turn; of an arm without turns, what others suggest */
} arm;

/* ---- what the view tells of an arm ---- */

static double seconds_of(const strat_view *v, int attempt)
{
    return attempt >= 0 && strat_passed(&v->attempt[attempt])
               ? strat_seconds(v->attempt[attempt].candidate)
               : (double)NAN;
}

/* Of all kernels of earlier turns. */
static double best_before(const strat_view *v, int turn)
{
    double best = (double)NAN;
    for (int i = 0; i < v->n_attempts; i++)
        if (v->attempt[i].turn < turn)
            best = fmin(best, seconds_of(v, i)); /* fmin of a NaN is the other */
    return best;
}

static double gain_of(const strat_view *v, const strat_turn *t)
{
    double after = seconds_of(v, strat_result(v, t));
    double before = seconds_of(v, t->step.subject);
    if (!(after > 0))
        return 0;
    if (isnan(before))
        before = best_before(v, t->turn);
    double gain = before > 0 ? log(before / after) : 0;
    return PASS_GAIN + fmax(gain, 0);
}

/* Tokens of a call are about the same for every model: prices tell what an arm without turns costs,
 * in the proportion of a few thousand tokens of prompt to as many of reply. */
static double price_of(const strat_model *m)
{
    return m->usd_per_mtok_in + m->usd_per_mtok_out;
}

/* Mean dollars of a turn of each model, into usd[]. Where one is unknown all count as equal. */
static void model_costs(const strat_view *v, double *usd)
{
    double known = 0, prices = 0; /* of models with turns: to scale those without */
    bool all = true;
    for (int m = 0; m < v->n_models; m++) {
        double sum = 0;
        int n = 0;
        for (int i = 0; i < v->n_turns; i++)
            if (v->turn[i].step.model == m && v->turn[i].step.reply == STRAT_KERNEL &&
                !strat_lost(&v->turn[i])) {
                sum += v->turn[i].cost_usd;
                n++;
            }
        usd[m] = n ? sum / n : (double)NAN;
        all &= !n || usd[m] > 0;
        if (n) {
            known += usd[m];
            prices += price_of(&v->model[m]);
        }
    }
    for (int m = 0; m < v->n_models; m++) {
        if (!isnan(usd[m]))
            continue;
        usd[m] = price_of(&v->model[m]) * (known > 0 && prices > 0 ? known / prices : 1);
        all &= usd[m] > 0;
    }
    for (int m = 0; m < v->n_models && !all; m++)
        usd[m] = 1;
}

static int arm_of(const strat_turn *t, const char *const *purpose, int n)
{
    for (int k = 0; k < n; k++)
        if (t->step.purpose && strcmp(t->step.purpose, purpose[k]) == 0)
            return t->step.model * n + k;
    return -1;
}

static void fill_arms(const strat_view *v, const char *const *purpose, int n, arm *a)
{
    double *usd = ws_calloc((size_t)v->n_models, sizeof *usd);
    model_costs(v, usd);
    for (int i = 0; i < v->n_models * n; i++)
        a[i].usd = usd[i / n];
    for (int i = 0; i < v->n_turns; i++) {
        const strat_turn *t = &v->turn[i];
        int k = purpose ? arm_of(t, purpose, n) : t->step.model;
        if (k < 0 || k >= v->n_models * n || t->step.reply != STRAT_KERNEL)
            continue;
        a[k].turns++; /* lost ones too: a server that does not answer gains nothing */
        a[k].gain += gain_of(v, t);
    }
    free(usd);
}

/* ---- the choice ---- */

/* Of the arms without turns the key's: lanes that start together take one each in turn. */
static int untried(const arm *a, int n, uint64_t key)
{
    int none = 0;
    for (int i = 0; i < n; i++)
        none += a[i].turns == 0;
    if (!none)
        return -1;
    int skip = (int)(key % (uint64_t)none);
    for (int i = 0; i < n; i++)
        if (a[i].turns == 0 && skip-- == 0)
            return i;
    return -1;
}

/* Equal dollars for each arm: calls in inverse proportion to what they cost. -1: by index. */
static int by_share(const arm *a, int n, double u)
{
    double per_dollar = 0, mean = 0;
    for (int i = 0; i < n; i++)
        per_dollar += 1 / a[i].usd;
    mean = n / per_dollar; /* dollars of a call that is chosen so */
    if (u >= FREE_SHARE)
        return -1;
    u *= 1 / FREE_SHARE;
    for (int i = 0; i < n - 1; i++)
        if ((u -= mean / n / a[i].usd) < 0)
            return i;
    return n - 1;
}

static int by_index(const arm *a, int n)
{
    double gain = 0, usd = 0, best_index = 0;
    int turns = 0, best = 0;
    for (int i = 0; i < n; i++) {
        gain += a[i].gain;
        usd += a[i].usd;
        turns += a[i].turns;
    }
    double unit = gain > 0 ? gain / turns : 1, mean_usd = usd / n;
    for (int i = 0; i < n; i++) {
        double bonus = BONUS * sqrt(2 * log(turns + 1.0) / a[i].turns);
        double index = (a[i].gain / a[i].turns / unit + bonus) / (a[i].usd / mean_usd);
        if (i == 0 || index > best_index) {
            best = i;
            best_index = index;
        }
    }
    return best;
}

static int choose(const strat_view *v, const char *const *purpose, int n, uint64_t key)
{
    int n_arms = v->n_models * n;
    if (n_arms < 2)
        return 0;
    arm *a = ws_calloc((size_t)n_arms, sizeof *a);
    fill_arms(v, purpose, n, a);
    int k = untried(a, n_arms, key);
    if (k < 0)
        k = by_share(a, n_arms, ws_philox_uniform(v->seed, STREAM, key));
    if (k < 0)
        k = by_index(a, n_arms);
    free(a);
    return k;
}

int bandit_choose(const strat_view *v, uint64_t key)
{
    return choose(v, NULL, 1, key);
}

int bandit_choose_step(const strat_view *v, const char *const *purpose, int n, uint64_t key,
                       int *model)
{
    int k = choose(v, purpose, n, key);
    *model = k / n;
    return k % n;
}
