/* Machines on which rules of timing are tried out: two kernels of 20 us, something else for 180 us
 * between them. A rule of others takes 100 samples of each kernel, 40 ms. */
#ifndef TESTS_STATS_SCENARIOS_H
#define TESTS_STATS_SCENARIOS_H

#include "base/err.h"
#include "harness/timing/decide.h"
#include "harness/timing/sim.h"

#include <string.h>

static const double STATS_KERNEL_S = 20e-6, STATS_IDLE_S = 180e-6;
enum { STATS_AA_PAIRS = 240 }; /* of the A/A run of a sitting */

typedef struct stats_scenario {
    const char *name, *what;
    tim_noise machine, kernel; /* kernel: noise that each of the two has for itself */
} stats_scenario;

/* Every machine has it: 0.5 % of scatter, 1 % of times 5 to 40 % longer, ticks of 32 ns, a clock
 * that is read to 0.1 %. */
#define STATS_OUTLIERS .outlier_rate = 0.01, .outlier_least = 0.05, .outlier_most = 0.4
#define STATS_SCATTER  .white = 0.005, STATS_OUTLIERS, .quantum_s = 32e-9
#define STATS_CLOCK    .clock_hz = 1.755e9, .clock_read = 0.001
#define STATS_NOISE    STATS_SCATTER, STATS_CLOCK

static const stats_scenario stats_scenarios[] = {
    {.name = "still", .what = "no drift", .machine = {STATS_NOISE}},
    {.name = "linear", .what = "1 % slower every 40 ms",
     .machine = {STATS_NOISE, .linear_per_s = 0.25}},
    {.name = "sine", .what = "+-1 %, period 20 ms",
     .machine = {STATS_NOISE, .sine = 0.01, .sine_period_s = 0.02}},
    {.name = "fast", .what = "+-0.5 %, period 0.83 ms: about two pairs",
     .machine = {STATS_NOISE, .sine = 0.005, .sine_period_s = 0.00083}},
    {.name = "walk", .what = "random walk, sd 1 %, memory 40 ms",
     .machine = {STATS_NOISE, .walk = 0.01, .walk_tau_s = 0.04}},
    {.name = "brake", .what = "15 % slower for 20 ms, 50 ms apart on average",
     .machine = {STATS_NOISE, .throttle = 0.15, .throttle_s = 0.02, .throttle_gap_s = 0.05}},
    {.name = "blind", .what = "the same, without a clock probe",
     .machine = {STATS_SCATTER, .throttle = 0.15, .throttle_s = 0.02, .throttle_gap_s = 0.05}},
    {.name = "tails", .what = "5 % of times longer by 5 % x Pareto(1.2)",
     .machine = {.white = 0.005, .outlier_rate = 0.05, .outlier_least = 0.05, .outlier_tail = 1.2,
                 .quantum_s = 32e-9, STATS_CLOCK}},
    {.name = "ticks", .what = "timer ticks of 0.5 us",
     .machine = {.white = 0.005, STATS_OUTLIERS, .quantum_s = 0.5e-6, STATS_CLOCK}},
    {.name = "AR", .what = "1 % that each time hands to the next, 0.9",
     .machine = {STATS_NOISE, .ar = 0.01, .ar_rho = 0.9}},
    {.name = "own AR", .what = "0.5 % that each kernel hands on to itself, 0.7",
     .machine = {STATS_NOISE}, .kernel = {.ar = 0.005, .ar_rho = 0.7}},
};

/* One sitting: the machine, both kernels, an A/A run. */
typedef struct stats_sitting {
    tim_sim machine, own_a, own_b;
    tim_sim_kernel a, b;
    uint64_t seed;
    double mde;
} stats_sitting;

