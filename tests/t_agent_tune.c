/* The tuner: which points a space has, what is asked for and in which order, and how soon the best
 * point of spaces that were judged in full (tests/tune/NAME.json) is among what was asked for. */
#include "tests/tap.h"

#include "agent/tune/space.h"
#include "agent/tune/surrogate.h"
#include "base/clock.h"
#include "base/philox.h"
#include "tests/tune_replay.h"

#include <math.h>

static const ws_binding dim_value[] = {{"N", 1000}};
static const ws_env dims = {dim_value, 1, NULL};
static const char *const tensors[] = {"x", "y"}, *const dim_names[] = {"N"};

static plan *plan_of(ws_arena *a, const char *tune, const char *require, const char *block)
{
    const plan_names names = {tensors, 2, dim_names, 1, NULL};
    ws_buf b = {0};
    plan *p = NULL;
    hx_diag d;
    ws_buf_printf(
        &b,
        "/* @plan\n{ \"tune\": {%s}, \"require\": [%s],\n  \"launch\": [ { \"kernel\": \"k\", "
        "\"grid\": [\"N\"], \"block\": [\"%s\"], \"args\": [\"x\", \"y\"] } ] }\n*/\n",
        tune, require, block);
    const char *source = ws_arena_strdup(a, ws_buf_z(&b));
    ws_buf_release(&b);
    if (!plan_parse(a, source, strlen(source), &names, &p, &d))
        ok(false, "a plan of the test: %s", d.text);
    return p;
}

/* ---- the space ---- */

static void test_space(void)
{
    ws_arena a = {0};
    plan *p = plan_of(&a, "\"A\": [32, 64, 1024, 2048], \"B\": [1, 2, 3, 3], \"C\": [0, 5]",
                      "\"A * B <= 2048\", \"C == 0 || N % B == 0\"", "A");
    tune_space s;
    int want = 0;
    tune_space_init(&s, p, &dims, 1);
    for (int x = 0; x < 4; x++)
        for (int b = 1; b <= 3; b++)
            for (int c = 0; c <= 5; c += 5) {
                const int64_t v = (const int64_t[]){32, 64, 1024, 2048}[x];
                const bool valid = v * b <= 2048 && (c == 0 || 1000 % b == 0) && v <= 1024;
                const int64_t row[] = {v, b, c};
                want += valid;
                if ((tune_space_find(&s, row) >= 0) != valid)
                    ok(false, "A=%d B=%d C=%d is in the space if it is valid", (int)v, b, c);
            }
    is_int(s.n, want, "every point that require and the launch's limits allow, each once");
    ok(s.whole, "and all of them");
    for (int i = 0; i < s.n; i++)
        for (int f = 0; f < s.n_features; f++)
            if (!(tune_space_feature(&s, i)[f] >= 0 && tune_space_feature(&s, i)[f] <= 1))
                ok(false, "features are in [0, 1]");
    tune_space_release(&s);
    p = plan_of(&a, "\"A\": [64, 128]", "\"A > 500\"", "A");
    tune_space_init(&s, p, &dims, 1);
    is_int(s.n, 0, "a space may be empty");
    tune_space_release(&s);
    ws_arena_release(&a);
}

