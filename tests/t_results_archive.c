/* The archive: what goes in comes out, a killed process loses nothing, schemas migrate or are
 * refused. */
#include "base/sha256.h"
#include "results/db.h"
#include "tests/tap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/ws-archive-XXXXXX";
static char path[64];

static const db_run run_of_test = {
    .name = "softmax-20260102-030405-1a2b", .spec_name = "basics/softmax", .spec_sha256 = "ab12",
    .spec_json = "{\"name\":\"softmax\"}", .model = "m", .base_url = "http://127.0.0.1:1",
    .strategy = "refine", .gpu = "h100", .arch = "sm_90", .device = "cpu",
    .config_json = "{\"seed\":\"18446744073709551615\"}", .scripted = true,
};
static const char source_text[] =
    "/* @plan\n{ \"launch\": [] }\n*/\nextern \"C\" __global__ void k(float *y) { *y = 1.0f; }\n";

static db_archive *open_or_die(const char *p, bool read_only)
{
    ws_err err = {0};
    db_archive *db = NULL;
    if (db_open(p, read_only, &db, &err)) {
        printf("Bail out! %s\n", err.msg);
        exit(1);
    }
    return db;
}

/* One number out of the file, as SQL. */
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

static int64_t begin_run(db_archive *db, const char *name)
{
    ws_err err = {0};
    db_run r = run_of_test;
    int64_t id = 0;
    snprintf(r.name, sizeof r.name, "%s", name);
    if (db_run_begin(db, &r, &id, &err))
        printf("# %s\n", err.msg);
    return id;
}

static void test_quirks(db_archive *db)
{
    static const char url[] = "https://api.example.com/v1";
    ws_arena a = {0};
    ws_err err = {0};
    const char *text = "?";
    ok(!db_quirks_load(db, url, "m", &a, &text, &err) && !text, "no quirk is known at first");
    ok(!db_quirks_save(db, url, "m", "no_temperature", &err) &&
           !db_quirks_save(db, url, "m", "no_temperature most_tokens=64000", &err) &&
           !db_quirks_save(db, url, "n", "responses", &err),
       "quirks are kept, and replaced by what is learned later");
    ok(!db_quirks_load(db, url, "m", &a, &text, &err), "they are read");
    is_str(text, "no_temperature most_tokens=64000", "as they were kept last");
    ok(!db_quirks_load(db, "https://other.example.com/v1", "m", &a, &text, &err) && !text,
       "another server has its own");
    is_int(query(db, "SELECT count(*) FROM quirk"), 2, "one row for each model");
    ws_arena_release(&a);
}

static void test_runs(db_archive *db)
{
    ws_err err = {0};
    ws_arena a = {0};
    db_run r, *list;
    int n = 0;
    int64_t id = begin_run(db, run_of_test.name), second = begin_run(db, "softmax-20260102-other");
    ok(id > 0 && second > id, "runs begin");
    ok(db_run_find(db, "softmax-20260102-030405-1a2b", &a, &r, &err) == WS_OK && r.id == id,
       "found by name");
    is_str(r.spec_json, run_of_test.spec_json, "the spec's text is kept");
    is_str(r.config_json, run_of_test.config_json, "the options are kept");
    is_str(r.status, "running", "a new run is running");
    ok(r.scripted && !r.ended && r.started && !r.best_candidate, "scripted, not ended, no winner");
    ok(db_run_find(db, "softmax-20260102-0", &a, &r, &err) == WS_OK && r.id == id,
       "found by unique prefix");
    ok(db_run_find(db, "last", &a, &r, &err) == WS_OK && r.id == second, "found as last");
    ok(db_run_find(db, "1", &a, &r, &err) == WS_OK && r.id == 1, "found by number");
    ok(db_run_find(db, "softmax-", &a, &r, &err) == WS_EINPUT, "an ambiguous prefix is an error");
    has_str(err.msg, "begins the names of 2 runs", "which says how many there are");
    ok(db_run_find(db, "nothing", &a, &r, &err) == WS_EINPUT, "an unknown run is an error");
    ok(db_run_find(db, "", &a, &r, &err) == WS_EINPUT, "the empty name finds nothing");
    ok(db_run_begin(db, &run_of_test, &id, &err) != WS_OK, "a name is used once");
    has_str(err.msg, "run.name", "and the message says so");
    ok(db_run_list(db, &a, &list, &n, &err) == WS_OK && n == 2, "both are listed");
    ok(db_run_end(db, second, "limit", "the token budget is spent", 0, &err) == WS_OK,
       "a run ends");
    ok(db_run_find(db, "last", &a, &r, &err) == WS_OK && strcmp(r.status, "limit") == 0 && r.ended,
       "with its status and time");
    is_str(r.stop_reason, "the token budget is spent", "and its reason");
    ok(db_run_reopen(db, second, &err) == WS_OK, "a run is opened again");
    ok(db_run_find(db, "last", &a, &r, &err) == WS_OK && strcmp(r.status, "running") == 0 &&
           !r.ended && !r.stop_reason,
       "and is running");
    ok(db_run_end(db, 999, "done", NULL, 0, &err) == WS_EINPUT,
       "ending an unknown run is an error");
    ok(db_run_end(db, second, "nonsense", NULL, 0, &err) != WS_OK, "an unknown status is refused");
    ws_arena_release(&a);
}

