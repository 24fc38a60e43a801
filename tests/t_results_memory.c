/* Memory in the archive: keys, lessons, which kernels are offered, and what full text finds. */
#include "results/db.h"
#include "results/traits.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/ws-memory-XXXXXX";
static char path[64];
static ws_err err;

static int64_t run_of(db_archive *db, const char *name, const char *of, const char *sha)
{
    db_run r = {.spec_name = of,
                .spec_sha256 = sha,
                .spec_json = sha,
                .strategy = "refine",
                .gpu = "h100",
                .arch = "sm_90",
                .device = "cpu"};
    int64_t id = 0;
    snprintf(r.name, sizeof r.name, "%s", name);
    if (db_run_begin(db, &r, &id, &err))
        printf("# %s\n", err.msg);
    return id;
}

static int64_t add(db_archive *db, int64_t run, const char *note, const char *source, int level,
                   double modelled, double measured)
{
    db_candidate c = {.run = run,
                      .round = note ? 1 : 0,
                      .origin = note ? "model" : "emitted",
                      .source = source,
                      .ptx_sha256 = "p",
                      .reason = level >= 2 ? "pass" : "shared_race",
                      .level = level,
                      .modelled_s = modelled,
                      .measured_s = measured,
                      .gpu = "h100",
                      .note = note};
    vfy_verdict v = {.reason = level >= 2 ? HX_PASS : HX_SHARED_RACE, .level = (vfy_level)level};
    int64_t id = 0;
    if (db_candidate_add(db, &c, &v, &id, &err))
        printf("# %s\n", err.msg);
    return id;
}

static void test_kernels(db_archive *db)
{
    ws_arena a = {0};
    db_kernel k, *list;
    bool found = false;
    int n = 0;
    int64_t run = run_of(db, "one", "basics/softmax", "s1"),
            other = run_of(db, "two", "basics/softmax", "s1");
    add(db, run, NULL, "plain", 2, 10e-6, NAN);
    add(db, run, "a race, but fast", "int4", 1, 1e-6, NAN);
    int64_t good =
        add(db, run, "online softmax with float4 loads", "float4 v; __shfl_xor_sync", 2, 4e-6, NAN);
    add(db, other, "slower", "float2 v;", 2, 5e-6, NAN);
    ok(!db_kernel_best(db, "s1", "h100", 0, &a, &k, &found, &err) && found, "the best of a spec %s",
       err.msg);
    is_int(k.candidate.id, good, "is the fastest that passed, not the fastest");
    is_close(k.first_s, 10e-6, 1e-12, "with generation 0 of its run");
    is_str(k.run_name, "one", "and its run");
    is_str(k.traits, "float4 shuffle", "and what it uses");
    ok(!db_kernel_best(db, "s1", "h100", run, &a, &k, &found, &err) && found, "without a run");
    is_str(k.candidate.note, "slower", "it is another run's");
    ok(!db_kernel_best(db, "s1", "a100", 0, &a, &k, &found, &err) && !found, "none on another GPU");
    ok(!db_kernel_best(db, "s2", "h100", 0, &a, &k, &found, &err) && !found,
       "none of another spec");
    int64_t measured = add(db, other, "measured", "half2 v;", 2, 4.5e-6, 6e-6);
    ok(!db_kernel_best(db, "s1", "h100", 0, &a, &k, &found, &err) && k.candidate.id == measured,
       "a measured time goes before modelled ones");
    ok(isnan(k.first_s), "and is not compared with a modelled one");

    ok(!db_kernel_search(db, "online float4", 5, &a, &list, &n, &err), "search %s", err.msg);
    ok(n == 1 && list[0].candidate.id == good, "all words, in the note and the source's words");
    ok(!db_kernel_search(db, "race", 5, &a, &list, &n, &err) && n == 0, "what failed is not found");
    ok(!db_kernel_search(db, "softm*", 3, &a, &list, &n, &err) && n == 3,
       "a prefix; at most three");
    ok(!db_kernel_search(db, "\"float4\" OR (", 5, &a, &list, &n, &err), "no query language %s",
       err.msg);
    ok(!db_kernel_search(db, "  ", 5, &a, &list, &n, &err) && n == 0, "no words, no kernels");
    ws_arena_release(&a);
}