/* 10^9 raw points, of which one in some thousands is valid: they are drawn, not enumerated. */
static void test_large_space(void)
{
    ws_arena a = {0};
    plan *p =
        plan_of(&a,
                "\"A\": [1,2,3,4,5,6,7,8], \"B\": [1,2,3,4,5,6,7,8], \"C\": [1,2,3,4,5,6,7,8],"
                "\"D\": [1,2,3,4,5,6,7,8], \"E\": [1,2,3,4,5,6,7,8], \"F\": [1,2,3,4,5,6,7,8],"
                "\"G\": [1,2,3,4,5,6,7,8], \"H\": [1,2,3,4,5,6,7,8], \"I\": [1,2,3,4,5,6,7,8],"
                "\"J\": [1,2,3,4,5,6,7,8]",
                "\"A == B\", \"C == D + 1\", \"E < F\", \"G * H <= 16\", \"I + J > A\"", "32");
    tune_space s;
    int64_t start = ws_now_ns();
    bool valid = true, twice = false;
    tune_space_init(&s, p, &dims, 7);
    const double seconds = ws_seconds_since(start);
    ok(!s.whole && s.n >= 1000, "a large space is sampled (%d points)", s.n);
    ok(seconds < 10, "in %.1f s", seconds);
    for (int i = 0; i < s.n; i++) {
        const int64_t *r = tune_space_row(&s, i);
        valid = valid && r[0] == r[1] && r[2] == r[3] + 1 && r[4] < r[5] && r[6] * r[7] <= 16 &&
                r[8] + r[9] > r[0];
        twice = twice || tune_space_find(&s, r) != i;
    }
    ok(valid, "every drawn point is valid");
    ok(!twice, "and is drawn once");
    /* 8 x 7 x 28 x 43 x (sum over A of the pairs I + J > A), counted by hand in a loop */
    double want = 0;
    for (int x = 1; x <= 8; x++) {
        int sums = 0, small = 0, less = 0;
        for (int i = 1; i <= 8; i++)
            for (int j = 1; j <= 8; j++) {
                sums += i + j > x;
                small += i * j <= 16;
                less += i < j;
            }
        want += 7.0 * less * small * sums;
    }
    ok(fabs(s.count / want - 1) < 0.6, "the count is estimated: %.0f of %.0f", s.count, want);
    int before = s.n;
    tune_space_add_neighbours(&s, tune_space_row(&s, 0));
    ok(s.n > before, "neighbours join the list");
    for (int i = before; i < s.n; i++) {
        int differ = 0;
        for (int k = 0; k < s.width; k++)
            differ += tune_space_row(&s, i)[k] != tune_space_row(&s, 0)[k];
        if (differ != 1)
            ok(false, "a neighbour differs in one tunable");
    }
    tune_space_release(&s);
    ws_arena_release(&a);
}

/* A bowl over eight tunables, two pairs of which are coupled; 1 at its one best point. */
static double bowl(const int64_t *r)
{
    double s = 1;
    for (int k = 0; k < 8; k++)
        s += 0.03 * pow(log2((double)r[k]) - (k % 3 + 2), 2);
    s +=
        0.05 * fabs(log2((double)(r[0] * r[1])) - 5) + 0.05 * fabs(log2((double)(r[2] * r[3])) - 6);
    return s;
}

static void test_large_search(void)
{
    ws_arena a = {0};
    ws_buf tune = {0};
    for (int k = 0; k < 8; k++)
        ws_buf_printf(&tune, "%s\"T%d\": [1, 2, 4, 8, 16, 32, 64, 128]", k ? ", " : "", k);
    plan *p = plan_of(&a, ws_buf_z(&tune), "\"T0 * T1 <= 1024\"", "32");
    const tune_options o = {.max_points = 160, .batch = 4, .seed = 5};
    int64_t start = ws_now_ns(), space;
    tune_search *s = tune_search_new(p, &dims, &o, NULL);
    const int64_t *rows;
    int n, asked, right;
    while ((n = tune_search_ask(s, &rows)) > 0)
        for (int i = 0; i < n; i++) {
            const int64_t *row = rows + 8 * (size_t)i;
            const tune_result r = {true, bowl(row), {32, 0, 0, 1}};
            tune_search_tell(s, row, &r);
        }
    tune_result got = {.seconds = INFINITY};
    tune_search_best(s, &got);
    tune_search_counts(s, &space, &asked, &right);
    ok(got.seconds < 1.1, "160 of %lld points: %.3f, where 1 is the best and the default has %.3f",
       (long long)space, got.seconds, bowl((const int64_t[]){1, 1, 1, 1, 1, 1, 1, 1}));
    ok(ws_seconds_since(start) < 60, "in %.1f s", ws_seconds_since(start));
    tune_search_free(s);
    ws_buf_release(&tune);
    ws_arena_release(&a);
}

/* ---- the surrogate ---- */

static double hill(const double *x)
{
    return 3 + 2 * sin(3 * x[0]) + x[1] * x[1];
}

