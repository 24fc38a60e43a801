/* What a prompt says of a kernel: rules over counters made by hand, whose numbers are worked out
 * here, and the words for kernels that were rejected. */
#include "agent/evidence/findings.h"
#include "agent/evidence/quote.h"
#include "base/json.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { SMS = 132 }; /* of the H100 in harness/timing/gpus.c */

typedef struct fixture {
    spec *s;
    vfy_verdict v;
    db_candidate c;
    char *json;
} fixture;

static spec *spec_of(const char *text)
{
    spec *s = NULL;
    ws_err err = {0};
    ok(!spec_from_text(text, strlen(text), "t.json", &s, &err), "a spec %s", err.msg);
    return s;
}

/* y = x + 1 over B rows of N floats: 2 * 4 * B * N bytes. */
static const char rows_spec[] =
    "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":4096,\"N\":8192},\"check\":[{\"B\":1,\"N\":1},"
    "{\"B\":3,\"N\":257},{\"B\":2,\"N\":64}],\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\","
    "\"shape\":[\"B\",\"N\"]}],\"graph\":[{\"out\":\"y\",\"op\":\"add\",\"in\":[\"x\",1]}],"
    "\"outputs\":[\"y\"]}";

static void begin(fixture *f)
{
    *f = (fixture){.s = spec_of(rows_spec)};
    f->v = (vfy_verdict){.reason = HX_PASS, .level = VFY_EMULATED, .registers = 32, .n_kernels = 1};
    snprintf(f->v.text, sizeof f->v.text, "right on 3 check shapes in 9 runs");
    snprintf(f->v.gpu, sizeof f->v.gpu, "h100");
    f->c = (db_candidate){.id = 7, .source = "", .reason = "pass", .modelled_s = NAN,
                          .measured_s = NAN};
}

static void end(fixture *f)
{
    free(f->json);
    spec_free(f->s);
}

/* A launch of `blocks` blocks of 256 threads that reads and writes `bytes` each, 4 bytes a lane. */
static tim_launch stream(uint64_t blocks, double bytes)
{
    tim_launch l = {.blocks = blocks, .threads_per_block = 256, .registers = 32};
    uint64_t requests = (uint64_t)(bytes / 128), warps = blocks * 8;
    l.counters = (ptx_counters){.launches = 1, .blocks = blocks, .warps = warps, .threads = warps * 32,
                                .warp_insns = 10 * requests, .thread_insns = 320 * requests,
                                .f32 = requests, .i32 = 3 * requests, .mem_insns = 2 * requests,
                                .global_ld_requests = requests, .global_st_requests = requests,
                                .global_ld_sectors = 4 * requests, .global_st_sectors = 4 * requests,
                                .global_ld_bytes = (uint64_t)bytes, .global_st_bytes = (uint64_t)bytes,
                                .unique_ld_sectors = 4 * requests, .unique_st_sectors = 4 * requests};
    l.counters.max_warp_insns = l.counters.warp_insns / warps;
    return l;
}

/* Puts the launches into the verdict and the model's time of them. */
static void model(fixture *f, const tim_launch *l, int n)
{
    const tim_gpu *g = tim_gpu_find("h100");
    f->v.has_model = f->v.model_sampled = true;
    tim_model(g, l, n, 4096.0 * 8192, 2.0 * 4 * 4096 * 8192, &f->v.model);
    f->v.n_launches = f->v.plan_launches = n;
    for (int i = 0; i < n; i++) {
        f->v.launch[i] = (vfy_launch){.index = i + 1, .counted = l[i], .spill_bytes = 0};
        snprintf(f->v.launch[i].kernel, PTX_NAME_MAX, "k%d", i);
        f->v.launch[i].grid[0] = (int64_t)l[i].blocks;
        f->v.launch[i].grid[1] = f->v.launch[i].grid[2] = 1;
        f->v.launch[i].block[0] = l[i].threads_per_block;
        f->v.launch[i].block[1] = f->v.launch[i].block[2] = 1;
    }
    f->c.modelled_s = f->v.model.seconds;
}

static findings_subject subject(fixture *f)
{
    ws_buf text = {0};
    cJSON *v = vfy_verdict_json(&f->v);
    ws_json_print(v, false, &text);
    cJSON_Delete(v);
    free(f->json);
    f->json = ws_buf_take(&text);
    return (findings_subject){.spec = f->s, .gpu = "h100", .candidate = &f->c, .verdict_json = f->json};
}

static char *write(fixture *f)
{
    findings_subject s = subject(f);
    ws_buf out = {0};
    findings_write(&s, 0, &out);
    return ws_buf_take(&out);
}

/* The finding of `rule`, or NULL; `o` is freed by the caller. */
static const cJSON *find(const cJSON *o, const char *rule)
{
    const cJSON *x;
    cJSON_ArrayForEach(x, cJSON_GetObjectItemCaseSensitive(o, "findings"))
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "rule")), rule) == 0)
            return x;
    return NULL;
}

static double gain(const cJSON *x)
{
    const cJSON *g = cJSON_GetObjectItemCaseSensitive(x, "gain_seconds");
    return g ? g->valuedouble : NAN;
}

static const char *evidence(const cJSON *x)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "evidence"));
    return z ? z : "";
}

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

/* A good stream has nothing to say but the width of its accesses; each fault alone brings its rule. */
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
    has_str(evidence(x), "1.07 GB move for 134 MB used", "bytes: 134217728 asked for, 8 times as many");
    is_close(gain(x), f.v.model.seconds - good.seconds, 1e-12, "the gain is that of the clean kernel");
    ok(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "findings"), 0) == x, "it comes first");
    cJSON_Delete(o);
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
    has_str(text, "line 3 in k:\n       2 | two\n  >    3 | three\n       4 | four\n", "the source");
    has_str(text, "right at B=1 N=1; wrong at B=3 N=257; not run: B=2 N=64", "the shapes");
    has_str(text, "multiple of 16", "a vector access is the likely cause");
    free(text);
    end(&f);
}

int main(void)
{
    test_clean();
    test_uncoalesced();
    test_failure();
    return tap_done();
}