static void test_calls(db_archive *db)
{
    ws_err err = {0};
    ws_arena a = {0};
    db_call c = {.run = 1, .turn = 0, .purpose = "generate", .prompt_json = "{\"messages\":[]}",
                 .model = "m"};
    db_call *list;
    int n;
    int64_t other;
    db_totals t;
    ok(db_call_begin(db, &c, &c.id, &err) == WS_OK, "a call begins");
    ok(db_call_list(db, 1, &a, &list, &n, &err) == WS_OK && n == 1, "it is listed");
    is_str(list[0].state, "sent", "as sent");
    is_str(list[0].prompt_json, c.prompt_json, "with its prompt");
    ok(!list[0].outcome && list[0].prompt_tokens == -1 && isnan(list[0].cost_usd),
       "the rest is unknown");
    ok(db_call_begin(db, &c, &other, &err) != WS_OK, "a turn is asked once");
    ok(db_run_totals(db, 1, &t, &err) == WS_OK && t.calls == 1 && t.attempts == 1 && !t.cost_known,
       "a call without an answer counts, its cost is unknown");
    c.outcome = "ok";
    c.content = "x = \"\xc3\xa9\";\n";
    c.raw = "";
    c.prompt_tokens = 12;
    c.cached_tokens = -1;
    c.completion_tokens = 34;
    c.reasoning_tokens = 0;
    c.cost_usd = 0.125;
    c.seconds = 1.5;
    c.attempts_json = "[{\"outcome\":\"server\"},{\"outcome\":\"ok\"}]";
    ok(db_call_end(db, &c, &err) == WS_OK, "a call ends");
    ok(db_call_list(db, 1, &a, &list, &n, &err) == WS_OK && n == 1, "still one row");
    is_str(list[0].state, "done", "done");
    is_str(list[0].content, c.content, "content as it came");
    ok(list[0].raw && !list[0].raw[0] && !list[0].reasoning, "empty and absent texts differ");
    ok(list[0].prompt_tokens == 12 && list[0].cached_tokens == -1 &&
           list[0].completion_tokens == 34 && list[0].reasoning_tokens == 0 &&
           list[0].cost_usd == 0.125,
       "tokens and cost");
    is_str(list[0].attempts_json, c.attempts_json, "the attempts");
    ok(db_run_totals(db, 1, &t, &err) == WS_OK && t.attempts == 2 && t.cost_known &&
           t.cost_usd == 0.125 && t.prompt_tokens == 12 && t.completion_tokens == 34 &&
           t.model_seconds == 1.5,
       "sums");
    c.id = 77;
    ok(db_call_end(db, &c, &err) == WS_EINPUT, "ending an unknown call is an error");
    c.run = 999;
    ok(db_call_begin(db, &c, &other, &err) != WS_OK, "a call of an unknown run is refused");
    ws_arena_release(&a);
}

static vfy_verdict verdict_of_test(void)
{
    vfy_verdict v = {.reason = HX_PASS, .level = VFY_EMULATED, .shapes_passed = 3, .runs = 9,
                     .seed = UINT64_MAX, .total_seconds = 0.25, .compile_seconds = 0.125,
                     .n_kernels = 1,
                     .registers = 32, .shared_bytes = 1024, .spill_bytes = -1, .has_model = true};
    v.counters.launches = 1;
    v.counters.max_warp_insns = 7;
    v.model.seconds = 1e-5;
    v.model.bound = "dram";
    snprintf(v.compiler, sizeof v.compiler, "NVRTC 13.0.88");
    snprintf(v.resources, sizeof v.resources, "k: 32 registers");
    ws_sha256_of(source_text, strlen(source_text), v.source_sha256);
    return v;
}

enum { FULL = 2 }; /* of PRAGMA synchronous */