static void test_surrogate(void)
{
    enum { N = 30 };
    double x[2 * N], y[N], mean, sd, far_sd, worst = 0;
    tune_surrogate *g = tune_surrogate_new(3);
    double x3[3 * N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = 0.6 * ws_philox_uniform(1, 0, (uint64_t)i);
        x[2 * i + 1] = ws_philox_uniform(1, 1, (uint64_t)i);
        memcpy(x3 + 3 * (size_t)i, x + 2 * (size_t)i, 2 * sizeof *x);
        x3[3 * i + 2] = ws_philox_uniform(1, 2, (uint64_t)i); /* says nothing */
        y[i] = hill(x + 2 * (size_t)i);
    }
    tune_surrogate_fit(g, x3, y, N, 40);
    for (int i = 0; i < 50; i++) {
        const double at[3] = {0.6 * ws_philox_uniform(2, 0, (uint64_t)i),
                              ws_philox_uniform(2, 1, (uint64_t)i),
                              ws_philox_uniform(2, 2, (uint64_t)i)};
        tune_surrogate_predict(g, at, &mean, &sd);
        worst = fmax(worst, fabs(mean - hill(at)));
        if (fabs(mean - tune_surrogate_mean(g, at)) > 1e-9)
            ok(false, "both ways to the mean agree");
    }
    ok(worst < 0.15, "a smooth function of range 3 is predicted to %.3f", worst);
    const double far[3] = {1, 0.5, 0.5};
    tune_surrogate_predict(g, x3, &mean, &sd);
    tune_surrogate_predict(g, far, &mean, &far_sd);
    ok(far_sd > 3 * sd, "certain at what was told (%.3g), not far from it (%.3g)", sd, far_sd);
    tune_surrogate_believe(g, far);
    double again;
    tune_surrogate_predict(g, far, &again, &sd);
    ok(sd < 0.3 * far_sd && fabs(again - mean) < 1e-6,
       "what is believed is certain, and as it was");
    tune_surrogate_free(g);
}

/* ---- ask and tell ---- */

/* Seconds with one best point, (64, 4, 3), and a ridge. */
static double valley(const int64_t *r)
{
    return 1e-3 * (1 + pow(log2((double)r[0]) - 6, 2) * 0.1 + fabs((double)r[1] - 4) * 0.2 +
                   fabs((double)r[2] - (double)r[1] + 1) * 0.05);
}

static const char valley_tune[] = "\"A\": [32, 64, 128, 256, 512], \"B\": [1,2,3,4,5,6,7,8], "
                                  "\"C\": [1,2,3,4,5,6,7,8]";

static tune_result result(bool right, double seconds)
{
    return (tune_result){right, right ? seconds : (double)NAN, {32, 0, 0, 1}};
}

/* Runs a search and writes the indexes of what it asks for; told backwards when asked to. */
static int run_search(const plan *p, const tune_options *o, bool backwards, int64_t *log, int max)
{
    tune_search *s = tune_search_new(p, &dims, o, NULL);
    const int64_t *rows;
    int n, total = 0;
    while ((n = tune_search_ask(s, &rows)) > 0) {
        for (int i = 0; i < n && total < max; i++)
            memcpy(log + 3 * (size_t)total++, rows + 3 * (size_t)i, 3 * sizeof *log);
        for (int i = 0; i < n; i++) {
            const int64_t *row = rows + 3 * (size_t)(backwards ? n - 1 - i : i);
            const tune_result r = result(row[0] < 512, valley(row));
            tune_search_tell(s, row, &r);
        }
    }
    tune_search_free(s);
    return total;
}

static void test_ask(void)
{
    ws_arena a = {0};
    plan *p = plan_of(&a, valley_tune, "", "A");
    enum { MAX = 400 };
    static int64_t one[3 * MAX], two[3 * MAX];
    tune_options o = {.max_points = 60, .batch = 7, .seed = 3};
    int n = run_search(p, &o, false, one, MAX), found = 0;
    is_int(n, 60, "as many points as it may have");
    ok(one[0] == 32 && one[1] == 1 && one[2] == 1, "the default comes first");
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (!memcmp(one + 3 * (size_t)i, one + 3 * (size_t)j, 3 * sizeof *one))
                ok(false, "point %d is asked for twice", i);
    for (int i = 0; i < n && !found; i++)
        found = one[3 * i] == 64 && one[3 * i + 1] == 4 && one[3 * i + 2] == 3 ? i + 1 : 0;
    ok(found, "the best point is among them (number %d of 320 points)", found);
    int failing = 0;
    for (int i = n / 2; i < n; i++)
        failing += one[3 * i] == 512;
    ok(failing <= 2, "where points failed it hardly looks again (%d)", failing);
    run_search(p, &o, false, two, MAX);
    ok(!memcmp(one, two, 3 * (size_t)n * sizeof *one), "the same seed asks for the same");
    run_search(p, &o, true, two, MAX);
    ok(!memcmp(one, two, 3 * (size_t)n * sizeof *one), "in whichever order a batch is told");
    o.seed = 4;
    run_search(p, &o, false, two, MAX);
    ok(memcmp(one, two, 3 * (size_t)n * sizeof *one), "another seed asks for others");
    o.max_points = 1000;
    is_int(run_search(p, &o, false, two, MAX), 320,
           "a space that is small enough is searched whole");
    o.max_points = 0;
    is_int(run_search(p, &o, false, two, MAX), 80, "a quarter of it when nothing is said");
    ws_arena_release(&a);
}

