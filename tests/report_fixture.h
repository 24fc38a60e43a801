/* A made-up archive for tests of the report and of what the terminal shows: a sweep of so many
 * problems with so many attempts each, from a fixed seed. Names, notes, sources and errors may be
 * hostile. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include "base/file.h"
#include "base/philox.h"
#include "harness/timing/pairs.h"
#include "results/db.h"
#include "results/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Markup, an end of the script, an invalid byte, escapes of a terminal, text that turns around. */
#define HOSTILE                                                                                     \
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'`|\xff\xc3("   \
    "\x1b[31mred\x1b]0;t\x07\xe2\x80\xa8\xe2\x80\xae<!--"

typedef struct fixture {
    db_archive *db;
    int problems, attempts;
    bool hostile;
    uint64_t drawn;
} fixture;

static double fixture_draw(fixture *f)
{
    return ws_philox_uniform(11, 3, f->drawn++);
}

static const hx_reason fixture_codes[] = {HX_COMPILE_ERROR, HX_WRONG_RESULT, HX_SHARED_RACE};

static ws_status fixture_call(fixture *f, int64_t run, int turn, const char *at, int64_t *id,
                              ws_err *err)
{
    db_call c = {.run = run, .turn = turn, .purpose = turn ? "improve" : "generate",
                 .prompt_json = "{}", .model = f->hostile ? "m" HOSTILE : "example-model",
                 .attempts_json = "[{\"outcome\":\"ok\"}]", .prompt_tokens = -1,
                 .cached_tokens = -1, .completion_tokens = -1, .reasoning_tokens = -1,
                 .cost_usd = (double)NAN, .started = at};
    if (db_call_begin(f->db, &c, id, err))
        return err->status;
    c.id = *id;
    c.state = "done";
    c.outcome = "ok";
    c.content = "```cuda\n```";
    c.prompt_tokens = 2000 + (int)(2000 * fixture_draw(f));
    c.completion_tokens = 500 + (int)(2500 * fixture_draw(f));
    c.cost_usd = 2.5e-6 * (double)c.prompt_tokens + 15e-6 * (double)c.completion_tokens;
    c.seconds = 5 + 30 * fixture_draw(f);
    c.ended = at;
    return db_call_end(f->db, &c, err);
}

static void fixture_source(const fixture *f, int problem, int round, int parent, ws_buf *out)
{
    ws_buf_printf(out, "/* @plan\n{ \"launch\": [ { \"kernel\": \"k\", \"grid\": [\"B\"], \"block\": [256],"
                       " \"args\": [\"x\", \"y\", \"N\"] } ] }\n*/\n"
                       "extern \"C\" __global__ void k(const float *x, float *y, int N)\n{\n");
    ws_buf_printf(out, "    // problem %d, round %d%s\n", problem, round, f->hostile ? HOSTILE : "");
    for (int i = 0; i < 24; i++)
        ws_buf_printf(out, "    float v%d = x[blockIdx.x * N + threadIdx.x + %d];\n", i,
                      i == round + 2 ? i + parent : i);
    ws_buf_adds(out, "    y[blockIdx.x] = v0;\n}\n");
}

static ws_status fixture_candidate(fixture *f, int64_t run, int64_t call, int64_t parent, int problem,
                                   int round, double seconds, bool right, const char *at,
                                   int64_t *id, ws_err *err)
{
    static vfy_verdict v;
    ws_buf source = {0};
    const hx_reason reason =
        right ? HX_PASS : fixture_codes[(int)(fixture_draw(f) * (double)WS_COUNT(fixture_codes))];
    memset(&v, 0, sizeof v);
    v.reason = reason;
    v.level = right ? VFY_EMULATED : reason == HX_COMPILE_ERROR ? VFY_POLICY : VFY_COMPILES;
    snprintf(v.text, sizeof v.text, "%s%s",
             right ? "right on 4 check shapes in 16 runs" : "element [2,17]: got 1.5, want 1.25",
             f->hostile ? HOSTILE : "");
    snprintf(v.compiler, sizeof v.compiler, "NVRTC 13.0.88");
    v.compile_seconds = 0.3;
    v.run_seconds = 1.1;
    v.total_seconds = 2;
    v.has_model = right;
    snprintf(v.gpu, sizeof v.gpu, "h100");
    v.model.seconds = seconds;
    v.line = right ? 0 : 7;
    snprintf(v.file, sizeof v.file, "kernel.cu");
    fixture_source(f, problem, round, (int)(parent % 7), &source);
    const db_candidate c = {.run = run, .call = call, .parent = parent, .round = round,
                            .origin = round ? "model" : "emitted", .source = ws_buf_z(&source),
                            .ptx_sha256 = NULL, .reason = hx_reason_name(reason), .level = v.level,
                            .modelled_s = right ? seconds : (double)NAN, .measured_s = (double)NAN,
                            .gpu = "h100", .created = at,
                            .note = round ? f->hostile ? "note " HOSTILE
                                                       : "Wider loads, and one pass less over the row."
                                          : NULL};
    const db_timing t = {.kind = "modelled", .gpu = "h100", .shape = "B=64 N=4096", .unit = "s",
                         .sample = &seconds, .n_samples = 1, .environment_json = "{}"};
    ws_status st = db_candidate_add_judged(f->db, &c, &v, right ? &t : NULL, id, err);
    ws_buf_release(&source);
    return st;
}

