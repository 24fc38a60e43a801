/* What is remembered between runs: keys of specs, lessons by rule, related kernels, and how fast
 * they are found in a large archive. */
#include "agent/evidence/memory.h"
#include "results/db.h"
#include "tests/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/ws-remember-XXXXXX";
static char path[64];
static ws_err err;

/* A spec over x[B][N] with one node. */
static spec *rows(const char *name, const char *node, const char *dtype, int n)
{
    ws_buf t = {0};
    spec *s = NULL;
    ws_buf_printf(
        &t,
        "{\"schema\":1,\"name\":\"%s\",\"title\":\"%s\",\"dims\":{\"B\":512,\"N\":%d},"
        "\"check\":[{\"B\":2,\"N\":5}],\"inputs\":[{\"name\":\"x\",\"dtype\":\"%s\",\"shape\":"
        "[\"B\",\"N\"]}],\"graph\":[{\"out\":\"y\",%s}],\"outputs\":[\"y\"],"
        "\"precision\":\"%s\"}",
        name, name, n, dtype, node, dtype);
    if (spec_from_text(t.p, t.n, "t.json", &s, &err)) {
        printf("Bail out! %s\n", err.msg);
        exit(1);
    }
    ws_buf_release(&t);
    return s;
}

static const char softmax[] = "\"op\":\"softmax\",\"in\":[\"x\"],\"axis\":1";
static const char sum[] = "\"op\":\"reduce\",\"fn\":\"sum\",\"in\":[\"x\"],\"dims\":[1]";

static void keys_are(const char *name, const char *family, const char *dtype, const char *shape)
{
    spec *s = NULL;
    ws_arena a = {0};
    memory_keys k = {"", "", ""};
    if (ok(!spec_find(name, &s, &err), "%s %s", name, err.msg))
        memory_keys_of(s, &a, &k);
    is_str(k.family, family, "its family");
    is_str(k.dtype, dtype, "its dtype");
    is_str(k.shape_class, shape, "its shape class");
    spec_free(s);
    ws_arena_release(&a);
}

static void test_keys(void)
{
    keys_are("basics/softmax", "softmax", "f32", "rows-long");
    keys_are("basics/matmul_f16", "matmul", "f16", "square-large");
    keys_are("basics/matvec", "matmul", "f32", "skinny");
    keys_are("basics/causal_attention", "matmul+softmax", "f32", "square-large");
    keys_are("basics/transpose", "permute", "f32", "rows-long");
    keys_are("llm/linear_gelu_e4m3", "matmul+gelu", "e4m3", "square-large");
    memory_keys softmax_keys = {"softmax", "f32", "rows-long"},
                half = {"softmax", "f16", "rows-long"},
                attention = {"matmul+softmax", "f32", "square-large"},
                mlp = {"matmul+relu", "f32", "wide"}, conv = {"conv+relu", "f32", "planes-large"},
                relu = {"relu", "f32", "flat-large"}, gelu = {"gelu", "f32", "flat-large"};
    is_close(memory_relation(&softmax_keys, &softmax_keys), 6, 1e-12, "alike in all");
    is_close(memory_relation(&softmax_keys, &half), 5, 1e-12, "another dtype");
    /* softmax: 2 of 2; matmul+softmax: 1 of 3; 4 * 3 / 5 and the dtype. */
    is_close(memory_relation(&softmax_keys, &attention), 4 * 3.0 / 5 + 1, 1e-12, "a part of it");
    is_close(memory_relation(&mlp, &conv), 0, 0, "an activation alone is no relation");
    is_close(memory_relation(&relu, &gelu), 4 * 2.0 / 4 + 2, 1e-12, "pointwise ops are half alike");
}

/* ---- runs made by hand ---- */

typedef struct maker {
    db_archive *db;
    db_run run;
    int round;
} maker;

