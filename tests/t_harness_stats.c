/* The statistics of timing: exact small cases, what is refused, every verdict; and on simulated
 * machines how often verdicts are wrong. */
#include "base/json.h"
#include "base/mem.h"
#include "base/philox.h"
#include "tests/stats_peers.h"
#include "tests/stats_scenarios.h"
#include "tests/tap.h"

#include <stdlib.h>

/* ---- numbers ---- */

static void means_and_quantiles(void)
{
    const double ten[] = {100, 2, 3, 4, 5, 6, 7, 8, 9, -100};
    const double nine[] = {9, 1, 2, 3, 4, 5, 6, 7, 8};
    double v[30];
    is_close(tim_trimmed_mean(ten, 10, 0.1), 44.0 / 8, 1e-15, "one of ten is cut at each end");
    is_close(tim_trimmed_mean(nine, 9, 0.1), 5, 1e-15, "none of nine is cut");
    is_close(tim_trimmed_mean(ten, 10, 0), 4.4, 1e-15, "a share of 0 is the mean");
    is_close(tim_trimmed_mean(ten, 1, 0.4), 100, 0, "of one value");
    for (int i = 0; i < 30; i++)
        v[i] = i < 3 ? 1e6 : i < 6 ? -1e3 : i;
    is_close(tim_trimmed_mean(v, 30, 0.1), 17.5, 1e-15, "three of thirty are cut at each end");
    const double four[] = {1, 2, 4, 8};
    is_close(tim_quantile(four, 4, 0), 1, 0, "the least");
    is_close(tim_quantile(four, 4, 1), 8, 0, "the greatest");
    is_close(tim_quantile(four, 4, 0.5), 3, 0, "the median of four");
    is_close(tim_quantile(four, 4, 0.9), 6.8, 1e-15, "the 90 % point: at 2.7 of 0 .. 3");
    is_close(tim_quantile(four, 1, 0.3), 1, 0, "of one value");
}

static void student(void)
{
    /* Tables of Student's t; the first is tan(0.475 pi), the second (1 - 2p) / sqrt(2 p (1 - p)).
     */
    static const struct {
        double df, tail, t;
    } row[] = {{1, 0.025, 12.706204736}, {2, 0.025, 4.302652730}, {5, 0.005, 4.032142984},
               {10, 0.025, 2.228138852}, {30, 0.0005, 3.645958635}, {1e7, 0.025, 1.959964}};
    for (size_t i = 0; i < WS_COUNT(row); i++)
        is_close(tim_student(row[i].df, row[i].tail), row[i].t, 1e-6, "Student's t");
    ok(tim_student(5.6, 1e-4) > tim_student(5.6, 1e-3) &&
           tim_student(5.6, 1e-3) > tim_student(6, 1e-3),
       "a smaller tail and fewer degrees of freedom reach further");
}

static void bootstrap(void)
{
    double white[480], like[480], flat[30];
    tim_spread s, again, other;
    for (int i = 0; i < 480; i++) {
        white[i] = ws_philox_normal(3, 1, (uint64_t)i);
        like[i] = (i ? 0.9 * like[i - 1] : 0) + 0.4359 * ws_philox_normal(3, 2, (uint64_t)i);
    }
    for (int i = 0; i < 30; i++)
        flat[i] = 0.125;
    tim_bootstrap(white, 480, 7, &s);
    tim_bootstrap(white, 480, 7, &again);
    tim_bootstrap(white, 480, 8, &other);
    is_close(s.mean, tim_trimmed_mean(white, 480, 0.1), 1e-15, "its mean is the trimmed mean");
    ok(s.se == again.se && s.se != other.se, "the seed alone decides");
    is_close(s.se * sqrt(480), 1.03, 0.2, "white noise: sd / sqrt(n), 1.03 of it for the trimming");
    is_int(s.block, 32, "blocks of a fifteenth of 480");
    tim_bootstrap(white, 30, 7, &s);
    is_int(s.block, 8, "and of 8 at least");
    ok(s.df <= 1.5 * 30 / 8, "with few degrees of freedom: %.2f", s.df);
    tim_bootstrap(like, 480, 7, &s);
    ok(s.alike > 8 && s.alike < 40, "AR(1) of 0.9: 19 values count as one (%.1f)", s.alike);
    ok(s.se * sqrt(480) > 2.5 && s.se * sqrt(480) < 7,
       "and its mean is 4.4 times less certain (%.1f)", s.se * sqrt(480));
    tim_bootstrap(flat, 30, 7, &s);
    ok(s.mean == 0.125 && s.se == 0 && tim_spread_reach(&s, 0.01) == 0, "no spread at all");
}