static char *fixture_pairs(const tim_pairs *p)
{
    cJSON *json = tim_pairs_to_json(p);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

/* A sitting with drift and a few outliers, so that there is a distribution. */
static ws_status fixture_sitting(fixture *f, const char *name, const char *sha, ws_err *err)
{
    tim_pairs p = {.seed = 5}, other = {0};
    int64_t id;
    for (int i = 0; i < 120; i++) {
        const double drift = 1 + 0.01 * sin(i / 19.0), slow = i % 37 == 5 ? 1.3 : 1;
        const tim_pair one = {.index = i, .b_first = tim_pair_b_first(5, i), .launches = 4,
                              .a_s = 9.7e-5 * drift * (1 + 0.004 * fixture_draw(f)),
                              .b_s = 9.18e-5 * drift * slow * (1 + 0.004 * fixture_draw(f))};
        if (tim_pairs_add(&p, &one, err))
            return err->status;
    }
    tim_pairs_swap(&p, &other); /* the confirmation has the candidate in the baseline's place */
    char *text[] = {fixture_pairs(&p), fixture_pairs(&other)};
    db_comparison c[] = {{.role = "first", .samples_json = text[0]},
                         {.role = "confirmation", .samples_json = text[1]}};
    for (int i = 0; i < 2; i++) {
        c[i].name = "best", c[i].source = "s", c[i].verdict = "faster";
        c[i].ratio = 1.055, c[i].ratio_lo = 1.049, c[i].ratio_hi = 1.061;
    }
    const db_sitting s = {.spec_name = name, .spec_sha256 = sha, .kind = "modelled", .gpu = "h100",
                          .shape = "B=64 N=4096", .regime = "cold", .seed = "5",
                          .baseline = "translation", .baseline_source = "b",
                          .environment_json = "{}", .comparison = c, .n = 2};
    ws_status st = db_sitting_add(f->db, &s, &id, err);
    free(text[0]);
    free(text[1]);
    tim_pairs_release(&p);
    tim_pairs_release(&other);
    return st;
}

/* One run; `quality` of its problem, 0..1, says how often replies are right. */
static ws_status fixture_run(fixture *f, const db_problem *p, int problem, const char *spec_json,
                             int64_t *run, ws_err *err)
{
    const double quality = fixture_draw(f), base = 2e-5 * exp(4 * fixture_draw(f));
    double best = base;
    int64_t best_id = 0, parent = 0, id = 0, call = 0, first = 0;
    char at[32];
    db_run r = {.spec_name = p->spec_name, .spec_sha256 = p->spec_sha256, .spec_json = spec_json,
                .model = p->model, .base_url = "http://host.example:1", .strategy = p->strategy,
                .gpu = "h100", .arch = "sm_90", .device = "cpu", .config_json = "{}",
                .scripted = problem % 2 == 0 && f->problems == 1, .started = "2026-11-22T01:00:00.000Z"};
    snprintf(r.name, sizeof r.name, "run-%03d", problem);
    if (db_run_begin(f->db, &r, run, err) ||
        fixture_candidate(f, *run, 0, 0, problem, 0, base, true, "2026-11-22T01:00:05.000Z", &first,
                          err))
        return err->status;
    best_id = parent = first;
    for (int i = 1; i <= f->attempts; i++) {
        const double s = base * exp(0.35 - 0.11 * i + 0.5 * (fixture_draw(f) - 0.5)) * (1.9 - quality);
        const bool right = fixture_draw(f) < 0.02 + 0.8 * quality * quality;
        snprintf(at, sizeof at, "2026-11-22T01:%02d:%02d.000Z", i / 2 % 60, 10 + i % 40);
        if (fixture_call(f, *run, i - 1, at, &call, err) ||
            fixture_candidate(f, *run, call, parent, problem, i, s, right, at, &id, err))
            return err->status;
        if (right && s < best)
            best = s, best_id = id;
        parent = fixture_draw(f) < 0.3 ? id : best_id;
    }
    return db_run_end(f->db, *run, "done", "all rounds done", best_id, err);
}

static ws_status fixture_problem(fixture *f, db_problem *p, int i, const char *economics, ws_err *err)
{
    /* What a sweep sees now and then: one that failed, one that waits. */
    if (i % 83 == 17) {
        p->status = "failed";
        p->error = "cannot open '/home/somebody/secret/specs/x.json': no such file";
    } else if (i % 97 != 31) {
        const bool serves = i % 25 == 3 && *economics;
        char *plain = NULL;
        if (!serves && asprintf(&plain, "{\"name\":\"n\",\"title\":\"%s %d\"}",
                                f->hostile ? "</script>" : "made-up operation", i) < 0)
            return ws_fail(err, WS_EENV, "no memory");
        ws_status st = fixture_run(f, p, i, serves ? economics : plain, &p->run, err);
        free(plain);
        if (st)
            return st;
        p->status = "done";
        p->exit_code = 0;
        p->seconds = 30 + 100 * fixture_draw(f);
        if (i < 2 && fixture_sitting(f, p->spec_name, p->spec_sha256, err))
            return err->status;
    }
    return db_problem_update(f->db, p, err);
}

/* Writes the archive at `path`, which does not exist. */
__attribute__((unused)) static ws_status fixture_write(const char *path, int problems, int attempts,
                                                       bool hostile, ws_err *err)
{
    fixture f = {.problems = problems, .attempts = attempts, .hostile = hostile};
    ws_arena a = {0};
    ws_buf economics = {0}, spec_path = {0};
    int64_t sweep;
    ws_home_path(&spec_path, "specs/llm/swiglu.json");
    ws_status st = ws_read_file(ws_buf_z(&spec_path), 1 << 20, &economics, err);
    if (!st)
        st = db_open(path, false, &f.db, err);
    if (!st)
        sqlite3_exec(f.db->handle, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    db_sweep s = {.name = "made-up-sweep", .suite = hostile ? HOSTILE : "kernelbench",
                  .config_json = "{}", .shard = 1, .shards = 1, .problems = problems};
    db_problem *list = WS_ARENA_NEW(&a, db_problem, problems + 1), *stored = NULL;
    for (int i = 0; i < problems; i++)
        list[i] = (db_problem){
            .position = i + 1,
            .spec = "s",
            .spec_name = ws_arena_printf(&a, "kernelbench/level%d/%03d_%s", 1 + 3 * i / problems, i,
                                         hostile ? HOSTILE : i % 3 ? "matmul_gelu_scale" : "softmax"),
            .spec_sha256 = ws_arena_printf(&a, "%064d", i),
            .flaw = i % 29 == 7 ? "the output is a constant" : NULL,
            .model = hostile ? "m" HOSTILE : "example-model",
            .strategy = "refine",
            .seed = (uint64_t)i,
            .status = "waiting",
            .exit_code = -1,
            .seconds = (double)NAN};
    if (!st)
        st = db_sweep_begin(f.db, &s, list, problems, &sweep, err);
    int n = 0;
    if (!st)
        st = db_problem_list(f.db, sweep, &a, &stored, &n, err);
    for (int i = 0; i < n && !st; i++)
        st = fixture_problem(&f, &stored[i], i, ws_buf_z(&economics), err);
    if (!st)
        st = db_sweep_end(f.db, sweep, "done", NULL, err);
    db_close(f.db);
    ws_buf_release(&economics);
    ws_buf_release(&spec_path);
    ws_arena_release(&a);
    return st;
}

#endif
