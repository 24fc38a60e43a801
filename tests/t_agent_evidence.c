/* What a prompt says of a kernel: rules over counters made by hand, whose numbers are worked out
 * here, and the words for kernels that were rejected. */
#include "agent/evidence/quote.h"
#include "agent/evidence/rules.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/evidence_fixture.h"

static void none_but(const cJSON *o, const char *const allowed[], const char *what)
{
    const cJSON *x;
    bool fine = true;
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "findings"))
    {
        const char *rule = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "rule"));
        bool known = false;
        for (int i = 0; allowed[i]; i++)
            known |= strcmp(allowed[i], rule) == 0;
        if (!known)
            printf("# unexpected: %s: %s\n", rule, evidence(x));
        fine &= known;
    }
    ok(fine, "%s", what);
}

/* A good stream has nothing to say but the width of its accesses; each fault alone brings its rule.
 */
static void test_clean(void)
{
    fixture f;
    begin(&f);
    tim_launch l = stream(131072, 4.0 * 4096 * 8192);
    model(&f, &l, 1);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    none_but(o, (const char *const[]){"narrow-accesses", NULL}, "a plain stream is nearly clean");
    char *text = write(&f);
    has_str(text, "Verified: right on 3 check shapes in 9 runs", "the verdict in words");
    has_str(text, "modelled on h100", "the time has its label");
    has_str(text, "268 MB to move, 33.6 million operations", "the floor's bytes and operations");
    ok(!strstr(text, "sha256") && !strstr(text, "seed"), "no hashes, no seeds");
    free(text);
    cJSON_Delete(o);
    end(&f);
}

static void test_uncoalesced(void)
{
    fixture f;
    begin(&f);
    tim_launch l = stream(131072, 4.0 * 4096 * 8192);
    uint64_t requests = l.counters.global_ld_requests;
    l.counters.global_ld_sectors = 32 * requests; /* each lane its own sector */
    model(&f, &l, 1);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    const cJSON *x = find(o, "uncoalesced-loads");
    tim_estimate good;
    tim_launch fixed = stream(131072, 4.0 * 4096 * 8192);
    tim_model(tim_gpu_find("h100"), &fixed, 1, 4096.0 * 8192, 2.0 * 4 * 4096 * 8192, &good);
    has_str(evidence(x), "touches 32.0 sectors of 32 bytes on average where 4.0 hold", "sectors");
    has_str(evidence(x), "1.07 GB move for 134 MB used",
            "bytes: 134217728 asked for, 8 times as many");
    is_close(gain(x), f.v.model.seconds - good.seconds, 1e-12,
             "the gain is that of the clean kernel");
    ok(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "findings"), 0) == x,
       "it comes first");
    cJSON_Delete(o);
    end(&f);
}

/* One fault in the stream: its rule is found, with this evidence, and this gain where it is worked
 * out. */
static void fault(const char *rule, const tim_launch *l, const char *part, const tim_launch *fixed)
{
    fixture f;
    begin(&f);
    model(&f, l, 1);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    const cJSON *x = find(o, rule);
    if (ok(x != NULL, "%s is found", rule))
        has_str(evidence(x), part, "with its numbers");
    if (x && fixed) {
        tim_launch_estimate now, then;
        tim_model_launch(tim_gpu_find("h100"), l, &now);
        tim_model_launch(tim_gpu_find("h100"), fixed, &then);
        is_close(gain(x), now.seconds - then.seconds, 1e-3 * now.seconds,
                 "the gain is the model's");
    }
    cJSON_Delete(o);
    end(&f);
}