static void test_told_again(void)
{
    ws_arena a = {0};
    plan *p = plan_of(&a, valley_tune, "", "A");
    const tune_result base = result(true, 1), better = result(true, 0.5), wrong = result(false, 0);
    const int64_t *rows, first[] = {32, 1, 1};
    tune_result got;
    int64_t space;
    int asked, right;
    tune_search *s = tune_search_new(p, &dims, &(tune_options){.max_points = 3, .seed = 1}, &base);
    ok(tune_search_best(s, &got) && got.seconds == 1, "the base's result counts");
    is_int(tune_search_ask(s, &rows), 1, "one at a time");
    ok(memcmp(rows, first, sizeof first), "not the base again");
    int64_t kept[3];
    memcpy(kept, rows, sizeof kept);
    tune_search_tell(s, kept, &better);
    ok(!memcmp(tune_search_best(s, &got), kept, sizeof kept), "what is faster is the best");
    tune_search_tell(s, kept, &wrong);
    ok(!memcmp(tune_search_best(s, &got), first, sizeof first), "until it is told to be wrong");
    is_int(tune_search_ask(s, &rows), 1, "the third point");
    tune_search_tell(s, rows, &wrong);
    is_int(tune_search_ask(s, &rows), 0, "the base counts as one of three");
    tune_search_counts(s, &space, &asked, &right);
    ok(space == 320 && asked == 3 && right == 1, "counts");
    tune_search_free(s);
    s = tune_search_new(p, &dims, &(tune_options){.max_points = 5, .seed = 1}, NULL);
    ok(!tune_search_best(s, &got), "no best of nothing");
    while (tune_search_ask(s, &rows))
        tune_search_tell(s, rows, &wrong);
    ok(!tune_search_best(s, &got), "nor of nothing right");
    tune_search_free(s);
    ws_arena_release(&a);
}

/* Times with an error of 5 %: repeats tell the best from the lucky. */
static void test_noise(void)
{
    ws_arena a = {0};
    plan *p = plan_of(&a, valley_tune, "", "A");
    enum { SEEDS = 20 };
    double lost = 0;
    int repeated = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        tune_options o = {.max_points = 90, .batch = 5, .seed = seed, .noise = 0.05};
        tune_search *s = tune_search_new(p, &dims, &o, NULL);
        const int64_t *rows;
        uint64_t at = 0;
        int n, total = 0;
        tune_table seen = {.width = 3};
        while ((n = tune_search_ask(s, &rows)) > 0)
            for (int i = 0; i < n; i++, total++) {
                const int64_t *row = rows + 3 * (size_t)i;
                const tune_result r =
                    result(true, valley(row) * (1 + 0.05 * ws_philox_normal(seed, 9, at++)));
                repeated += tune_table_find(&seen, row) >= 0;
                tune_table_put(&seen, row, &r);
                tune_search_tell(s, row, &r);
            }
        tune_result got;
        lost += valley(tune_search_best(s, &got)) / 1e-3 - 1;
        if (total != 90)
            ok(false, "repeats count as points: %d of 90", total);
        tune_table_release(&seen);
        tune_search_free(s);
    }
    ok(repeated == 30 * SEEDS, "a third of the points are repeats (%d)", repeated / SEEDS);
    ok(lost / SEEDS < 0.03, "with noise of 5 %% the winner is %.1f %% off the best on average",
       100 * lost / SEEDS);
    ws_arena_release(&a);
}

