/* KernelBench's metrics: against numbers worked out by hand, and against definitions that count
 * what the closed forms compute. Rows of the archive become what is scored. */
#include "results/score.h"
#include "results/db.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double none = (double)NAN;

/* ---- pure arithmetic ---- */

/* The share of the subsets of size k of n samples, the first c of them right, that hold a right
 * one. */
static double pass_by_counting(int n, int c, int k)
{
    int all = 0, hit = 0;
    for (unsigned set = 0; set < 1u << n; set++)
        if (__builtin_popcount(set) == k) {
            all++;
            hit += (set & ((1u << c) - 1)) != 0;
        }
    return (double)hit / all;
}

static void test_pass_at(void)
{
    bool same = true;
    for (int n = 1; n <= 10; n++)
        for (int c = 0; c <= n; c++)
            for (int k = 1; k <= n; k++)
                same = same && fabs(res_pass_at(n, c, k) - pass_by_counting(n, c, k)) < 1e-12;
    ok(same, "pass@k is the share of sets of k that hold a right one");
    ok(isnan(res_pass_at(4, 2, 5)), "nothing is said of more samples than there are");
    is_close(res_pass_at(0, 0, 5), 0, 0, "what was never answered did not pass");
    is_close(res_pass_at(100000, 1, 10), 1e-4, 1e-12, "no factorial overflows");
}

static void test_speedup(void)
{
    res_time a = {2e-3, "modelled", "h100"}, b = {1e-3, "modelled", "h100"};
    res_time measured = {1e-3, "measured", "h100"}, other = {1e-3, "modelled", "a100"};
    res_time nothing = {none, NULL, NULL}, zero = {0, "modelled", "h100"};
    is_close(res_speedup(&a, &b), 2, 1e-15, "a speed-up is a ratio");
    ok(isnan(res_speedup(&a, &measured)), "a modelled and a measured time have none");
    ok(isnan(res_speedup(&a, &other)), "nor have two GPUs");
    ok(isnan(res_speedup(&a, &nothing)) && isnan(res_speedup(&nothing, &a)), "nor what is unknown");
    ok(isnan(res_speedup(&a, &zero)), "nor a time of 0");
}

static void test_score(void)
{
    /* group, speed-up (NaN: none), right, flawed, status */
    static const struct {
        const char *group;
        double speedup;
        bool correct, flawed;
        const char *status;
    } rows[] = {
        {"k/l1", 4.0, true, false, "done"},     {"k/l1", 1.0, true, false, "done"},
        {"k/l1", 0.5, true, false, "limit"},    {"k/l1", none, false, false, "failed"},
        {"k/l1", none, true, false, "done"},    {"k/l2", 2.0, true, false, "done"},
        {"k/l2", none, false, false, "waiting"}, {"k/l1", 99.0, true, true, "done"},
    };
    enum { N = sizeof rows / sizeof *rows };
    res_problem p[N];
    res_baseline b[N];
    for (int i = 0; i < N; i++) {
        b[i] = (res_baseline){.name = "translation", .speedup = rows[i].speedup};
        p[i] = (res_problem){.group = rows[i].group, .flawed = rows[i].flawed, .model = "m",
                             .strategy = "refine", .status = rows[i].status,
                             .correct = rows[i].correct, .compiled = rows[i].correct,
                             .attempts = rows[i].correct ? 2 : 0,
                             .attempts_correct = rows[i].correct, .baseline = &b[i],
                             .n_baselines = 1, .usd = i == 5 ? none : 0.25, .seconds = 2};
    }
    res_set set = {.problem = p, .n = N};
    res_score s;
    res_score_of(&set, &(res_filter){.group = "k/l1"}, "translation", &s);
    ok(s.n == 5 && s.done == 4 && s.failed == 1 && s.correct == 4, "of all problems of a level");
    ok(s.fast[0] == 4 && s.fast[1] == 2 && s.fast[2] == 2 && s.fast[3] == 1 && s.fast[4] == 1 &&
           s.fast[5] == 1,
       "fast_p counts what is faster than p, not as fast, and unknown times at p = 0 only");
    ok(s.compared == 3, "speed-ups that are known");
    is_close(s.geomean, cbrt(2.0), 1e-12, "their geometric mean");
    is_close(s.median, 1.0, 0, "their median");
    is_close(s.geomean_faster, 4.0, 1e-12, "the geometric mean of what is faster");
    is_close(s.pass[0], 4 * 0.5 / 5, 1e-12, "pass@1 over all, a problem that failed included");
    ok(isnan(s.pass[1]), "pass@5 of problems with 2 replies is not known");
    is_close(s.usd, 1.25, 1e-12, "dollars");
    res_score_of(&set, &(res_filter){.flawed = true}, "translation", &s);
    ok(s.n == 1 && s.fast[5] == 1, "flawed problems are counted by themselves");
    res_score_of(&set, &(res_filter){0}, "translation", &s);
    ok(s.n == 7 && s.fast[5] == 1 && isnan(s.usd), "and never with the others");
    is_close(s.median, 1.5, 0, "the median of an even number");
    res_score_of(&set, &(res_filter){0}, "torch", &s);
    ok(s.fast[0] == 5 && s.fast[1] == 0 && !s.compared && isnan(s.geomean) && isnan(s.median),
       "nothing is compared with a baseline that nobody has");
    res_score_of(&set, &(res_filter){.group = "none"}, "translation", &s);
    ok(s.n == 0 && isnan(s.pass[0]) && isnan(s.median), "no problem, no number");
    ws_arena a = {0};
    int n;
    const char **g = res_groups(&set, &a, &n);
    ok(n == 2 && strcmp(g[0], "k/l1") == 0 && strcmp(g[1], "k/l2") == 0, "groups");
    res_arms(&set, &a, &n);
    ok(n == 1, "one model and strategy");
    ws_arena_release(&a);
}