static void test_lessons(db_archive *db)
{
    ws_arena a = {0};
    db_keys *keys,
        key = {"s1", "basics/softmax", "softmax over rows", "softmax", "f32", "rows-long"};
    db_run *missing;
    db_lesson *list, l[2] = {{.gpu = "h100",
                              .keys = key,
                              .kind = "gain",
                              .subject = "+float4",
                              .text = "vectorised loads",
                              .effect = 1.8,
                              .support = 2,
                              .timing = "modelled",
                              .evidence_json = "[3]"},
                             {.gpu = "h100",
                              .keys = key,
                              .kind = "failure",
                              .subject = "shared_race",
                              .text = "race after a warp reduction",
                              .effect = NAN,
                              .support = 3,
                              .evidence_json = "[2]"}};
    int n = 0;
    run_of(db, "three", "basics/relu", "s3");
    ok(!db_keys_missing(db, &a, &missing, &n, &err) && n == 2, "two specs without keys");
    ok(!db_keys_put(db, &key, &err) && !db_keys_put(db, &key, &err), "put, twice");
    ok(!db_keys_missing(db, &a, &missing, &n, &err) && n == 1, "one is left");
    is_str(missing[0].spec_json, "s3", "with its text");
    ok(!db_keys_list(db, &a, &keys, &n, &err) && n == 1, "one has keys");
    is_str(keys[0].shape_class, "rows-long", "as they were put");

    ok(!db_lessons_replace(db, 1, l, 2, &err), "lessons are stored %s", err.msg);
    ok(!db_lesson_list(db, "h100", "s1", 0, 10, &a, &list, &n, &err) && n == 2, "and found");
    is_str(list[0].kind, "failure", "3 x 1.3 goes before 2 x 1.8");
    ok(isnan(list[0].effect) && !list[0].timing, "a failure has no effect");
    is_close(list[1].effect, 1.8, 0, "a gain has one");
    is_str(list[1].keys.family, "softmax", "with the keys of its spec");
    ok(!db_lesson_list(db, "h100", NULL, 1, 10, &a, &list, &n, &err) && n == 0,
       "not of one's own run");
    ok(!db_lesson_list(db, "a100", NULL, 0, 10, &a, &list, &n, &err) && n == 0,
       "not of another GPU");
    ok(!db_lesson_search(db, "vectorised", 5, &a, &list, &n, &err) && n == 1, "full text");
    l[0].text = "wider loads";
    ok(!db_lessons_replace(db, 1, l, 1, &err), "replaced");
    ok(!db_lesson_search(db, "vectorised", 5, &a, &list, &n, &err) && n == 0,
       "the old text is gone");
    ok(!db_lesson_search(db, "wider", 5, &a, &list, &n, &err) && n == 1, "the new one is found");
    ok(!db_check(db, &err), "the file is sound %s", err.msg);
    ws_arena_release(&a);
}

static void test_traits(void)
{
    ws_buf t = {0};
    db_traits(
        "// float4 in a comment\n/* wmma */ /* @plan \"tune\" */ __shared__ float s[32]; atomicAdd",
        &t);
    is_str(ws_buf_z(&t), "shared atomics tunables", "comments do not count, the plan does");
    ws_buf_reset(&t);
    db_traits("cp.async.ca and __pipeline_commit", &t);
    is_str(ws_buf_z(&t), "cp-async", "two ways to write one thing");
    ws_buf_reset(&t);
    db_traits_changed("float2 a; #pragma unroll __launch_bounds__",
                      "float4 a; __shared__ x; __restrict__", &t);
    is_str(ws_buf_z(&t), "+float4 +shared -float2 -unroll", "what changed");
    ws_buf_release(&t);
}

/* An archive of the schema before memory: what passed in it is found after the migration. */
static void test_migration(void)
{
    static const char rows[] =
        "PRAGMA user_version = 3; PRAGMA application_id = 1465082226;" /* "WSar" */
        "INSERT INTO text VALUES (substr(hex(zeroblob(32)), 1, 64), 'source');"
        "INSERT INTO run (id, name, spec_name, spec_sha256, spec, gpu, scripted, status, started)"
        " SELECT 1, 'old', 'basics/softmax', 's1', sha256, 'h100', 0, 'done', '' FROM text;"
        "INSERT INTO candidate (run, round, origin, source, reason, level, modelled_s, gpu, note,"
        " created) SELECT 1, 1, 'model', sha256, 'pass', 2, 1e-5, 'h100', 'online sums', '' FROM "
        "text;"
        "INSERT INTO candidate (run, round, origin, source, reason, level, gpu, note, created)"
        " SELECT 1, 2, 'model', sha256, 'shared_race', 1, 'h100', 'a race', '' FROM text;";
    char old[80];
    sqlite3 *raw = NULL;
    db_archive *db = NULL;
    db_kernel *list = NULL;
    ws_arena a = {0};
    int n = 0, rc;
    snprintf(old, sizeof old, "%s/old.db", dir);
    rc = sqlite3_open(old, &raw);
    for (int v = 0; !rc && v < 3; v++)
        rc = sqlite3_exec(raw, db_migration[v], NULL, NULL, NULL);
    if (!rc)
        rc = sqlite3_exec(raw, rows, NULL, NULL, NULL);
    ok(!rc, "an archive of schema 3: %s", sqlite3_errmsg(raw));
    sqlite3_close(raw);
    if (ok(!db_open(old, false, &db, &err), "is migrated %s", err.msg)) {
        ok(!db_kernel_search(db, "online", 5, &a, &list, &n, &err) && n == 1, "notes are found");
        ok(!db_kernel_search(db, "race", 5, &a, &list, &n, &err) && !n, "but not what failed");
        ok(!db_check(db, &err), "the file is sound %s", err.msg);
    }
    db_close(db);
    ws_arena_release(&a);
    unlink(old);
}

int main(void)
{
    db_archive *db = NULL;
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/a.db", dir);
    if (db_open(path, false, &db, &err)) {
        printf("Bail out! %s\n", err.msg);
        return 1;
    }
    test_kernels(db);
    test_lessons(db);
    test_traits();
    test_migration();
    db_close(db);
    const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < WS_COUNT(ends); i++) {
        char file[80];
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        unlink(file);
    }
    rmdir(dir);
    return tap_done();
}
