/* Merging archives: the order does not matter, nothing is added twice, a run that went on is
 * brought up to date, one that went on in two ways is refused, and numbers of rows inside of texts
 * follow. */
#include "results/merge.h"
#include "results/db.h"
#include "tests/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/ws-merge-XXXXXX";
static ws_arena arena;

static char *path_of(const char *name)
{
    return ws_arena_printf(&arena, "%s/%s.db", dir, name);
}

static db_archive *open_it(const char *name)
{
    ws_err err = {0};
    db_archive *db = NULL;
    if (db_open(path_of(name), false, &db, &err)) {
        printf("Bail out! %s\n", err.msg);
        exit(1);
    }
    return db;
}

static void must(ws_status st, const ws_err *err)
{
    if (st) {
        printf("Bail out! %s\n", err->msg);
        exit(1);
    }
}

static int64_t add_run(db_archive *db, const char *name, const char *of)
{
    ws_err err = {0};
    int64_t id = 0;
    db_run r = {.spec_name = of, .spec_sha256 = of, .spec_json = "{}", .model = "m",
                .strategy = "refine", .gpu = "h100", .arch = "sm_90",
                .config_json = "{\"seed\":\"1\",\"spent_seconds\":1.5}"};
    snprintf(r.name, sizeof r.name, "%s", name);
    must(db_run_begin(db, &r, &id, &err), &err);
    return id;
}

static int64_t add_candidate(db_archive *db, int64_t run, int64_t call, int64_t parent, int round,
                             const char *source)
{
    ws_err err = {0};
    int64_t id = 0;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    db_candidate c = {.run = run, .call = call, .parent = parent, .round = round,
                      .origin = call ? "model" : "emitted", .source = source, .reason = "pass",
                      .level = 2, .modelled_s = 1e-3 / (round + 1), .measured_s = (double)NAN,
                      .gpu = "h100"};
    db_timing t = {.kind = "modelled", .gpu = "h100", .unit = "s", .sample = &c.modelled_s,
                   .n_samples = 1};
    must(db_candidate_add_timed(db, &c, v, &t, &id, &err), &err);
    free(v);
    return id;
}

/* A reply about `subject`. */
static int64_t add_call(db_archive *db, int64_t run, int turn, int64_t subject, bool answered)
{
    ws_err err = {0};
    int64_t id = 0;
    char step[160];
    snprintf(step, sizeof step,
             "{\"lane\":0,\"round\":%d,\"subject\":%lld,\"inspirations\":[%lld]}", turn,
             (long long)subject, (long long)subject);
    db_call c = {.run = run, .turn = turn, .purpose = "improve", .prompt_json = "[\"p\"]",
                 .step_json = step};
    must(db_call_begin(db, &c, &id, &err), &err);
    if (!answered)
        return id;
    c = (db_call){.id = id, .run = run, .turn = turn, .outcome = "ok", .content = "a kernel",
                  .prompt_tokens = 10, .cached_tokens = -1, .completion_tokens = 5,
                  .reasoning_tokens = -1, .cost_usd = 0.25, .seconds = 1, .attempts_json = "[{}]"};
    must(db_call_end(db, &c, &err), &err);
    return id;
}

/* A run with `rounds` replies; `pad`: rows of another run before it, so that numbers differ. */
static void make(const char *name, const char *run_name, int rounds, bool pad, bool end)
{
    ws_err err = {0};
    db_archive *db = open_it(name);
    if (pad) {
        int64_t other = add_run(db, ws_arena_printf(&arena, "pad-%s", name), "pad");
        int64_t p = add_candidate(db, other, 0, 0, 0, "pad");
        for (int i = 0; i < 3; i++)
            p = add_candidate(db, other, add_call(db, other, i, p, true), p, i + 1, "pad");
        must(db_run_end(db, other, "done", "all rounds done", p, &err), &err);
    }
    int64_t run = add_run(db, run_name, "spec");
    int64_t best = add_candidate(db, run, 0, 0, 0, "emitted");
    for (int i = 0; i < rounds; i++) {
        int64_t call = add_call(db, run, i, best, true);
        best = add_candidate(db, run, call, best, i + 1,
                             ws_arena_printf(&arena, "kernel %d", i));
    }
    if (end) {
        db_keys keys = {"spec", "spec", "title", "family", "f32", "small"};
        db_lesson l = {.gpu = "h100", .keys = keys, .kind = "gain", .subject = "float4",
                       .text = "helps", .effect = 2, .support = 1, .timing = "modelled",
                       .evidence_json = ws_arena_printf(&arena, "[%lld]", (long long)best)};
        must(db_keys_put(db, &keys, &err), &err);
        must(db_lessons_replace(db, run, &l, 1, &err), &err);
        must(db_run_end(db, run, "done", "all rounds done", best, &err), &err);
    } else {
        (void)add_call(db, run, rounds, best, false); /* in flight when it was killed */
    }
    db_close(db);
}