/* ---- the store ---- */

static tim_pair pair_of(int index, double a_s, double b_s)
{
    return (tim_pair){.index = index, .launches = 1, .a_s = a_s, .b_s = b_s};
}

static void refused(void)
{
    static const struct {
        tim_pair pair;
        const char *message;
    } row[] = {
        {{.index = 7, .launches = 1, .a_s = NAN, .b_s = 1}, "pair 7: a_s is nan"},
        {{.index = 7, .launches = 1, .a_s = 1, .b_s = 0}, "pair 7: b_s is 0"},
        {{.index = 7, .launches = 1, .a_s = -1e-6, .b_s = 1}, "pair 7: a_s is -1e-06"},
        {{.index = 7, .launches = 1, .a_s = 1, .b_s = INFINITY}, "pair 7: b_s is inf"},
        {{.index = 7, .launches = 1, .a_s = 1, .b_s = 1, .a_hz = -1}, "pair 7: a_hz is -1"},
        {{.index = 7, .launches = 1, .a_s = 1, .b_s = 1, .b_hz = NAN}, "pair 7: b_hz is nan"},
        {{.index = 7, .launches = 0, .a_s = 1, .b_s = 1}, "pair 7: launches is 0"},
        {{.index = 3, .launches = 1, .a_s = 1, .b_s = 1}, "pair 3: the index must ascend"},
        {{.index = -1, .launches = 1, .a_s = 1, .b_s = 1}, "pair -1: the index must ascend"},
    };
    tim_pairs p = {0};
    ws_err err = {0};
    tim_pair first = pair_of(3, 1, 1);
    ok(tim_pairs_add(&p, &first, &err) == WS_OK, "a pair is taken");
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        ok(tim_pairs_add(&p, &row[i].pair, &err) == WS_EINPUT && p.n == 1, "refused");
        has_str(err.msg, row[i].message, row[i].message);
    }
    tim_pairs_release(&p);
}

static void orders(void)
{
    int alternating = 0, first = 0, n = 2000;
    bool balanced = true;
    for (int i = 0; i < n; i += 2) {
        bool x = tim_pair_b_first(5, i), y = tim_pair_b_first(5, i + 1);
        balanced &= x != y;
        first += x;
        alternating += i && x == tim_pair_b_first(5, i - 2);
    }
    ok(balanced, "two pairs have both orders");
    ok(abs(first - n / 4) < 90 && abs(alternating - n / 4) < 90,
       "which comes first is a coin: %d, %d", first, alternating);
    ok(tim_pair_b_first(5, 0) == tim_pair_b_first(5, 0), "that the seed throws");
}

static cJSON *parsed(const char *text)
{
    ws_err err = {0};
    cJSON *o = NULL;
    if (ws_json_parse(text, strlen(text), &o, &err))
        printf("# %s\n", err.msg);
    return o;
}

static void json_round_trip(void)
{
    tim_pairs p = {.seed = UINT64_MAX - 1}, q = {0};
    tim_noise noise = {.white = 0.01, .clock_hz = 1.755e9, .clock_read = 0.01, .quantum_s = 3.2e-8};
    tim_sim s;
    ws_err err = {0};
    ws_buf text = {0};
    tim_sim_init(&s, &noise, 4);
    tim_sim_kernel k = {1.7e-5, NULL};
    tim_sim_pairs(&s, &k, &k, 1e-4, 25, &p);
    p.v[3].discard = TIM_DISCARD_THROTTLE;
    p.v[4].launches = 12;
    cJSON *o = tim_pairs_to_json(&p), *back;
    ws_json_print(o, false, &text);
    back = parsed(ws_buf_z(&text));
    is_int(tim_pairs_from_json(back, &q, &err), WS_OK, "read again");
    bool same = q.n == p.n && q.seed == p.seed && q.quantum_s == p.quantum_s;
    for (int i = 0; same && i < p.n; i++) {
        const tim_pair *x = &p.v[i], *y = &q.v[i];
        same = x->index == y->index && x->b_first == y->b_first && x->launches == y->launches &&
               x->a_s == y->a_s && x->b_s == y->b_s && x->a_hz == y->a_hz && x->b_hz == y->b_hz &&
               x->discard == y->discard;
    }
    ok(same, "with every bit");
    tim_judgement j[2];
    tim_decide(&p, &tim_rule_default, true, 1, &j[0]);
    tim_decide(&q, &tim_rule_default, true, 1, &j[1]);
    ok(j[0].verdict == j[1].verdict && j[0].ratio == j[1].ratio, "and judged alike");
    tim_pairs_release(&p);
    tim_pairs_release(&q);
    ws_buf_release(&text);
    cJSON_Delete(o);
    cJSON_Delete(back);
}