static void test_report(void)
{
    ws_arena a = {0};
    plan *p = plan_of(&a, "\"A\": [32, 64], \"B\": [1, 2, 4]", "", "A");
    tune_table t = {.width = 2};
    const int64_t row[5][2] = {{32, 1}, {64, 1}, {32, 2}, {64, 2}, {32, 4}};
    const double seconds[5] = {4e-6, 3e-6, 2e-6, 4e-6, 0};
    ws_buf b = {0};
    for (int i = 0; i < 5; i++) {
        const tune_result r = result(seconds[i] > 0, seconds[i]);
        tune_table_put(&t, row[i], &r);
    }
    tune_table_report(p, &t, 10, &b);
    is_str(ws_buf_z(&b), "A: 32 1.00x, 64 1.50x\nB: 1 1.50x, 2 1.00x, 4 never right\n",
           "the best time at each value");
    ws_buf_reset(&b);
    tune_table_report(p, &t, 1, &b);
    is_str(ws_buf_z(&b), "A: 32 1.00x, 64 1.50x\n", "as many lines as are wanted");
    cJSON *o = tune_table_json(p, &t);
    tune_table back = {0};
    ws_err err = {0};
    ok(!tune_table_read(o, p, &back, &err) && back.n == 5 && tune_table_best(&back) == 2 &&
           !back.result[4].right && !memcmp(tune_table_row(&back, 3), row[3], sizeof row[3]),
       "a table goes to JSON and back %s", err.msg);
    tune_table_release(&back);
    plan *other = plan_of(&a, "\"A\": [32, 64], \"X\": [1, 2, 4]", "", "A");
    ok(tune_table_read(o, other, &back, &err), "a table of other tunables is refused");
    cJSON_Delete(o);
    ws_buf_release(&b);
    tune_table_release(&t);
    ws_arena_release(&a);
}

/* ---- defaults in the source ---- */

static void test_defaults(void)
{
    static const char source[] =
        "// tune: {\"A\": [9]}\n/* @plan\n * { \"tune\": { \"A\": [32, 64,\n *   128], "
        "\"B\": 7 },\n \"launch\": [ { \"kernel\": \"k\", \"grid\": [1], \"block\": "
        "[\"A\"], \"args\": [\"x\", \"y\"] } ] } */ int A[] = {1};\n";
    const plan_names names = {tensors, 2, dim_names, 1, NULL};
    ws_arena a = {0};
    plan *p = NULL;
    hx_diag d;
    ws_buf b = {0};
    if (!ok(plan_parse(&a, source, strlen(source), &names, &p, &d), "the plan: %s", d.text))
        return;
    plan_put_defaults(source, strlen(source), p, (const int64_t[]){128, 7}, &b);
    is_str(
        ws_buf_z(&b),
        "// tune: {\"A\": [9]}\n/* @plan\n * { \"tune\": { \"A\": [128, 32, 64], \"B\": [7] },\n "
        "\"launch\": [ { \"kernel\": \"k\", \"grid\": [1], \"block\": [\"A\"], \"args\": [\"x\", "
        "\"y\"] } "
        "] } */ int A[] = {1};\n",
        "the best values first, the rest as it was");
    ws_buf_release(&b);
    ws_arena_release(&a);
}

/* ---- spaces that were judged in full ---- */

static void test_recorded(const char *name)
{
    enum { SEEDS = 10 };
    ws_err err = {0};
    tune_case c;
    int worst = 0, sum = 0;
    if (!ok(tune_case_open(&c, "tests/tune", "tests/tune", name, &err), "%s %s", name, err.msg))
        return;
    tune_space s;
    tune_space_init(&s, c.plan, &c.dims, 1);
    ok(s.n == c.table.n && s.n >= 200, "%s: a table of all %d points", name, s.n);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const tune_options o = {.max_points = c.table.n / 4, .batch = 4, .seed = seed};
        const int need = tune_case_needed(&c, &o, TUNE_TIE);
        if (need <= 0)
            ok(false, "%s, seed %d: a quarter of the points is not enough", name, (int)seed);
        worst = need <= 0 ? c.table.n : need > worst ? need : worst;
        sum += need <= 0 ? c.table.n : need;
    }
    ok(4 * worst <= c.table.n, "%s: the best after %.1f %% of the points, at worst %.1f %%", name,
       100.0 * sum / SEEDS / c.table.n, 100.0 * worst / c.table.n);
    tune_space_release(&s);
    tune_case_close(&c);
}

int main(void)
{
    static const char *const recorded[] = {"matmul",  "softmax",  "transpose",
                                           "row_sum", "cumsum",   "layer_norm",
                                           "matvec",  "rms_norm", "causal_attention", "batched_matmul-large"};
    test_space();
    test_large_space();
    test_large_search();
    test_surrogate();
    test_ask();
    test_told_again();
    test_noise();
    test_report();
    test_defaults();
    for (size_t i = 0; i < WS_COUNT(recorded); i++)
        test_recorded(recorded[i]);
    return tap_done();
}