static ws_status merge_into(const char *to, const char *from, db_merged *m, ws_err *err)
{
    db_archive *db = open_it(to);
    *err = (ws_err){0};
    ws_status st = db_merge(db, path_of(from), m, err);
    db_close(db);
    return st;
}

static const char *digest(const char *name)
{
    ws_err err = {0};
    db_digest d = {0};
    db_archive *db = open_it(name);
    if (db_digest_of(db, NULL, &d, &err))
        printf("# %s\n", err.msg);
    db_close(db);
    return ws_arena_strdup(&arena, d.sha256);
}

static int64_t query(db_archive *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t v = -99;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        v = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return v;
}

static void test_runs(void)
{
    db_merged m;
    ws_err err = {0};
    make("a", "run-a", 2, false, true);
    make("b", "run-b", 3, true, true);
    ok(!merge_into("ab", "a", &m, &err) && m.runs == 1 && m.calls == 2 && m.candidates == 3 &&
           m.lessons == 1,
       "a run with all that it has %s", err.msg);
    ok(!merge_into("ab", "b", &m, &err) && m.runs == 2, "two more %s", err.msg);
    ok(!merge_into("ba", "b", &m, &err) && !merge_into("ba", "a", &m, &err), "the other way round");
    is_str(digest("ab"), digest("ba"), "the order does not matter");
    const char *before = digest("ab");
    ok(!merge_into("ab", "b", &m, &err) && !m.runs && !m.calls && !m.candidates && !m.lessons,
       "again: nothing new");
    ok(!merge_into("ab", "ba", &m, &err) && !m.candidates, "nor in what was merged from the same");
    is_str(digest("ab"), before, "nothing is different");
    ok(strcmp(digest("a"), digest("b")) != 0, "archives that differ have other digests");

    db_archive *db = open_it("ab");
    ok(!db_check(db, &err), "the archive is sound %s", err.msg);
    is_int(query(db, "SELECT count(*) FROM candidate c JOIN call k ON k.id = c.call WHERE"
                     " c.parent <> json_extract(k.step, '$.subject') OR"
                     " c.parent <> json_extract(k.step, '$.inspirations[0]')"),
           0, "steps name the rows of here");
    is_int(query(db, "SELECT count(*) FROM lesson l JOIN run r ON r.id = l.run WHERE"
                     " json_extract(l.evidence, '$[0]') <> r.best_candidate"),
           0, "so do lessons");
    is_int(query(db, "SELECT count(*) FROM timing"), 3 + 4 + 4, "every timing is there");
    is_int(query(db, "SELECT count(*) FROM candidate_fts WHERE candidate_fts MATCH 'spec'"), 3 + 4,
           "and found by its words");
    db_close(db);
}

static void test_growth(void)
{
    db_merged m;
    ws_err err = {0};
    make("young", "run-g", 1, false, false);
    make("old", "run-g", 3, true, true);
    make("fork", "run-g", 1, false, false);
    db_archive *db = open_it("fork");
    int64_t run = query(db, "SELECT max(id) FROM run");
    (void)add_candidate(db, run, 0, 0, 2, "another kernel");
    db_close(db);

    ok(!merge_into("g", "young", &m, &err), "a run that was killed %s", err.msg);
    ok(!merge_into("g", "old", &m, &err) && m.candidates == 2 + 4 && m.calls == 1 + 3,
       "went on: what is new is added (%d, %d) %s", m.candidates, m.calls, err.msg);
    ok(!merge_into("h", "old", &m, &err) && !merge_into("h", "young", &m, &err) && !m.candidates,
       "what is old adds nothing %s", err.msg);
    is_str(digest("g"), digest("h"), "both ways");
    is_str(digest("g"), digest("old"), "it is the run as it ended");
    db = open_it("g");
    is_int(query(db, "SELECT count(*) FROM call WHERE state = 'sent'"), 0,
           "the request that was in flight has its answer");
    is_int(query(db, "SELECT count(*) FROM run WHERE status = 'done' AND best_candidate NOT NULL"),
           2, "and the run its end");
    ok(!db_check(db, &err), "the archive is sound %s", err.msg);
    db_close(db);
    const char *before = digest("g");
    ok(merge_into("g", "fork", &m, &err) == WS_EINPUT, "one that went on in another way: %s",
       err.msg);
    is_str(digest("g"), before, "and nothing was merged");
}