static void test_candidates(db_archive *db)
{
    ws_err err = {0};
    ws_arena a = {0};
    vfy_verdict v = verdict_of_test();
    db_candidate c = {.run = 1, .round = 0, .origin = "emitted", .source = source_text,
                      .ptx_sha256 = "p1",
                      .reason = "pass", .level = VFY_EMULATED, .modelled_s = 1e-5,
                      .measured_s = (double)NAN,
                      .gpu = "h100"};
    db_candidate got, *list;
    const char *json = NULL;
    int64_t first = 0, second = 0, same = -1;
    int n;
    ok(db_candidate_add(db, &c, &v, &first, &err) == WS_OK && first > 0, "a candidate is stored");
    c.parent = first;
    c.call = 1;
    c.round = 1;
    c.origin = "model";
    c.tune_json = "{\"BLOCK\":256}";
    c.note = "wider blocks";
    ok(db_candidate_add_judged(db, &c, &v, NULL, &second, &err) == WS_OK,
       "another with the same source, which does not wait for the disk");
    is_int(query(db, "PRAGMA synchronous"), FULL, "what comes next waits again");
    is_int(query(db, "SELECT count(*) FROM text WHERE body LIKE '%@plan%'"), 1,
           "the source is stored once");
    ok(db_candidate_get(db, second, &a, &got, &err) == WS_OK && got.parent == first &&
           got.call == 1,
       "lineage");
    is_str(got.source, source_text, "the source");
    is_str(got.source_sha256, v.source_sha256, "its hash");
    ok(got.modelled_s == 1e-5 && isnan(got.measured_s), "modelled and no measured time");
    is_str(got.note, "wider blocks", "the note");
    ok(db_candidate_list(db, 1, &a, &list, &n, &err) == WS_OK && n == 2 && list[0].id == first,
       "the list");
    ok(db_verdict_json(db, first, &a, &json, &err) == WS_OK, "the verdict");
    has_str(json, "\"reason\":\"pass\"", "as JSON");
    is_int(query(db, "SELECT json_extract(counters, '$.max_warp_insns') FROM verdict"), 7,
           "counters");
    is_int(query(db, "SELECT json_extract(resources, '$.registers') FROM verdict"), 32,
           "resources");
    is_int(query(db, "SELECT count(*) FROM compile WHERE compiler = 'NVRTC 13.0.88' AND "
                     "spill_bytes IS NULL"),
           2, "compile facts");
    ok(db_candidate_same(db, &c, &same, &err) == WS_OK && same == second,
       "an equal candidate is found");
    c.tune_json = "{\"BLOCK\":128}";
    ok(db_candidate_same(db, &c, &same, &err) == WS_OK && same == 0,
       "other tunables are another candidate");
    c.tune_json = NULL;
    c.source = "/* @plan { \"launch\": [1] } */";
    ok(db_candidate_same(db, &c, &same, &err) == WS_OK && same == 0,
       "another plan is another candidate");
    c.parent = 4711;
    ok(db_candidate_add(db, &c, &v, &same, &err) != WS_OK, "an unknown parent is refused");
    ok(db_candidate_add_judged(db, &c, &v, NULL, &same, &err) != WS_OK, "either way");
    is_int(query(db, "PRAGMA synchronous"), FULL, "and what comes next waits for the disk");
    is_int(query(db, "SELECT count(*) FROM text WHERE body LIKE '%[1]%'"), 0,
           "and leaves nothing behind");
    ok(db_candidate_get(db, 99, &a, &got, &err) == WS_EINPUT, "an unknown candidate is an error");
    ok(db_run_end(db, 1, "done", NULL, second, &err) == WS_OK, "the winner is recorded");
    ws_arena_release(&a);
}

static void test_timings(db_archive *db)
{
    ws_err err = {0};
    ws_arena a = {0};
    const double sample[] = {1e-5, 0.1, 1.0 / 3};
    db_timing t = {.candidate = 1, .kind = "modelled", .gpu = "h100", .shape = "B=1", .unit = "s",
                   .sample = sample, .n_samples = 3, .environment_json = "{}"};
    db_timing *list;
    db_totals sum;
    int n;
    ok(db_timing_add(db, &t, &err) == WS_OK, "samples are stored");
    ok(db_timing_list(db, 1, &a, &list, &n, &err) == WS_OK && n == 1 && list[0].n_samples == 3 &&
           memcmp(list[0].sample, sample, sizeof sample) == 0, "and come back bit for bit");
    t.kind = "guessed";
    ok(db_timing_add(db, &t, &err) != WS_OK, "an unknown kind is refused");
    ok(db_run_totals(db, 1, &sum, &err) == WS_OK && sum.candidates == 2 && sum.passed == 2 &&
           sum.judge_seconds == 0.5, "sums over candidates");
    ws_arena_release(&a);
}