static void test_rules(void)
{
    const double bytes = 4.0 * 4096 * 8192;
    tim_launch good = stream(131072, bytes), l = good, fixed;
    ptx_counters *c = &l.counters;
    uint64_t requests = c->global_ld_requests, warps = c->warps;

    c->global_st_sectors = 16 * requests;
    fault("uncoalesced-stores", &l,
          "store of y touches 16.0 sectors of 32 bytes on average where 4.0 hold the 128 bytes",
          &good);

    l = good; /* three passes over the input */
    c->global_ld_requests = 3 * requests;
    c->global_ld_sectors = 12 * requests;
    c->global_ld_bytes = 3 * (uint64_t)bytes;
    fault("re-reads", &l,
          "ask for 403 MB of global memory, and 134 MB of that are distinct: 3.0 times", NULL);

    l = good;
    c->shared_requests = 4 * requests;
    c->shared_wavefronts = 128 * requests;
    fixed = l;
    fixed.counters.shared_wavefronts = 4 * requests;
    fault("bank-conflicts", &l, "takes 32.0 wavefronts on average", &fixed);

    l = good;
    c->global_atomic_requests = requests;
    c->global_atomic_lanes = 32 * requests;
    fault("atomics", &l, "33.6 million atomic updates of global memory, 1.00 a thread", NULL);

    l = good;
    c->local_requests = 100 * warps;
    fault("local-memory", &l, "100.0 accesses to local memory a warp", NULL);

    l = good; /* one lane of two */
    c->warp_insns *= 40;
    c->thread_insns = c->warp_insns * 16;
    c->max_warp_insns = c->warp_insns / warps;
    fault("idle-lanes", &l, "16.0 of 32 lanes", NULL);

    l = good;
    c->warp_insns *= 20;
    c->thread_insns = c->warp_insns * 32;
    c->f64 = c->warp_insns / 2;
    c->max_warp_insns = c->warp_insns / warps;
    fault("double-arithmetic", &l, "100.0 double-precision instructions a warp", NULL);

    l = good;
    l.blocks = 16;
    fixed = l;
    fixed.blocks = 2 * SMS;
    fault("few-blocks", &l, "16 blocks for 132 SMs: 88 % of the machine stands idle", &fixed);

    l = good; /* 1056 warps where 8448 fit, a million instructions each and nothing to overlap them
               */
    l.blocks = c->blocks = SMS;
    c->warps = SMS * 8;
    c->threads = c->warps * 32;
    c->warp_insns = c->warps * 1000000;
    c->thread_insns = c->warp_insns * 32;
    c->max_warp_insns = 1000000;
    fault("serial-threads", &l, "1056 warps of 8448 that the GPU holds do 1000000 instructions",
          NULL);

    l = good;
    c->max_warp_insns = 1000000;
    fixed = l;
    fixed.counters.max_warp_insns = c->warp_insns / warps;
    fault("imbalance", &l, "the longest warp executes 1000000 instructions, an average one 10",
          &fixed);
}

/* y = x + g, where g is a vector of N: every block reads all of it. */
static void test_shared_operand(void)
{
    static const char text[] = "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":4096,\"N\":8192},"
                               "\"check\":[{\"B\":1,\"N\":1}],"
                               "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\","
                               "\"N\"]}],\"weights\":[{\"name\":"
                               "\"g\",\"dtype\":\"f32\",\"shape\":[\"N\"]}],\"graph\":[{\"out\":"
                               "\"y\",\"op\":\"add\",\"in\":[\"x\","
                               "\"g\"]}],\"outputs\":[\"y\"]}";
    fixture f;
    begin(&f);
    spec_free(f.s);
    f.s = spec_of(text);
    tim_launch l = stream(4096, 4.0 * 4096 * 8192);
    l.counters.global_ld_requests *= 2;
    l.counters.global_ld_sectors *= 2;
    l.counters.global_ld_bytes *= 2;
    model(&f, &l, 1);
    char *z = write(&f);
    /* 4096 blocks x 8192 floats */
    has_str(z, "every block reads all of g, 134 MB in all: let a block take several rows",
            "the small operand");
    has_str(z, "or x is read 2 times", "x read twice would come to the same, and is named too");
    free(z);
    end(&f);
}