static maker begin(db_archive *db, const char *name, const spec *s)
{
    maker m = {.db = db,
               .run = {.spec_name = s->name,
                       .spec_sha256 = s->sha256,
                       .strategy = "refine",
                       .gpu = "h100",
                       .arch = "sm_90",
                       .device = "cpu"}};
    ws_buf json = {0};
    char *text = cJSON_PrintUnformatted(s->root);
    ws_buf_adds(&json, text);
    free(text);
    m.run.spec_json = ws_buf_z(&json);
    snprintf(m.run.name, sizeof m.run.name, "%s", name);
    ok(!db_run_begin(db, &m.run, &m.run.id, &err), "run %s %s", name, err.msg);
    ws_buf_release(&json);
    return m;
}

static int64_t add(maker *m, int64_t parent, const char *origin, const char *source,
                   const char *note, hx_reason reason, double us)
{
    char ptx[16];
    snprintf(ptx, sizeof ptx, "p%d", m->round);
    db_candidate c = {.run = m->run.id,
                      .parent = parent,
                      .round = m->round++,
                      .origin = origin,
                      .source = source,
                      .ptx_sha256 = ptx,
                      .reason = hx_reason_name(reason),
                      .level = reason == HX_PASS ? VFY_EMULATED : VFY_COMPILES,
                      .modelled_s = reason == HX_PASS ? us * 1e-6 : NAN,
                      .measured_s = NAN,
                      .gpu = "h100",
                      .note = note,
                      .tune_json = strcmp(origin, "tuned") ? NULL : "{\"BLOCK\":512}"};
    vfy_verdict v = {
        .reason = reason, .level = (vfy_level)c.level, .line = reason == HX_PASS ? 0 : 2};
    int64_t id = 0;
    snprintf(v.text, sizeof v.text, reason == HX_PASS ? "right" : "race: read of shared memory");
    if (db_candidate_add(m->db, &c, &v, &id, &err))
        printf("# %s\n", err.msg);
    return id;
}

static void test_lessons(db_archive *db)
{
    spec *s = rows("t/softmax", softmax, "f32", 4096),
         *other = rows("t/softmax_half", softmax, "f16", 4096);
    spec *far = rows("t/sum", sum, "f32", 4096);
    maker m = begin(db, "softmax-1", s);
    int64_t first = add(&m, 0, "emitted", "plain", NULL, HX_PASS, 100);
    int64_t wide =
        add(&m, first, "model", "float4 v;", "Vectorised loads.\nMore text", HX_PASS, 50);
    add(&m, wide, "model", "float4 v; #pragma unroll", "Unrolled the loop", HX_PASS, 60);
    int64_t race = add(&m, wide, "model", "line one\n  s[tid] += s[tid + d];\n__shared__", "Tree",
                       HX_SHARED_RACE, 0);
    add(&m, wide, "model", "line one\n  s[tid] += s[tid + 1];\n__shared__", "Tree again",
        HX_SHARED_RACE, 0);
    add(&m, race, "model", "float4 v; __shared__ float s[32];", "Added a barrier", HX_PASS, 49);
    add(&m, wide, "tuned", "float4 v;", NULL, HX_PASS, 25);
    add(&m, wide, "tuned", "float4 v;", NULL, HX_PASS, 40);
    ok(!memory_learn(db, s, &m.run, &err), "lessons are learnt %s", err.msg);

    ws_buf t = {0};
    ok(!memory_lessons(db, s, "h100", 0, 20, &t, &err), "and read %s", err.msg);
    const char *z = ws_buf_z(&t);
    has_str(
        z,
        "- 2.00x faster (modelled on h100, 1 attempt), t/softmax f32 rows-long: Vectorised loads. "
        "(+float4)\n",
        "a gain with its note and what changed");
    has_str(
        z,
        "- 1.20x slower (modelled on h100, 1 attempt), t/softmax f32 rows-long: Unrolled the loop "
        "(+unroll)\n",
        "a loss");
    has_str(
        z,
        "- failed 2 times, t/softmax f32 rows-long: shared_race at `s[tid] += s[tid + d];`: race: "
        "read of shared memory; repaired by: Added a barrier\n",
        "a failure, and its repair");
    has_str(z, "tunables: BLOCK=512 in the place of the first choices", "the best setting");
    ok(!strstr(z, "1.25x"), "the other settings are no lesson");
    ws_buf_reset(&t);
    ok(!memory_lessons(db, s, "h100", m.run.id, 20, &t, &err) && !t.n, "nothing of one's own run");
    ok(!memory_lessons(db, s, "a100", 0, 20, &t, &err) && !t.n, "nothing of another GPU");
    ok(!memory_lessons(db, far, "h100", 0, 20, &t, &err) && !t.n,
       "nothing for what is not related");
    ok(!memory_lessons(db, other, "h100", 0, 2, &t, &err), "a related spec %s", err.msg);
    int lines = 0;
    for (const char *p = ws_buf_z(&t); *p; p++)
        lines += *p == '\n';
    is_int(lines, 2, "has the two most telling ones");

    maker n = begin(db, "softmax-half", other);
    first = add(&n, 0, "emitted", "plain", NULL, HX_PASS, 90);
    add(&n, first, "model", "float4 v;", "Sixteen bytes a lane", HX_PASS, 10);
    ok(!memory_learn(db, other, &n.run, &err) && !memory_learn(db, other, &n.run, &err),
       "learnt twice");
    ws_buf_reset(&t);
    ok(!memory_lessons(db, s, "h100", 0, 20, &t, &err), "lessons of two specs");
    /* 2 and 9 times, once each: the geometric mean is sqrt(18). */
    has_str(ws_buf_z(&t),
            "- 4.24x faster (modelled on h100, 2 attempts), t/softmax f32 rows-long and others",
            "that say the same are one");
    ws_buf_release(&t);
    spec_free(s);
    spec_free(other);
    spec_free(far);
}

