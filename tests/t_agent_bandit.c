/* The bandit over models, in simulated runs whose right division is known. */
#include "agent/strategy/bandit.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { MOST = 500 };

/* A run that grows: what each model gains a call, and what a call costs. */
typedef struct run {
    strat_view v;
    strat_attempt attempt[MOST + 1];
    db_candidate candidate[MOST + 1];
    strat_turn turn[MOST];
    strat_model model[4];
    double chance[4], gain[4], usd[4]; /* of a faster kernel; by how much; dollars a call */
    bool dead[4];                      /* never answers */
    uint64_t state;
    int calls[4];
} run;

static double uniform(run *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static run *run_new(int n_models, uint64_t seed)
{
    run *r = ws_calloc(1, sizeof *r);
    r->state = seed;
    r->candidate[0] = (db_candidate){.reason = "pass", .modelled_s = 1, .measured_s = (double)NAN};
    r->attempt[0] = (strat_attempt){.candidate = &r->candidate[0], .turn = -1, .same_as = -1};
    r->v = (strat_view){.attempt = r->attempt,
                        .n_attempts = 1,
                        .turn = r->turn,
                        .model = r->model,
                        .n_models = n_models,
                        .lanes = 1,
                        .seed = seed};
    for (int m = 0; m < 4; m++)
        r->model[m] = (strat_model){"m", (double)NAN, (double)NAN};
    return r;
}

/* The kernel of a turn is made from generation 0, so gains do not add up: each call is alike. */
static void step(run *r, int m, const char *purpose)
{
    int t = r->v.n_turns, a = r->v.n_attempts;
    bool passes = uniform(r) < r->chance[m];
    r->turn[t] = (strat_turn){.turn = t,
                              .round = t,
                              .step = {.purpose = purpose, .reply = STRAT_KERNEL, .model = m},
                              .outcome = r->dead[m] ? "network" : "ok",
                              .reply = "",
                              .attempt = r->dead[m] ? -1 : a,
                              .cost_usd = r->usd[m] > 0 ? r->usd[m] : (double)NAN};
    r->v.n_turns++;
    r->calls[m]++;
    if (r->dead[m])
        return;
    r->candidate[a] = (db_candidate){.reason = passes ? "pass" : "wrong_value",
                                     .modelled_s = passes ? exp(-r->gain[m]) : (double)NAN,
                                     .measured_s = (double)NAN};
    r->attempt[a] = (strat_attempt){.candidate = &r->candidate[a], .turn = t, .same_as = -1};
    r->v.n_attempts++;
}

/* Mean share of the calls of each model over 20 runs of 120 calls. */
static void shares(const double *chance, const double *gain, const double *usd, int n, double *out)
{
    for (int m = 0; m < n; m++)
        out[m] = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run *r = run_new(n, seed);
        for (int m = 0; m < n; m++) {
            r->chance[m] = chance[m];
            r->gain[m] = gain[m];
            r->usd[m] = usd[m];
        }
        for (int i = 0; i < 120; i++)
            step(r, bandit_choose(&r->v, (uint64_t)i), "improve");
        for (int m = 0; m < n; m++)
            out[m] += r->calls[m] / 120.0 / 20;
        free(r);
    }
}

static void divides(void)
{
    double s[4];
    shares((double[]){.5, .25}, (double[]){.2, .2}, (double[]){.1, .1}, 2, s);
    ok(s[0] > 0.6 && s[1] > 0.04, "twice the chance at one price: %.2f and %.2f", s[0], s[1]);
    shares((double[]){.4, .4}, (double[]){.2, .2}, (double[]){.2, .1}, 2, s);
    ok(s[1] > 0.6 && s[0] > 0.02, "equal gains at half the price: %.2f and %.2f", s[0], s[1]);
    shares((double[]){.4, .4}, (double[]){.4, .2}, (double[]){.3, .1}, 2, s);
    ok(s[1] > 0.5 && s[0] > 0.02, "twice the gain at thrice the price is no bargain: %.2f and %.2f",
       s[0], s[1]);
    shares((double[]){.4, .2}, (double[]){.2, .2}, (double[]){0, 5}, 2, s);
    ok(s[0] > 0.6, "an unknown cost makes all equal: %.2f and %.2f", s[0], s[1]);
    shares((double[]){.5, .1, .1, .1}, (double[]){.2, .2, .2, .2}, (double[]){1, 1, 1, 1}, 4, s);
    ok(s[0] > 0.45 && s[1] > 0.01 && s[2] > 0.01 && s[3] > 0.01,
       "one good of four: %.2f, %.2f, %.2f, %.2f", s[0], s[1], s[2], s[3]);
    shares((double[]){0, .5}, (double[]){.2, .2}, (double[]){100, 1}, 2, s);
    ok(s[0] < 0.1, "a dear one that never gains is asked little: %.3f", s[0]);
    shares((double[]){.3, .3}, (double[]){.2, .2}, (double[]){1, 1}, 2, s);
    ok(fabs(s[0] - .5) < .15, "equals share: %.2f and %.2f", s[0], s[1]);
}

static void details(void)
{
    run *r = run_new(2, 7);
    ok(bandit_choose(&r->v, 0) != bandit_choose(&r->v, 1), "lanes that start take one model each");
    r->dead[0] = true;
    r->chance[1] = 0.1;
    r->gain[1] = 0.1;
    for (int i = 0; i < 60; i++)
        step(r, bandit_choose(&r->v, (uint64_t)i), "improve");
    ok(r->calls[1] > 40, "a server that never answers gets %d of 60 calls", r->calls[0]);
    bool same = true;
    for (uint64_t k = 0; k < 50; k++)
        same &= bandit_choose(&r->v, k) == bandit_choose(&r->v, k);
    ok(same, "the same view and key, the same answer");
    free(r);
    r = run_new(1, 3);
    is_int(bandit_choose(&r->v, 5), 0, "one model is no choice");
    free(r);

    /* Prices tell of models that were not asked; a copy of an earlier kernel gains nothing. */
    static const char *const purpose[] = {"improve", "explore"};
    int asked[2] = {0, 0};
    r = run_new(2, 11);
    r->chance[0] = r->chance[1] = 0.5;
    r->gain[0] = r->gain[1] = 0.2;
    r->usd[0] = r->usd[1] = 0.1;
    for (int i = 0; i < 200; i++) {
        int m, k = bandit_choose_step(&r->v, purpose, 2, (uint64_t)i, &m);
        step(r, m, purpose[k]);
        if (k == 1 && r->turn[i].attempt >= 0)
            r->attempt[r->turn[i].attempt].same_as = 0;
        asked[k]++;
    }
    ok(asked[0] > 120 && asked[1] > 2, "a purpose whose kernels are copies: %d and %d of 200 calls",
       asked[0], asked[1]);
    free(r);
}

int main(void)
{
    divides();
    details();
    return tap_done();
}