static void test_fuse(void)
{
    fixture f;
    begin(&f);
    tim_launch l[3] = {stream(131072, 4.0 * 4096 * 8192), stream(131072, 4.0 * 4096 * 8192),
                       stream(131072, 4.0 * 4096 * 8192)};
    model(&f, l, 3);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    has_str(evidence(find(o, "fuse")),
            "3 launches, of 2.00 us each; together they move 805 MB through DRAM "
            "where the operation needs 268 MB",
            "three times the bytes");
    /* Two of three launches' time, about. */
    ok(gain(find(o, "fuse")) > 0.6 * f.v.model.seconds, "most of the time would be saved");
    ok(gain(find(o, "fuse")) <= f.v.model.seconds - f.v.model.floor_s,
       "but not what the bytes that are left take");
    cJSON_Delete(o);
    end(&f);
}

/* Products of halves on plain units. */
static void test_tensor(void)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"m\",\"dims\":{\"M\":4096},\"check\":[{\"M\":3}],\"inputs\":["
        "{\"name\":\"a\",\"dtype\":\"f16\",\"shape\":[\"M\",\"M\"]},{\"name\":\"b\",\"dtype\":"
        "\"f16\",\"shape\":[\"M\",\"M\"]}],\"graph\":[{\"out\":\"c\",\"op\":\"matmul\",\"in\":["
        "\"a\","
        "\"b\"]}],\"outputs\":[\"c\"],\"precision\":\"f16\"}";
    fixture f;
    begin(&f);
    spec_free(f.s);
    f.s = spec_of(text);
    uint64_t fma = 4096ull * 4096 * 4096 / 32;
    tim_launch l = {.blocks = 65536, .threads_per_block = 256, .registers = 32};
    l.counters = (ptx_counters){.launches = 1,
                                .blocks = 65536,
                                .warps = 65536 * 8,
                                .threads = 65536 * 256,
                                .warp_insns = 4 * fma,
                                .thread_insns = 128 * fma,
                                .f32 = fma,
                                .f32_fma_lanes = 32 * fma,
                                .i32 = fma,
                                .mem_insns = 2 * fma,
                                .shared_requests = 2 * fma,
                                .shared_wavefronts = 2 * fma,
                                .max_warp_insns = 4 * fma / (65536 * 8)};
    model(&f, &l, 1);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    has_str(evidence(find(o, "tensor-cores")), "68.7 billion multiply-adds of f16",
            "4096 to the third");
    has_str(evidence(find(o, "register-tile")), "2.00 loads for each multiply-add",
            "two loads each");
    ok(!find(o, "instructions"), "the general rule is silent beside them");
    cJSON_Delete(o);
    l.counters.tensor = 1;
    model(&f, &l, 1);
    s = subject(&f);
    o = findings_json(&s);
    ok(!find(o, "tensor-cores"), "nothing where they are used");
    cJSON_Delete(o);
    end(&f);
}

/* Speed is relative; times of two kinds are never compared. */
static void test_relative(void)
{
    fixture f;
    begin(&f);
    tim_launch l = stream(131072, 4.0 * 4096 * 8192);
    model(&f, &l, 1);
    db_candidate first = {.id = 1, .modelled_s = 2 * f.c.modelled_s, .measured_s = NAN};
    db_candidate best = {.id = 2, .modelled_s = f.c.modelled_s / 1.25, .measured_s = NAN};
    findings_subject s = subject(&f);
    ws_buf out = {0};
    s.first = &first;
    s.best = &best;
    s.tuning = "BLOCK 128: 5 us";
    findings_write(&s, 0, &out);
    has_str(ws_buf_z(&out), "; 2.00 times as fast as generation 0 (", "against generation 0");
    has_str(ws_buf_z(&out), "; 1.25 times slower than the best so far (", "against the best");
    has_str(ws_buf_z(&out), "Tunables:\nBLOCK 128: 5 us\n", "the tuner's report");
    /* floor: 268435456 bytes at 3.35 TB/s = 80.13 us; reachable at 90 % and a launch: 91.03 us */
    has_str(ws_buf_z(&out), "Near the roof: 91.0", "what copies reach, and a launch");
    ws_buf_reset(&out);
    f.c.measured_s = f.c.modelled_s;
    findings_write(&s, 0, &out);
    has_str(ws_buf_z(&out), "measured on h100; generation 0 takes",
            "a measured time stands beside");
    ok(!strstr(ws_buf_z(&out), "as fast as generation 0"),
       "it is not compared with a modelled one");
    ws_buf_reset(&out);
    findings_write(&s, 4, &out);
    int lines = 0;
    for (const char *p = ws_buf_z(&out); *p; p++)
        lines += *p == '\n';
    is_int(lines, 4, "no more lines than asked for");
    has_str(ws_buf_z(&out), "more lines)", "and it says so");
    ws_buf_release(&out);
    end(&f);
}