#define HEAD                                                                                       \
    "{\"schema\":1,\"seed\":\"3\",\"quantum_s\":0,\"columns\":[\"index\",\"order\",\"a_s\","       \
    "\"b_s\",\"a_hz\",\"b_hz\",\"launches\",\"discard\"],\"pairs\":"

static void json_refused(void)
{
    static const char *const row[][2] = {
        {"[]", "expected an object"},
        {"{\"schema\":2}", "samples.schema: expected 1"},
        {"{\"schema\":1,\"speed\":1}", "speed"},
        {"{\"schema\":1,\"columns\":[\"index\"]}", "samples.columns"},
        {HEAD "[[0,\"AB\",1,1,0,0,1]]}", "samples.pairs[0]: expected an array of 8"},
        {HEAD "[[0,\"AA\",1,1,0,0,1,\"\"]]}", "samples.pairs[0].order: 'AA'"},
        {HEAD "[[0,\"AB\",1,\"1\",0,0,1,\"\"]]}", "samples.pairs[0].b_s: expected a number"},
        {HEAD "[[0,\"AB\",1,1,0,0,1,\"bad day\"]]}", "unknown reason 'bad day'"},
        {HEAD "[[0.5,\"AB\",1,1,0,0,1,\"\"]]}", "must be whole"},
        {HEAD "[[0,\"AB\",1,1,0,0,1,\"\"],[1,\"AB\",1,0,0,0,1,\"\"]]}", "pair 1: b_s is 0"},
        {HEAD "[[4,\"AB\",1,1,0,0,1,\"\"],[4,\"AB\",1,1,0,0,1,\"\"]]}", "pair 4: the index"},
        {"{\"schema\":1,\"seed\":\"-3\",\"quantum_s\":0,\"columns\":[\"index\",\"order\",\"a_s\","
         "\"b_s\",\"a_hz\",\"b_hz\",\"launches\",\"discard\"],\"pairs\":[]}", "samples.seed: '-3'"},
    };
    for (size_t i = 0; i < WS_COUNT(row); i++) {
        tim_pairs p = {0};
        ws_err err = {0};
        cJSON *o = parsed(row[i][0]);
        ok(tim_pairs_from_json(o, &p, &err) == WS_EINPUT && p.n == 0, "refused");
        has_str(err.msg, row[i][1], row[i][1]);
        cJSON_Delete(o);
    }
}

/* ---- the simulated machine ---- */

static double observe(const tim_noise *n, uint64_t seed, double true_s, double moment_s, double *hz)
{
    tim_sim s;
    double t;
    tim_sim_init(&s, n, seed);
    tim_sim_observe(&s, true_s, moment_s, &t, hz);
    return t;
}

