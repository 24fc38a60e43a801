/* `make bench-stats`: how often rules of timing call a kernel faster, on simulated machines: false
 * positives, power and samples. bench_stats [COMPARISONS [SEED]]. */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/stats_peers.h"
#include "tests/stats_scenarios.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    N_PEERS = WS_COUNT(peer_rules),
    N_SCENARIOS = WS_COUNT(stats_scenarios)
};
enum { FASTER, INTERVAL, OURS }; /* rows of our own, before those of the others */
enum { ROWS = OURS + N_PEERS };

static const double gains[] = {0, 0.005, 0.01, 0.02};
enum { N_GAINS = WS_COUNT(gains) };

typedef struct cell {
    int experiments, faster;
    double pairs, mde; /* sums */
} cell;
static cell table[N_GAINS][ROWS][N_SCENARIOS];

static void sample(stats_sitting *s, const tim_sim_kernel *k, double *out)
{
    double t = k->true_s, hz;
    if (k->own)
        tim_sim_observe(k->own, t, s->machine.moment_s, &t, &hz);
    tim_sim_observe(&s->machine, t, s->machine.moment_s + STATS_IDLE_S, out, &hz);
    s->machine.moment_s += t;
}

static void count_peers(const stats_scenario *c, int gain, int column, uint64_t seed)
{
    double a[2][PEER_SAMPLES], b[2][PEER_SAMPLES]; /* blocks; alternating */
    stats_sitting s;
    stats_sit(&s, c, gains[gain], seed);
    for (int i = 0; i < PEER_SAMPLES; i++)
        sample(&s, &s.a, &a[0][i]);
    for (int i = 0; i < PEER_SAMPLES; i++)
        sample(&s, &s.b, &b[0][i]);
    for (int i = 0; i < PEER_SAMPLES; i++) {
        sample(&s, &s.a, &a[1][i]);
        sample(&s, &s.b, &b[1][i]);
    }
    for (int r = 0; r < N_PEERS; r++) {
        cell *t = &table[gain][OURS + r][column];
        bool alternating = peer_rules[r].alternating;
        t->experiments++;
        t->faster += peer_rules[r].faster(a[alternating], b[alternating], peer_rules[r].samples);
    }
}

static void count_ours(const stats_scenario *c, int gain, int row, int column, uint64_t seed,
                       tim_pairs *p)
{
    tim_rule rule = tim_rule_default;
    tim_judgement j;
    stats_sitting s;
    cell *t = &table[gain][row][column];
    stats_sit(&s, c, gains[gain], seed);
    if (row == FASTER) {
        stats_find_mde(&s);
        rule.mde = s.mde;
        t->mde += s.mde;
    } else {
        rule.eps = 0;
    }
    stats_judge(&s, &rule, p, &j);
    t->experiments++;
    t->faster += j.verdict == TIM_FASTER;
    t->pairs += j.pairs;
}

static void print_head(const char *what)
{
    printf("\n%-18s", what);
    for (int i = 0; i < N_SCENARIOS; i++)
        printf("%7s", stats_scenarios[i].name);
    putchar('\n');
}

static void print_rates(int gain)
{
    char what[40];
    snprintf(what, sizeof what, gain ? "gain %.1f %%" : "no gain", 100 * gains[gain]);
    print_head(what);
    for (int r = 0; r < ROWS; r++) {
        const char *name = r == FASTER ? "FASTER" : r == INTERVAL ? "interval > 1" : NULL;
        printf("%-18s", name ? name : peer_rules[r - OURS].name);
        for (int i = 0; i < N_SCENARIOS; i++) {
            const cell *t = &table[gain][r][i];
            printf("%7.1f", 100.0 * t->faster / t->experiments);
        }
        putchar('\n');
    }
}

static void print_row(const char *name, int gain, int row, bool mde)
{
    printf("%-18s", name);
    for (int i = 0; i < N_SCENARIOS; i++) {
        const cell *t = &table[gain][row][i];
        printf(mde ? "%7.2f" : "%7.0f", (mde ? 100 * t->mde : t->pairs) / t->experiments);
    }
    putchar('\n');
}