/* ---- rejected kernels ---- */

static void advice_is(hx_reason reason, const char *inputs, double got, double want,
                      const char *pattern, const char *part, const char *what)
{
    fixture f;
    begin(&f);
    f.v.reason = reason;
    snprintf(f.v.shape, sizeof f.v.shape, "B=3 N=257");
    snprintf(f.v.inputs, sizeof f.v.inputs, "%s", inputs);
    snprintf(f.v.tensor, sizeof f.v.tensor, "y");
    snprintf(f.v.pattern, sizeof f.v.pattern, "%s", pattern);
    f.v.got = got;
    f.v.want = want;
    f.v.wrong = 3;
    f.v.checked = 771;
    char *text = write(&f);
    has_str(strstr(text, "What usually helps"), part, what);
    free(text);
    end(&f);
}

static void test_advice(void)
{
    advice_is(HX_WRONG_RESULT, "large", NAN, 1, "", "subtract the maximum before exp", "overflow");
    advice_is(HX_WRONG_RESULT, "random", 0, -0.5, "", "start from -INFINITY", "a maximum from 0");
    advice_is(HX_WRONG_RESULT, "random", 1, 2,
              "all of the wrong elements are 0.5 times the reference: a factor",
              "a factor is missing", "a factor");
    advice_is(HX_WRONG_RESULT, "random", 1, 2,
              "only the last index of axis 1 (64 of 65) is wrong: the tail", "the tail goes wrong",
              "a tail");
    advice_is(HX_STATE_KEPT, "random", 1, 2, "", "set counters back", "kept state");
    advice_is(HX_NOT_WRITTEN, "random", 1, 2,
              "only the last index of axis 1 (64 of 65) is wrong: the tail",
              "ceil_div(extent, tile)", "a tail that was not written");
    advice_is(HX_WRONG_RESULT, "random", 1, 2,
              "the values are right but stand at transposed places", "exchange the two indices",
              "two axes");
    advice_is(HX_WRONG_RESULT, "negative", 1, 2, "", "wrong when all are negative", "signs");
    advice_is(HX_LOW_PRECISION, "random", 1, 2, "they are near", "precision is a requirement",
              "precision");
}

static void test_survey(void)
{
    fixture f;
    begin(&f);
    f.v.reason = HX_WRONG_RESULT;
    snprintf(f.v.shape, sizeof f.v.shape, "B=3 N=257");
    snprintf(f.v.inputs, sizeof f.v.inputs, "random");
    snprintf(
        f.v.survey, sizeof f.v.survey,
        "right at B=2 N=64; wrong at B=3 N=257: wrong exactly where N is no multiple of 2..64");
    char *text = write(&f);
    has_str(text, "  shapes: right at B=2 N=64; wrong at B=3 N=257: wrong exactly",
            "the survey is told");
    has_str(text, "does not fill a vector, a warp or a tile", "and what it means");
    free(text);
    end(&f);
}