static void machine(void)
{
    tim_noise perfect = {0}, slow = {.linear_per_s = 0.1, .clock_hz = 1.1e9};
    tim_noise ticks = {.white = 0.1, .quantum_s = 1e-6}, walk = {.walk = 0.01, .walk_tau_s = 1e-3};
    tim_noise brake = {.throttle = 0.5, .throttle_s = 1, .throttle_gap_s = 3};
    tim_noise rare = {.outlier_rate = 0.1, .outlier_least = 0.2, .outlier_most = 0.3};
    double hz, sum = 0, squares = 0;
    is_close(observe(&perfect, 1, 3e-6, 9, &hz), 3e-6, 0, "a perfect machine tells the time");
    is_close(hz, 0, 0, "without a probe there is no clock");
    is_close(observe(&slow, 1, 1, 1, &hz), 1.1, 1e-15, "10 % slower after a second");
    is_close(hz, 1e9, 1, "and so is its clock");
    ok(observe(&ticks, 5, 2e-5, 0, &hz) == observe(&ticks, 5, 2e-5, 0, &hz),
       "the seed alone decides");
    bool whole = true;
    for (uint64_t i = 0; i < 200; i++) {
        double t = observe(&ticks, i, 2e-5, 0, &hz) / 1e-6;
        whole &= fabs(t - rint(t)) < 1e-9 && t >= 1;
    }
    ok(whole, "times are whole ticks");
    tim_sim s, b, o;
    int braked = 0, outliers = 0, n = 4000;
    tim_sim_init(&s, &walk, 3);
    tim_sim_init(&b, &brake, 4);
    tim_sim_init(&o, &rare, 5);
    for (int i = 0; i < n; i++) {
        double t, tb, to;
        tim_sim_observe(&s, 1, i * 1e-3, &t, &hz);
        tim_sim_observe(&b, 1, i * 0.5, &tb, &hz);
        tim_sim_observe(&o, 1, i, &to, &hz);
        sum += t - 1;
        squares += (t - 1) * (t - 1);
        braked += tb > 1.4;
        outliers += to > 1.1;
    }
    is_close(sqrt(squares / n - sum * sum / n / n), 0.01, 0.001, "the walk's sd");
    is_close((double)braked / n, 0.25, 0.05, "a brake of 1 s every 4 s");
    is_close((double)outliers / n, 0.1, 0.02, "the share of outliers");
}

/* ---- verdicts ---- */

static const double SECOND_S = 20e-6;

/* n pairs of a still machine on which B takes 1 / (1 + gain) of A's time. */
static void fill(tim_pairs *p, double gain, double white, int n)
{
    tim_noise noise = {.white = white, .clock_hz = 1.5e9};
    tim_sim s;
    tim_pairs_reset(p);
    p->seed = 11;
    tim_sim_init(&s, &noise, 12);
    tim_sim_kernel a = {SECOND_S, NULL}, b = {SECOND_S / (1 + gain), NULL};
    tim_sim_pairs(&s, &a, &b, 1e-4, n, p);
}

static void verdict_is(const tim_pairs *p, const tim_rule *rule, bool final, tim_verdict want,
                       const char *reason, tim_judgement *out)
{
    tim_decide(p, rule, final, 1, out);
    is_str(tim_verdict_name(out->verdict), tim_verdict_name(want), reason);
    has_str(out->reason, reason, "and the reason says so");
}

static void verdicts(void)
{
    tim_rule rule = tim_rule_default;
    tim_judgement j;
    tim_pairs p = {0};
    fill(&p, 0.03, 0.002, 480);
    verdict_is(&p, &rule, false, TIM_FASTER, "% faster, after 30 pairs", &j);
    ok(j.done && j.pairs == 30 && j.looks == 1 && j.used == 30 && j.next_pairs == 0, "at once");
    ok(j.ratio_lo < 1.03 && 1.03 < j.ratio_hi && j.ratio_lo < j.ratio && j.ratio < j.ratio_hi,
       "the interval has the true ratio: %.4f .. %.4f", j.ratio_lo, j.ratio_hi);
    is_close(j.cycle_ratio, j.ratio, 1e-9, "at one clock cycles say the same");
    is_close(j.a.median_s, SECOND_S, 2e-8, "A's median");
    ok(j.b.p10_s < j.b.median_s && j.b.median_s < j.b.p90_s && j.b.p90_s < j.a.p10_s, "B's times");
    fill(&p, -0.03, 0.002, 30);
    verdict_is(&p, &rule, false, TIM_SLOWER, "% slower, after 30 pairs", &j);
    fill(&p, 0.0005, 0.002, 480);
    verdict_is(&p, &rule, false, TIM_SAME, "is within 0.50 %", &j);
    rule.mde = 0.05;
    fill(&p, 0.03, 0.002, 60);
    verdict_is(&p, &rule, false, TIM_SAME, "is within 5.00 %", &j);
    rule.mde = 0;
    rule.floor_s = 30e-6;
    verdict_is(&p, &rule, false, TIM_IMPOSSIBLE, "the candidate takes", &j);
    fill(&p, -0.4, 0.002, 30);
    verdict_is(&p, &rule, false, TIM_IMPOSSIBLE, "the baseline takes", &j);
    rule.floor_s = 22e-6;
    fill(&p, 0, 0.002, 30);
    tim_decide(&p, &rule, true, 1, &j);
    ok(j.verdict != TIM_IMPOSSIBLE, "a tenth below the roofline is possible");
    tim_pairs_release(&p);
}