/* ---- the archive ---- */

static const db_sweep sweep_of_test = {.name = "level1-0123", .suite = "kernelbench/level1",
                                       .config_json = "{}", .shard = 1, .shards = 1, .problems = 3};

static int64_t add_candidate(db_archive *db, int64_t run, int64_t call, const char *origin,
                             const char *reason, int level, double seconds)
{
    ws_err err = {0};
    int64_t id = 0;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    db_candidate c = {.run = run, .call = call, .origin = origin, .source = origin,
                      .reason = reason, .level = level, .modelled_s = seconds,
                      .measured_s = none, .gpu = "h100"};
    ok(!db_candidate_add(db, &c, v, &id, &err), "a candidate (%s)", err.msg);
    free(v);
    return id;
}

static int64_t add_call(db_archive *db, int64_t run, int turn)
{
    ws_err err = {0};
    int64_t id = 0;
    db_call c = {.run = run, .turn = turn, .purpose = "generate", .prompt_json = "[]"};
    if (db_call_begin(db, &c, &id, &err))
        printf("# %s\n", err.msg);
    c = (db_call){.id = id, .run = run, .turn = turn, .state = "done", .outcome = "ok",
                  .content = "x", .prompt_tokens = 100, .cached_tokens = -1,
                  .completion_tokens = 50, .reasoning_tokens = -1, .cost_usd = 0.5, .seconds = 1,
                  .attempts_json = "[{}]"};
    if (db_call_end(db, &c, &err))
        printf("# %s\n", err.msg);
    return id;
}

static void fill_run(db_archive *db, int64_t run)
{
    int64_t call[3];
    for (int i = 0; i < 3; i++)
        call[i] = add_call(db, run, i);
    add_candidate(db, run, 0, "emitted", "pass", 2, 8e-3);
    add_candidate(db, run, call[0], "model", "compile_error", 0, none);
    add_candidate(db, run, call[1], "model", "shared_race", 1, none);
    add_candidate(db, run, call[2], "model", "pass", 2, 4e-3);
    add_candidate(db, run, call[2], "tuned", "pass", 2, 2e-3);
    add_candidate(db, run, call[2], "tuned", "wrong_result", 1, none);
    add_candidate(db, run, 0, "emitted", "pass", 2, 1e-3);
}