static void print_legend(int n, int n_others, int n_gain, uint64_t seed)
{
    printf(
        "How often a rule says that B is faster than A, in per cent, by the true gain of B.\n"
        "Comparisons in a cell: %d of FASTER (%d of the others) without a gain, %d with one; seed "
        "%llu.\n"
        "Binomial standard error: %.2f (%.2f) points at 2.5 %%, %.2f points at 95 %%.\n\n"
        "FASTER         our verdict: beyond 0.5 %% and the A/A run's reach, nominal 2.5 %%\n"
        "interval > 1   our interval alone, without a threshold, nominal 2.5 %%\n",
        n, n_others, n_gain, (unsigned long long)seed, 100 * sqrt(0.025 * 0.975 / n),
        100 * sqrt(0.025 * 0.975 / n_others), 100 * sqrt(0.95 * 0.05 / n_gain));
    for (int r = 0; r < N_PEERS; r++)
        printf("%-14s %s; %d %s of each\n", peer_rules[r].name, peer_rules[r].who,
               peer_rules[r].samples, peer_rules[r].alternating ? "in turns" : "in a row");
    putchar('\n');
    for (int i = 0; i < N_SCENARIOS; i++)
        printf("%-14s %s\n", stats_scenarios[i].name, stats_scenarios[i].what);
}

static void print_family(int sittings, uint64_t seed)
{
    printf("\nAny of %d copies of one kernel is a winner ('%s', %d pairs each, %d sittings)\n",
           STATS_COPIES, stats_scenarios[STATS_WALK].name, STATS_COPY_PAIRS, sittings);
    for (int bare = 0; bare < 2; bare++) {
        stats_family f = {0};
        for (int k = 0; k < sittings; k++)
            stats_sit_with_copies(bare, seed * 1000003 + (uint64_t)k, &f);
        printf("%-18s each for itself %5.1f %%, judged as a set %5.1f %%, confirmed %5.1f %%\n",
               bare ? "interval > 1" : "FASTER", 100.0 * f.alone / sittings,
               100.0 * f.set / sittings, 100.0 * f.confirmed / sittings);
    }
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1200;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    tim_pairs p = {0};
    if (n < 10) {
        fprintf(stderr, "usage: bench_stats [COMPARISONS [SEED]], at least 10 comparisons\n");
        return 2;
    }
    double start = ws_cpu_seconds();
    int n_others = n / 4, n_gain = n / 5;
    for (int i = 0; i < N_SCENARIOS; i++)
        for (int g = 0; g < N_GAINS; g++)
            for (int k = 0; k < (g ? n_gain : n); k++) {
                uint64_t at = seed * 1000003 + (uint64_t)k * 7919 + (uint64_t)(g * 10 + i);
                count_ours(&stats_scenarios[i], g, FASTER, i, at, &p);
                if (!g && k >= n_others)
                    continue;
                count_ours(&stats_scenarios[i], g, INTERVAL, i, at, &p);
                count_peers(&stats_scenarios[i], g, i, at);
            }
    tim_pairs_release(&p);
    print_legend(n, n_others, n_gain, seed);
    for (int g = 0; g < N_GAINS; g++)
        print_rates(g);
    print_head("pairs used");
    print_row("FASTER, no gain", 0, FASTER, false);
    print_row("FASTER, 1 %", 2, FASTER, false);
    print_row("FASTER, 2 %", 3, FASTER, false);
    print_row("interval, no gain", 0, INTERVAL, false);
    print_row("interval, 0.5 %", 1, INTERVAL, false);
    print_head("A/A run reaches, %");
    print_row("240 pairs", 0, FASTER, true);
    print_family(n / 10, seed);
    fprintf(stderr, "%.0f s of processor time\n", ws_cpu_seconds() - start);
    return 0;
}