static void undecided(void)
{
    tim_rule rule = tim_rule_default;
    tim_judgement j, first;
    tim_pairs p = {0};
    fill(&p, 0.005, 0.005, 29);
    verdict_is(&p, &rule, false, TIM_UNDECIDED, "29 pairs, fewer than the 30", &j);
    ok(!j.done && j.next_pairs == 30 && j.ratio_lo == 0 && isinf(j.ratio_hi),
       "nothing was looked at");
    tim_decide(&p, &rule, true, 1, &j);
    ok(j.done && j.looks == 0, "nor when the budget is spent");
    fill(&p, 0.005, 0.005, 45);
    verdict_is(&p, &rule, false, TIM_UNDECIDED, "reaches across 0.50 %, after 30 pairs", &j);
    ok(!j.done && j.next_pairs == 60, "60 pairs are wanted");
    verdict_is(&p, &rule, true, TIM_UNDECIDED, "after 45 pairs", &j);
    ok(j.done && j.looks == 2, "at the end all pairs are looked at");
    fill(&p, 0.005, 0.005, 480);
    verdict_is(&p, &rule, false, TIM_UNDECIDED, "after 480 pairs", &j);
    ok(j.done && j.looks == 5, "after 480 pairs it ends");
    fill(&p, 0.012, 0.005, 480);
    tim_decide(&p, &rule, false, 1, &j);
    p.n = j.pairs;
    tim_decide(&p, &rule, false, 1, &first);
    ok(j.looks > 1 && j.pairs < 480 && first.verdict == j.verdict && first.ratio == j.ratio,
       "later pairs change no verdict");
    tim_pairs_release(&p);
}

static void unstable(void)
{
    tim_rule rule = tim_rule_default;
    tim_judgement j;
    tim_pairs p = {0};
    fill(&p, 0.03, 0.002, 60);
    for (int i = 0; i < 6; i++)
        p.v[5 * i].b_hz *= 1.011;
    tim_decide(&p, &rule, false, 1, &j);
    ok(j.verdict == TIM_FASTER && j.discarded == 6 && j.used == 24, "6 of 30 pairs may be dropped");
    p.v[1].a_hz *= 1.011;
    tim_decide(&p, &rule, false, 1, &j);
    ok(j.verdict == TIM_FASTER && j.looks == 2 && j.discarded == 7, "with 7 a look says nothing");
    for (int i = 0; i < 60; i += 4)
        p.v[i].discard = TIM_DISCARD_THROTTLE;
    verdict_is(&p, &rule, true, TIM_UNSTABLE, "pairs do not count, more than 20 %", &j);
    fill(&p, 0.007, 0.0005, 60);
    for (int i = 0; i < 60; i++)
        p.v[i].b_hz *= 1.009;
    verdict_is(&p, &rule, true, TIM_UNSTABLE, "clock cycles -0.2", &j);
    fill(&p, 0.03, 0.0001, 60);
    for (int i = 0; i < 60; i++)
        p.v[i].a_s *= 1 + 0.01 * sin(i / 10.0);
    verdict_is(&p, &rule, true, TIM_UNDECIDED, "pairs resemble their neighbours", &j);
    tim_pairs_release(&p);
}

/* What is the same each time. */
static void constant(void)
{
    tim_judgement j;
    tim_pairs p = {0};
    fill(&p, 0.0256410256410256, 0, 60);
    tim_decide(&p, &tim_rule_default, false, 1, &j);
    ok(j.verdict == TIM_FASTER, "times without noise are taken as they are");
    is_close(j.ratio, 40.0 / 39, 1e-12, "and so is their ratio");
    p.quantum_s = 0.5e-6;
    tim_decide(&p, &tim_rule_default, false, 1, &j);
    ok(j.verdict == TIM_UNDECIDED && j.ratio_lo < 1,
       "but for one step of the timer, which says nothing");
    for (int i = 0; i < p.n; i++)
        p.v[i].launches = 100;
    tim_decide(&p, &tim_rule_default, false, 1, &j);
    ok(j.verdict == TIM_FASTER && j.ratio_hi - j.ratio_lo < 0.001,
       "of a hundred launches it does: %s", j.reason);
    tim_pairs_release(&p);
}