/* B takes 1 / (1 + gain) of A's time. */
static void stats_sit(stats_sitting *s, const stats_scenario *c, double gain, uint64_t seed)
{
    bool own = c->kernel.ar > 0;
    *s = (stats_sitting){.seed = seed};
    tim_sim_init(&s->machine, &c->machine, 4 * seed);
    tim_sim_init(&s->own_a, &c->kernel, 4 * seed + 1);
    tim_sim_init(&s->own_b, &c->kernel, 4 * seed + 2);
    s->a = (tim_sim_kernel){STATS_KERNEL_S, own ? &s->own_a : NULL};
    s->b = (tim_sim_kernel){STATS_KERNEL_S / (1 + gain), own ? &s->own_b : NULL};
}

static void stats_find_mde(stats_sitting *s)
{
    ws_err err = {0};
    tim_pairs aa = {.seed = s->seed};
    tim_sim_kernel copy = {STATS_KERNEL_S, s->b.own};
    s->mde = 0;
    tim_sim_pairs(&s->machine, &s->a, &copy, STATS_IDLE_S, STATS_AA_PAIRS, &aa);
    if (tim_mde(&aa, &tim_rule_default, s->seed, &s->mde, &err))
        s->mde = 1; /* no run that says anything: nothing can be told apart */
    tim_pairs_release(&aa);
}

/* Measures until the rule has decided. */
static void stats_judge(stats_sitting *s, const tim_rule *rule, tim_pairs *p, tim_judgement *out)
{
    int want = rule->look[0];
    tim_pairs_reset(p);
    p->seed = s->seed + 1;
    do {
        tim_sim_pairs(&s->machine, &s->a, &s->b, STATS_IDLE_S, want - p->n, p);
        tim_decide(p, rule, false, s->seed, out);
        want = out->next_pairs;
    } while (!out->done);
}

/* ---- many candidates in one sitting ---- */

enum { STATS_COPIES = 20, STATS_COPY_PAIRS = 60, STATS_WALK = 4 };
typedef struct stats_family {
    int sittings, alone, set, confirmed; /* sittings in which any copy is a winner */
} stats_family;

/* 20 copies of one kernel; in a bare sitting any gain counts. */
static void stats_sit_with_copies(bool bare, uint64_t seed, stats_family *f)
{
    tim_rule rule = tim_rule_default;
    const int looks[TIM_LOOKS] = {20, 30, 40, 50, STATS_COPY_PAIRS};
    tim_pairs p[STATS_COPIES] = {0}, again = {0};
    const tim_pairs *view[STATS_COPIES];
    tim_judgement j[STATS_COPIES], second;
    stats_sitting s, fresh;
    bool alone = false, set = false, confirmed = false;
    memcpy(rule.look, looks, sizeof looks);
    rule.eps = bare ? 0 : rule.eps;
    stats_sit(&s, &stats_scenarios[STATS_WALK], 0, seed);
    for (int i = 0; i < STATS_COPIES; i++) {
        p[i].seed = seed * STATS_COPIES + (uint64_t)i;
        tim_sim_pairs(&s.machine, &s.a, &s.b, STATS_IDLE_S, STATS_COPY_PAIRS, &p[i]);
        view[i] = &p[i];
        tim_decide(&p[i], &rule, true, p[i].seed, &j[i]);
        alone |= j[i].verdict == TIM_FASTER;
    }
    tim_decide_set(view, STATS_COPIES, &rule, true, seed, j);
    for (int i = 0; i < STATS_COPIES; i++) {
        if (j[i].verdict != TIM_FASTER)
            continue;
        set = true;
        stats_sit(&fresh, &stats_scenarios[STATS_WALK], 0, ~seed);
        tim_pairs_reset(&again);
        again.seed = ~p[i].seed;
        tim_sim_pairs(&fresh.machine, &fresh.b, &fresh.a, STATS_IDLE_S, STATS_COPY_PAIRS, &again);
        tim_confirm(&j[i], &again, &rule, true, again.seed, &second);
        confirmed |= second.verdict == TIM_FASTER;
    }
    f->sittings++;
    f->alone += alone;
    f->set += set;
    f->confirmed += confirmed;
    for (int i = 0; i < STATS_COPIES; i++)
        tim_pairs_release(&p[i]);
    tim_pairs_release(&again);
}

#endif