/* A process that is killed right after db_call_begin and inside a transaction: the call is there as
 * sent, the half-done transaction is not. */
static void test_kill(void)
{
    ws_err err = {0};
    ws_arena a = {0};
    db_call *list;
    int n = 0, status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        db_archive *db = open_or_die(path, false);
        db_call c = {.run = 2, .turn = 0, .purpose = "generate", .prompt_json = "{}"};
        if (db_call_begin(db, &c, &c.id, &err) || db_begin(db, &err) ||
            db_exec(db, &err, "DELETE FROM timing", ""))
            _exit(1);
        raise(SIGKILL);
    }
    waitpid(pid, &status, 0);
    ok(WIFSIGNALED(status), "a process dies by SIGKILL");
    db_archive *db = open_or_die(path, false);
    ok(db_check(db, &err) == WS_OK, "the archive is whole");
    ok(db_call_list(db, 2, &a, &list, &n, &err) == WS_OK && n == 1 &&
           strcmp(list[0].state, "sent") == 0,
       "the call that was sent is there");
    is_int(query(db, "SELECT count(*) FROM timing"), 1, "what was not committed is undone");
    db_close(db);
    ws_arena_release(&a);
}

static void test_opening(void)
{
    ws_err err = {0};
    char other[64];
    db_archive *db = open_or_die(path, true), *none = NULL;
    int64_t id;
    is_int(query(db, "PRAGMA user_version"), db_n_migrations, "the version is the newest");
    is_int(query(db, "PRAGMA foreign_keys"), 1, "foreign keys are on");
    ok(db_run_begin(db, &run_of_test, &id, &err) != WS_OK, "a read-only archive refuses writes");
    db_close(db);
    snprintf(other, sizeof other, "%s/none.db", dir);
    ok(db_open(other, true, &none, &err) == WS_EINPUT && !none, "read-only does not create");
    has_str(err.msg, "there is no archive", "and says so");
    db = open_or_die(path, false);
    is_int(query(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1,
           "WAL");
    query(db, "PRAGMA user_version = 1000");
    db_close(db);
    ok(db_open(path, false, &none, &err) == WS_EINPUT && !none, "a newer schema is refused");
    has_str(err.msg, "has schema 1000", "with both numbers");
    snprintf(other, sizeof other, "%s/text.db", dir);
    FILE *f = fopen(other, "w");
    for (int i = 0; f && i < 200; i++)
        fputs("this is not a database\n", f);
    if (f)
        fclose(f);
    ok(db_open(other, false, &none, &err) == WS_EINPUT && !none, "a text file is refused");
    sqlite3 *raw = NULL;
    snprintf(other, sizeof other, "%s/foreign.db", dir);
    sqlite3_open(other, &raw);
    sqlite3_exec(raw, "CREATE TABLE mine (x)", NULL, NULL, NULL);
    sqlite3_close(raw);
    ok(db_open(other, false, &none, &err) == WS_EINPUT && !none,
       "another program's database is refused");
    has_str(err.msg, "not a warpsmith archive", "and says so");
}

/* Several processes open a new archive at once and write. */
static void test_together(void)
{
    enum { PROCESSES = 4, RUNS = 5 };
    char shared[64];
    int failed = 0, status;
    snprintf(shared, sizeof shared, "%s/shared.db", dir);
    fflush(stdout);
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            db_archive *db = open_or_die(shared, false);
            for (int i = 0; i < RUNS; i++) {
                char name[64];
                snprintf(name, sizeof name, "run-%d-%d", p, i);
                if (!begin_run(db, name))
                    _exit(1);
            }
            db_close(db);
            _exit(0);
        }
    for (int p = 0; p < PROCESSES; p++) {
        wait(&status);
        failed += status != 0;
    }
    is_int(failed, 0, "four processes share an archive");
    db_archive *db = open_or_die(shared, true);
    is_int(query(db, "SELECT count(*) FROM run"), PROCESSES * RUNS, "nothing is lost");
    db_close(db);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/a.db", dir);
    db_archive *db = open_or_die(path, false);
    test_runs(db);
    test_quirks(db);
    test_calls(db);
    test_candidates(db);
    test_timings(db);
    db_close(db);
    test_kill();
    test_opening();
    test_together();
    char clean[128];
    snprintf(clean, sizeof clean, "rm -rf '%s'", dir);
    ok(system(clean) == 0, "cleaned up");
    return tap_done();
}