/* A timer that nobody described gives itself away. */
static void step_found(void)
{
    tim_noise noise = {.white = 0.01, .quantum_s = 0.5e-6};
    tim_sim_kernel a = {SECOND_S, NULL}, b = {SECOND_S / 1.01, NULL};
    tim_judgement told, found, odd;
    tim_pairs p = {.seed = 9};
    tim_sim s;
    tim_sim_init(&s, &noise, 8);
    tim_sim_pairs(&s, &a, &b, 1e-4, 240, &p);
    tim_decide(&p, &tim_rule_default, true, 1, &told);
    p.quantum_s = 0;
    tim_decide(&p, &tim_rule_default, true, 1, &found);
    is_close(found.ratio, told.ratio, 1e-6, "the step of a timer is found in its readings");
    p.v[0].a_s *= 1.01;
    tim_decide(&p, &tim_rule_default, true, 1, &odd);
    ok(fabs(odd.ratio - told.ratio) > 1e-5, "unless one of them is no multiple of it");
    tim_pairs_release(&p);
}

static void spending(void)
{
    const tim_rule *r = &tim_rule_default;
    is_close(tim_spent(r, 480), 0.025, 1e-15, "all of it at the last look");
    is_close(tim_spent(r, 240), 0.025 * log(1 + 1.718281828459045 / 2), 1e-15, "at half");
    is_close(tim_spent(r, 30), 0.0025496, 1e-6, "a tenth at the first");
    is_close(tim_spent(r, 960), 0.025, 1e-15, "and no more");
}

static void aa_run(void)
{
    tim_pairs p = {0};
    ws_err err = {0};
    double mde = -1;
    fill(&p, 0, 0.005, 29);
    ok(tim_mde(&p, &tim_rule_default, 1, &mde, &err) == WS_EINPUT && mde == -1,
       "29 pairs are too few");
    has_str(err.msg, "A/A run: 29 of its 29 pairs count", "and it says so");
    fill(&p, 0, 0.005, 120);
    is_int(tim_mde(&p, &tim_rule_default, 1, &mde, &err), WS_OK, "120 are not");
    ok(mde > 0.0008 && mde < 0.003, "the reach of its interval: %.5f", mde);
    fill(&p, 0.02, 0.005, 120);
    ok(!tim_mde(&p, &tim_rule_default, 1, &mde, &err) && mde > 0.02, "a biased sitting tells: %.5f",
       mde);
    tim_pairs_release(&p);
}

/* ---- how often verdicts are wrong ---- */

/* The most that Binomial(n, p) is, but for one time in 30,000. */
static int at_most(int n, double p)
{
    return (int)ceil(n * p + 4 * sqrt(n * p * (1 - p)) + 1);
}

static int count_faster(const stats_scenario *c, double gain, double eps, int n)
{
    tim_rule rule = tim_rule_default;
    tim_pairs p = {0};
    int faster = 0;
    rule.eps = eps;
    for (int k = 0; k < n; k++) {
        stats_sitting s;
        tim_judgement j;
        stats_sit(&s, c, gain, 1000 + (uint64_t)k);
        if (eps > 0) {
            stats_find_mde(&s);
            rule.mde = s.mde;
        }
        stats_judge(&s, &rule, &p, &j);
        faster += j.verdict == TIM_FASTER;
    }
    tim_pairs_release(&p);
    return faster;
}

static void error_rates(void)
{
    enum { N = 60 };
    for (size_t i = 0; i < WS_COUNT(stats_scenarios); i++) {
        const stats_scenario *c = &stats_scenarios[i];
        int bare = count_faster(c, 0, 0, N), wrong = count_faster(c, 0, 0.005, N);
        int edge = count_faster(c, 0.005, 0.005, N / 2),
            right = count_faster(c, 0.01, 0.005, N / 2);
        ok(bare <= at_most(N, 0.025), "%s: %d of %d intervals are above 1 without a gain", c->name,
           bare, N);
        ok(wrong <= 1, "%s: %d of %d are FASTER without a gain", c->name, wrong, N);
        ok(edge <= at_most(N / 2, 0.025), "%s: %d of %d are FASTER at the least gain that matters",
           c->name, edge, N / 2);
        ok(right >= N / 2 - at_most(N / 2, 0.05), "%s: %d of %d are FASTER with a gain of 1 %%",
           c->name, right, N / 2);
    }
}