static void test_compile_errors(void)
{
    fixture f;
    begin(&f);
    f.c.source = "one\ntwo\nint a = N;\nhalf2 h;\nfive\n";
    f.v.reason = HX_COMPILE_ERROR;
    f.v.level = VFY_POLICY;
    snprintf(f.v.text, sizeof f.v.text, "identifier \"N\" is undefined (and 1 more error)");
    snprintf(f.v.log, sizeof f.v.log,
             "kernel.cu(3): error: identifier \"N\" is undefined\n  int a = N;\n          ^\n\n"
             "kernel.cu(4): error: identifier \"half2\" is undefined\n  half2 h;\n  ^\n\n"
             "2 errors detected\n");
    char *text = write(&f);
    has_str(text, "line 3: identifier \"N\" is undefined\n       2 | two\n  >    3 | int a = N;\n",
            "an error with its line");
    has_str(text,
            "line 4: identifier \"half2\" is undefined\n  >    4 | half2 h;\n    (half2 needs "
            "#include <cuda_fp16.h>)",
            "each error has a hint");
    has_str(text, "What usually helps: N is a dim: the macro DIM_N has its value",
            "the first one's stands apart");
    ok(!strstr(text, "line 3:\n"), "the place is told once");
    free(text);
    end(&f);
}

/* A parameter with the name of a tunable, which is a macro. */
static void test_declared_tunable(void)
{
    fixture f;
    begin(&f);
    f.c.source = "/* @plan { \"tune\": { \"VEC\": [1], \"BLOCK\": [128, 256] } } */\n"
                 "__global__ void k(int BLOCKS, int BLOCK)\n";
    f.v.reason = HX_COMPILE_ERROR;
    snprintf(f.v.text, sizeof f.v.text, "expected a \")\"");
    snprintf(f.v.log, sizeof f.v.log, "kernel.cu(2): error: expected a \")\"\n");
    char *text = write(&f);
    has_str(text, "What usually helps: BLOCK is a tunable, and tunables are macros",
            "a tunable as parameter");
    free(text);
    f.c.source = "/* @plan { \"tune\": { \"VEC\": [1], \"BLOCK\": [128, 256] } } */\n"
                 "__global__ void k(int BLOCKS, int n = BLOCK\n";
    text = write(&f);
    ok(!strstr(text, "is a tunable"), "its use is no mistake");
    free(text);
    end(&f);
}

static void test_quote(void)
{
    ws_buf out = {0};
    ev_quote("a\nb\nc", 3, 1, &out);
    is_str(ws_buf_z(&out), "       2 | b\n  >    3 | c\n", "the last line");
    ws_buf_reset(&out);
    ev_quote("a\nb\n", 3, 1, &out);
    ev_quote("a", 0, 1, &out);
    ev_quote(NULL, 1, 1, &out);
    is_str(ws_buf_z(&out), "", "no such line");
    char wide[400];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    ws_buf_reset(&out);
    ev_quote(wide, 1, 0, &out);
    ok(out.n < 200, "a long line is cut");
    ws_buf_release(&out);
}

/* A verdict that is not the archive's must not break the text. */
static void test_odd_verdicts(void)
{
    fixture f;
    begin(&f);
    static const char *const odd[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"reason\":7}",
        "{\"reason\":\"pass\"}",
        ("{\"reason\":\"pass\",\"modelled\":{\"seconds\":\"nan\"},\"launches\":"
         "[{\"blocks\":-4,\"counters\":{\"warps\":1e300}},3]}"),
        "{\"reason\":\"shared_race\",\"place\":{\"line\":1e9}}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        findings_subject s = {.spec = f.s,
                              .gpu = i % 2 ? "h100" : "unknown",
                              .candidate = &f.c,
                              .verdict_json = odd[i]};
        ws_buf out = {0};
        findings_write(&s, 0, &out);
        cJSON_Delete(findings_json(&s));
        ok(out.n < 4096, "'%.30s' is written", odd[i]);
        ws_buf_release(&out);
    }
    end(&f);
}