static void test_related(db_archive *db)
{
    spec *s = rows("t/softmax", softmax, "f32", 4096), *fresh = rows("t/new", softmax, "f32", 8192);
    spec *far = rows("t/sum", sum, "f32", 4096);
    ws_buf t = {0};
    ok(!memory_related(db, fresh, "h100", 0, 2, &t, &err), "related kernels %s", err.msg);
    const char *z = ws_buf_z(&t), *one = strstr(z, "of t/softmax ("),
               *two = strstr(z, "of t/softmax_half");
    ok(one && two && one < two, "of both specs, the closer one first");
    has_str(z,
            "(softmax, f32, rows-long): 25.00 us modelled on h100, 4.00 times as fast as its plain "
            "translation; verified to level 2 (emulated), with {\"BLOCK\":512}",
            "with the evidence");
    has_str(z, "```cuda\nfloat4 v;\n```", "and the source");
    ok(!strstr(z, "s[tid]"), "never what failed");
    ws_buf_reset(&t);
    ok(!memory_related(db, s, "h100", 1, 2, &t, &err) && !strstr(ws_buf_z(&t), "of t/softmax ("),
       "not of the run itself");
    ws_buf_reset(&t);
    ok(!memory_related(db, far, "h100", 0, 2, &t, &err) && !t.n, "nothing for what is not related");
    maker m = begin(db, "killed", far);
    int64_t first = add(&m, 0, "emitted", "plain", NULL, HX_PASS, 90);
    add(&m, first, "model", "double v;", "slower than before", HX_PASS, 95);
    ok(!memory_related(db, far, "h100", 0, 2, &t, &err) && !t.n, "what is slower is not offered");
    add(&m, first, "model", "float2 v;", "pairs", HX_PASS, 45);
    ok(!memory_related(db, far, "h100", 0, 2, &t, &err), "a run that was killed");
    has_str(ws_buf_z(&t), "of t/sum (reduce, f32, rows-long): 45.00 us",
            "has kernels all the same");
    ws_buf_release(&t);
    spec_free(s);
    spec_free(fresh);
    spec_free(far);
}

/* ---- a large archive ---- */

/* 2000 runs like the ones above, of `total` candidates together: generation 0 and attempts, of
 * which a third fails. */