/* The machine is one on which others are wrong. */
static void others(void)
{
    enum { N = 200, SAMPLES = PEER_SAMPLES };
    const stats_scenario *walk = &stats_scenarios[STATS_WALK];
    double a[SAMPLES], b[SAMPLES], hz;
    int wrong = 0;
    for (int k = 0; k < N; k++) {
        tim_sim m;
        tim_sim_init(&m, &walk->machine, (uint64_t)k);
        for (int i = 0; i < 2 * SAMPLES; i++)
            tim_sim_observe(&m, STATS_KERNEL_S, i * (STATS_KERNEL_S + STATS_IDLE_S),
                            i < SAMPLES ? &a[i] : &b[i - SAMPLES], &hz);
        wrong += peer_mann_whitney(a, b, SAMPLES);
    }
    is_str(walk->name, "walk", "on a machine that drifts");
    ok(wrong > N / 5, "Mann-Whitney of A's block and B's block is wrong %d times of %d", wrong, N);
}

/* ---- many candidates ---- */

static void set_of_copies(void)
{
    enum { SITTINGS = 30, FIRST = 3, SECOND = 8 };
    tim_pairs p[STATS_COPIES] = {0};
    const tim_pairs *view[STATS_COPIES];
    tim_judgement j[STATS_COPIES];
    stats_family f = {0};
    for (int k = 0; k < SITTINGS; k++)
        stats_sit_with_copies(true, 50000 + (uint64_t)k,
                              &f); /* any gain counts: the hardest case */
    ok(f.alone > 2, "one of 20 copies judged for itself is faster in %d of %d sittings", f.alone,
       SITTINGS);
    ok(f.set <= at_most(SITTINGS, 0.025), "judged as a set in %d", f.set);
    ok(f.confirmed == 0, "and confirmed in %d", f.confirmed);
    for (int i = 0; i < STATS_COPIES; i++) {
        fill(&p[i], i == FIRST || i == SECOND ? 0.03 : 0, 0.005, STATS_COPY_PAIRS);
        view[i] = &p[i];
    }
    tim_decide_set(view, STATS_COPIES, &tim_rule_default, true, 1, j);
    bool right = true;
    for (int i = 0; i < STATS_COPIES; i++)
        right &= (j[i].verdict == TIM_FASTER) == (i == FIRST || i == SECOND);
    ok(right, "who is faster among 20 is found");
    for (int i = 0; i < STATS_COPIES; i++)
        tim_pairs_release(&p[i]);
}

static void confirmation(void)
{
    tim_pairs p = {0}, again = {0};
    tim_judgement first, second;
    fill(&p, 0.03, 0.005, 120);
    tim_decide(&p, &tim_rule_default, true, 1, &first);
    ok(first.verdict == TIM_FASTER, "a winner");
    tim_pairs_swap(&p, &again);
    ok(again.n == p.n && again.v[1].a_s == p.v[1].b_s && again.v[1].b_first != p.v[1].b_first &&
           again.v[1].a_hz == p.v[1].b_hz, "its pairs with the roles changed");
    tim_confirm(&first, &again, &tim_rule_default, true, 1, &second);
    ok(second.verdict == TIM_FASTER && second.ratio == first.ratio,
       "is confirmed by pairs of changed roles");
    tim_confirm(&first, &p, &tim_rule_default, true, 1, &second);
    ok(second.verdict == TIM_SLOWER, "and not by those in which it is the slower one");
    fill(&again, 0, 0.005, 120);
    tim_confirm(&first, &again, &tim_rule_default, true, 1, &second);
    ok(second.verdict == TIM_SAME && second.ratio < 1.01, "nor by those in which it is the same");
    tim_confirm(&second, &p, &tim_rule_default, true, 1, &first);
    ok(first.verdict == TIM_SAME, "who did not win is not confirmed");
    tim_pairs_release(&p);
    tim_pairs_release(&again);
}

int main(void)
{
    means_and_quantiles();
    student();
    bootstrap();
    refused();
    orders();
    json_round_trip();
    json_refused();
    machine();
    spending();
    verdicts();
    undecided();
    unstable();
    constant();
    step_found();
    aa_run();
    error_rates();
    others();
    set_of_copies();
    confirmation();
    return tap_done();
}