static void test_failure(void)
{
    fixture f;
    begin(&f);
    f.c.source = "one\ntwo\nthree\nfour\nfive\n";
    f.v.reason = HX_OUT_OF_BOUNDS;
    f.v.level = VFY_COMPILES;
    snprintf(f.v.text, sizeof f.v.text, "out of bounds: global read of 16 bytes");
    snprintf(f.v.kernel, sizeof f.v.kernel, "k");
    snprintf(f.v.shape, sizeof f.v.shape, "B=3 N=257");
    snprintf(f.v.inputs, sizeof f.v.inputs, "random");
    f.v.line = 3;
    f.v.has_thread = f.v.has_fault = true;
    f.v.thread[0] = 5;
    f.v.block[1] = 2;
    snprintf(f.v.fault.insn, sizeof f.v.fault.insn, "ld.global.v4.f32");
    char *text = write(&f);
    has_str(text, "Rejected: out_of_bounds: global read of 16 bytes\n", "the reason");
    has_str(text, "by thread (5,0,0) of block (0,2,0)", "the thread");
    has_str(text, "line 3 in k:\n       2 | two\n  >    3 | three\n       4 | four\n",
            "the source");
    has_str(text, "right at B=1 N=1; wrong at B=3 N=257; not run: B=2 N=64", "the shapes");
    has_str(text, "multiple of 16", "a vector access is the likely cause");
    free(text);
    end(&f);
}

/* docs/evidence.md names every rule. */
static void test_documentation(void)
{
    static const ev_rule *const tables[] = {ev_memory_rules, ev_reuse_rules, ev_machine_rules,
                                            ev_resident_rules, ev_unit_rules};
    ws_buf text = {0};
    ws_err err = {0};
    char row[80];
    int missing = 0;
    ok(!ws_read_file("docs/evidence.md", 1 << 20, &text, &err), "the documentation %s", err.msg);
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const ev_rule *r = tables[t]; r->name; r++) {
            snprintf(row, sizeof row, "| %s |", r->name);
            bool named = strstr(ws_buf_z(&text), row) || strncmp(r->name, "uncoalesced", 11) == 0;
            if (!named)
                printf("# no row of '%s'\n", r->name);
            missing += !named;
        }
    is_int(missing, 0, "has a row for every rule");
    ws_buf_release(&text);
}

/* The same verdict with some of its numbers replaced; 1 of `every`. */
static void mutate(const char *json, uint64_t *seed, unsigned every, ws_buf *out)
{
    static const char *const odd[] = {"0",  "-1", "1e300", "-1e300",     "\"nan\"", "\"inf\"",
                                      "[]", "{}", "1e18",  "4294967296", "null",    "[1,2,3]"};
    for (const char *p = json; *p;) {
        bool number = strchr("-0123456789", *p) && p > json && strchr(":[,", p[-1]);
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        if (number && (*seed >> 33) % every == 0) {
            ws_buf_adds(out, odd[(*seed >> 45) % (sizeof odd / sizeof *odd)]);
            p += strspn(p, "-+.eE0123456789");
        } else {
            ws_buf_addc(out, *p++);
        }
    }
}

static void test_mutated_verdicts(void)
{
    fixture f;
    begin(&f);
    tim_launch l[2] = {stream(131072, 4.0 * 4096 * 8192), stream(16, 4.0 * 4096)};
    uint64_t seed = 7;
    int broken = 0;
    model(&f, l, 2);
    findings_subject s = subject(&f);
    for (unsigned i = 0; i < 400; i++) {
        ws_buf json = {0}, out = {0};
        mutate(f.json, &seed, 2 + i % 30, &json);
        s.verdict_json = ws_buf_z(&json);
        findings_write(&s, 0, &out);
        cJSON_Delete(findings_json(&s));
        int lines = 0;
        for (const char *p = ws_buf_z(&out); *p; p++)
            lines += *p == '\n';
        broken += lines < 1 || lines > FINDINGS_MAX_LINES;
        ws_buf_release(&json);
        ws_buf_release(&out);
    }
    is_int(broken, 0, "400 verdicts with numbers that cannot be are written within the limit");
    end(&f);
}

int main(void)
{
    test_clean();
    test_uncoalesced();
    test_rules();
    test_shared_operand();
    test_fuse();
    test_tensor();
    test_relative();
    test_failure();
    test_advice();
    test_survey();
    test_compile_errors();
    test_declared_tunable();
    test_quote();
    test_odd_verdicts();
    test_mutated_verdicts();
    test_documentation();
    return tap_done();
}