static void grow(db_archive *db, int total)
{
    ws_buf sql = {0};
    char *message = NULL;
    ws_buf_adds(
        &sql,
        "PRAGMA synchronous = OFF; BEGIN;"
        "WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 2000)"
        " INSERT INTO run (name, spec_name, spec_sha256, spec, gpu, scripted, status, started)"
        " SELECT 'copy-' || i, spec_name, spec_sha256, spec, gpu, 0, 'done', started"
        " FROM k, run r WHERE r.id = 1 + i % 2;");
    ws_buf_printf(
        &sql,
        "WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
        " INSERT INTO candidate (run, round, origin, source, reason, level, modelled_s, gpu,"
        "  note, created, traits)"
        " SELECT 4 + i %% 2000, i / 2000, CASE WHEN i < 2000 THEN 'emitted' ELSE 'model' END,"
        "  c.source, CASE WHEN i %% 3 THEN 'pass' ELSE 'shared_race' END,"
        "  CASE WHEN i %% 3 THEN 2 ELSE 1 END, 3e-5 + i * 1e-9, 'h100',"
        "  'attempt ' || i || ' with wider loads and fewer barriers', '2026',"
        "  'float4 shuffle unroll' FROM k, candidate c WHERE c.id = 2;",
        total);
    ws_buf_adds(&sql,
                "INSERT INTO lesson (run, gpu, spec_sha256, kind, subject, text, effect, support,"
                "  timing, evidence)"
                " SELECT r.id, 'h100', r.spec_sha256, 'gain', 'subject ' || r.id % 97,"
                "  'lesson ' || r.id, 1.1, 1, 'modelled', '[]' FROM run r"
                " WHERE r.spec_sha256 IN (SELECT spec_sha256 FROM spec_key);"
                "COMMIT; PRAGMA synchronous = FULL;");
    ok(sqlite3_exec(db->handle, ws_buf_z(&sql), NULL, NULL, &message) == SQLITE_OK,
       "%d candidates %s", total, message ? message : "");
    sqlite3_free(message);
    ws_buf_release(&sql);
}

/* Of this process: other work shares the machine. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_speed(db_archive *db)
{
    enum { CANDIDATES = 100000 };
    spec *fresh = rows("t/new", softmax, "f32", 8192);
    ws_buf t = {0};
    ws_arena a = {0};
    db_kernel *k;
    int n = 0;
    double best[3] = {1e9, 1e9, 1e9};
    grow(db, CANDIDATES);
    for (int i = 0; i < 5; i++) {
        ws_buf_reset(&t);
        double start = cpu_seconds();
        bool good = !memory_related(db, fresh, "h100", 0, 3, &t, &err);
        best[0] = fmin(best[0], cpu_seconds() - start);
        start = cpu_seconds();
        good &= !memory_lessons(db, fresh, "h100", 0, 20, &t, &err);
        best[1] = fmin(best[1], cpu_seconds() - start);
        start = cpu_seconds();
        good &= !db_kernel_search(db, "wider loads", 20, &a, &k, &n, &err) && n == 20;
        best[2] = fmin(best[2], cpu_seconds() - start);
        if (!good)
            printf("# %s\n", err.msg);
    }
    printf("# %d candidates: related %.1f ms, lessons %.1f ms, search %.1f ms of processor time\n",
           CANDIDATES, 1e3 * best[0], 1e3 * best[1], 1e3 * best[2]);
    ok(best[0] < 0.05, "related kernels within 50 ms");
    ok(best[1] < 0.05, "lessons within 50 ms");
    ok(best[2] < 0.05, "a search within 50 ms");
    ws_arena_release(&a);
    ws_buf_release(&t);
    spec_free(fresh);
}

int main(void)
{
    db_archive *db = NULL;
    test_keys();
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/a.db", dir);
    if (db_open(path, false, &db, &err)) {
        printf("Bail out! %s\n", err.msg);
        return 1;
    }
    test_lessons(db);
    test_related(db);
    test_speed(db);
    ok(!db_check(db, &err), "the file is sound %s", err.msg);
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