static void test_rows(db_archive *db)
{
    static const db_problem list[] = {
        {.position = 1, .spec = "one", .spec_name = "kernelbench/level1/one", .spec_sha256 = "a",
         .model = "m", .strategy = "refine", .seed = UINT64_MAX},
        {.position = 2, .spec = "two", .spec_name = "kernelbench/level1/two", .spec_sha256 = "b",
         .model = "m", .strategy = "refine", .flaw = "zeros pass"},
        {.position = 3, .spec = "three", .spec_name = "kernelbench/level1/three",
         .spec_sha256 = "c", .model = "m", .strategy = "refine"}};
    ws_err err = {0};
    ws_arena a = {0};
    int64_t id = 0, run = 0;
    int n = 0;
    db_problem *p;
    db_sweep w;
    ok(!db_sweep_begin(db, &sweep_of_test, list, 3, &id, &err), "a sweep begins %s", err.msg);
    ok(db_sweep_begin(db, &sweep_of_test, list, 3, &id, &err) == WS_EINPUT,
       "names are unique: %s", err.msg);
    ok(!db_sweep_find(db, "level1", &a, &w, &err) && strcmp(w.name, "level1-0123") == 0 &&
           w.problems == 3 && w.shards == 1 && !w.ended,
       "found by the beginning of its name");
    ok(db_sweep_find(db, "no", &a, &w, &err) == WS_EINPUT, "an unknown one: %s", err.msg);
    ok(!db_sweep_find(db, "last", &a, &w, &err), "the last one");
    ok(!db_problem_list(db, w.id, &a, &p, &n, &err) && n == 3 && p[0].seed == UINT64_MAX &&
           p[1].flaw && !p[0].flaw && strcmp(p[2].status, "waiting") == 0 && isnan(p[0].seconds) &&
           p[0].exit_code == -1,
       "its problems wait");
    db_run r = {.name = "one-1", .spec_name = "kernelbench/level1/one", .spec_sha256 = "a",
                .spec_json = "{}", .model = "m", .strategy = "refine", .gpu = "h100"};
    ok(!db_run_begin(db, &r, &run, &err), "a run %s", err.msg);
    fill_run(db, run);
    p[0].run = run;
    p[0].status = "done";
    p[0].exit_code = 0;
    p[0].seconds = 12;
    p[1].status = "failed";
    p[1].error = "the model gave no answer";
    ok(!db_problem_update(db, &p[0], &err) && !db_problem_update(db, &p[1], &err), "updates");
    db_baseline b = {p[0].id, "torch eager", "measured", "h100", 5e-3};
    ok(!db_baseline_put(db, &b, &err) && !db_baseline_put(db, &b, &err), "a baseline, twice");
    for (int i = 0; i < 3; i++) {
        db_sample m = {p[2].id, i, i > 0, i > 0, i ? 1e-3 * i : none, "h100", "source", "{}"};
        ok(!db_sample_put(db, &m, &err), "a sample %s", err.msg);
    }
    res_set s;
    ok(!res_of_sweep(db, w.id, &a, &s, &err) && s.n == 3 && s.n_baselines == 3, "the rows");
    const res_problem *x = &s.problem[0];
    ok(x->attempts == 3 && x->attempts_compiled == 2 && x->attempts_correct == 1,
       "attempts are replies, not tuned points and not translations");
    ok(x->correct && x->best_attempt == 3, "the best is of the third reply");
    is_close(x->best_time.seconds, 2e-3, 0, "tuned, and no translation");
    is_close(x->baseline[0].speedup, 4, 1e-12, "over the translation");
    is_close(x->baseline[1].speedup, 0.5, 1e-12, "and the fused one");
    ok(strcmp(x->baseline[2].name, "torch eager") == 0 && isnan(x->baseline[2].speedup),
       "not over what was measured elsewhere");
    ok(strcmp(x->first_failure, "compile_error") == 0 && x->n_failures == 2, "failures");
    ok(x->calls == 3 && x->prompt_tokens == 300 && x->completion_tokens == 150, "tokens");
    is_close(x->usd, 1.5, 1e-12, "dollars");
    is_close(x->seconds, 12, 0, "the sweep's own time");
    ok(strcmp(x->group, "kernelbench/level1") == 0, "the group");
    x = &s.problem[1];
    ok(x->flawed && !x->correct && !x->run && x->error && isnan(x->baseline[0].time.seconds),
       "one that failed");
    x = &s.problem[2];
    ok(x->imported && x->attempts == 3 && x->attempts_correct == 2 && x->best_attempt == 2 &&
           strcmp(x->first_failure, "compile_error") == 0,
       "samples of another harness");
    is_close(x->best_time.seconds, 1e-3, 0, "the fastest of them");
    ok(!res_of_runs(db, &run, 1, &a, &s, &err) && s.n == 1 && s.problem[0].correct &&
           s.problem[0].sweep == 0,
       "a run by itself is a problem too");
    db_sweep other = {.name = "other", .suite = "k", .config_json = "{}", .shard = 1, .shards = 1,
                      .problems = 1};
    ok(!db_sweep_begin(db, &other, list, 1, &id, &err) && !db_sweep_remove(db, id, &err) &&
           db_sweep_find(db, "other", &a, &w, &err) == WS_EINPUT,
       "a sweep is forgotten");
    ok(!db_check(db, &err), "the archive is sound");
    ws_arena_release(&a);
}

static void test_lock(const char *path)
{
    ws_err err = {0};
    int one, two;
    ok(!db_sweep_lock(path, 1, &one, &err), "a sweep is locked %s", err.msg);
    ok(db_sweep_lock(path, 1, &two, &err) == WS_EENV, "by one alone: %s", err.msg);
    ok(!db_sweep_lock(path, 2, &two, &err), "another sweep is not");
    close(one);
    ok(!db_sweep_lock(path, 1, &one, &err), "and free when it is left");
    close(one);
    close(two);
}

int main(void)
{
    char dir[] = "/tmp/ws-score-XXXXXX", path[64];
    ws_err err = {0};
    db_archive *db = NULL;
    test_pass_at();
    test_speedup();
    test_score();
    if (!mkdtemp(dir))
        return 70;
    snprintf(path, sizeof path, "%s/a.db", dir);
    ok(!db_open(path, false, &db, &err), "an archive %s", err.msg);
    test_rows(db);
    db_close(db);
    test_lock(path);
    unlink(path);
    rmdir(dir);
    return tap_done();
}