static void add_shard(const char *name, int shard, const char *config)
{
    ws_err err = {0};
    int64_t id;
    db_archive *db = open_it(name);
    db_problem list[2] = {{.position = shard, .spec = "s", .spec_name = "k/s", .spec_sha256 = "1",
                           .seed = 7, .model = "m", .strategy = "refine"}};
    list[1] = list[0];
    list[1].position = shard + 2;
    db_sweep w = {.name = "sweep", .suite = "k", .config_json = config, .shard = shard,
                  .shards = 2, .problems = 4};
    must(db_sweep_begin(db, &w, list, 2, &id, &err), &err);
    db_problem *p;
    int n;
    must(db_problem_list(db, id, &arena, &p, &n, &err), &err);
    p[0].status = "done";
    p[0].run = add_run(db, ws_arena_printf(&arena, "of-shard-%d", shard), "s");
    must(db_problem_update(db, &p[0], &err), &err);
    db_sample m = {p[1].id, 0, true, true, 1e-3, "gpu", "src", "{}"};
    must(db_sample_put(db, &m, &err), &err);
    must(db_sweep_end(db, id, "interrupted", "interrupted", &err), &err);
    db_close(db);
}

static void finish_shard(const char *name)
{
    ws_err err = {0};
    db_archive *db = open_it(name);
    db_problem *p;
    int n;
    must(db_problem_list(db, 1, &arena, &p, &n, &err), &err);
    p[1].status = "failed";
    p[1].error = "no answer";
    must(db_problem_update(db, &p[1], &err), &err);
    must(db_sweep_end(db, 1, "done", NULL, &err), &err);
    db_close(db);
}

static void test_sweeps(void)
{
    db_merged m;
    ws_err err = {0};
    db_sweep w;
    add_shard("s1", 1, "{\"rounds\":2,\"spent_seconds\":1}");
    add_shard("s2", 2, "{\"rounds\":2,\"spent_seconds\":9}");
    add_shard("odd", 2, "{\"rounds\":3}");
    ok(!merge_into("s", "s1", &m, &err) && m.sweeps == 1 && m.problems == 2, "a shard %s", err.msg);
    db_archive *db = open_it("s");
    ok(!db_sweep_find(db, "sweep", &arena, &w, &err) && w.shards == 2, "is a part");
    db_close(db);
    ok(!merge_into("s", "s2", &m, &err) && m.sweeps == 0 && m.problems == 2, "the other %s",
       err.msg);
    db = open_it("s");
    ok(!db_sweep_find(db, "sweep", &arena, &w, &err) && w.shards == 1, "both are all of it");
    is_str(w.status, "interrupted", "which is not over");
    is_int(query(db, "SELECT count(*) FROM problem p JOIN run r ON r.id = p.run"), 2,
           "problems have their runs");
    db_close(db);
    finish_shard("s1");
    finish_shard("s2");
    ok(!merge_into("s", "s2", &m, &err) && !merge_into("s", "s1", &m, &err) && !m.problems,
       "when they are over %s", err.msg);
    db = open_it("s");
    ok(!db_sweep_find(db, "sweep", &arena, &w, &err), "the sweep");
    is_str(w.status, "done", "is, too");
    is_int(query(db, "SELECT count(*) FROM problem WHERE status = 'failed' AND error NOT NULL"), 2,
           "its problems have their ends");
    is_int(query(db, "SELECT count(*) FROM sample"), 2, "and samples");
    db_close(db);
    ok(!merge_into("t", "s2", &m, &err) && !merge_into("t", "s1", &m, &err), "the other way round");
    is_str(digest("t"), digest("s"), "says the same");
    ok(merge_into("s", "odd", &m, &err) == WS_EINPUT, "another sweep of that name: %s", err.msg);
}

static void test_refusals(void)
{
    db_merged m;
    ws_err err = {0};
    ok(merge_into("a", "a", &m, &err) == WS_EUSAGE, "into itself: %s", err.msg);
    ok(merge_into("a", "none", &m, &err) == WS_EINPUT, "what is not there: %s", err.msg);
    db_archive *db = open_it("new");
    (void)query(db, "PRAGMA user_version = 1000");
    db_close(db);
    ok(merge_into("a", "new", &m, &err) == WS_EINPUT, "a newer schema: %s", err.msg);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 70;
    test_runs();
    test_growth();
    test_sweeps();
    test_refusals();
    char *rm = ws_arena_printf(&arena, "rm -rf %s", dir);
    if (system(rm))
        return 70;
    ws_arena_release(&arena);
    return tap_done();
}
