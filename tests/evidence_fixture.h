/* Verdicts made by hand for tests of what prompts say of kernels. */
#ifndef TESTS_EVIDENCE_FIXTURE_H
#define TESTS_EVIDENCE_FIXTURE_H

#include "agent/evidence/findings.h"
#include "base/json.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SMS = 132 }; /* of the H100 in harness/timing/gpus.c */

typedef struct fixture {
    spec *s;
    vfy_verdict v;
    db_candidate c;
    char *json;
} fixture;

static inline spec *spec_of(const char *text)
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

static inline void begin(fixture *f)
{
    *f = (fixture){.s = spec_of(rows_spec)};
    f->v = (vfy_verdict){.reason = HX_PASS, .level = VFY_EMULATED, .registers = 32, .n_kernels = 1};
    snprintf(f->v.text, sizeof f->v.text, "right on 3 check shapes in 9 runs");
    snprintf(f->v.gpu, sizeof f->v.gpu, "h100");
    f->c = (db_candidate){
        .id = 7, .source = "", .reason = "pass", .modelled_s = NAN, .measured_s = NAN};
}

static inline void end(fixture *f)
{
    free(f->json);
    spec_free(f->s);
}

/* A launch of `blocks` blocks of 256 threads that reads and writes `bytes` each, 4 bytes a lane. */
static inline tim_launch stream(uint64_t blocks, double bytes)
{
    tim_launch l = {.blocks = blocks, .threads_per_block = 256, .registers = 32};
    uint64_t requests = (uint64_t)(bytes / 128), warps = blocks * 8;
    l.counters = (ptx_counters){.launches = 1,
                                .blocks = blocks,
                                .warps = warps,
                                .threads = warps * 32,
                                .warp_insns = 10 * requests,
                                .thread_insns = 320 * requests,
                                .f32 = requests,
                                .i32 = 3 * requests,
                                .mem_insns = 2 * requests,
                                .global_ld_requests = requests,
                                .global_st_requests = requests,
                                .global_ld_sectors = 4 * requests,
                                .global_st_sectors = 4 * requests,
                                .global_ld_bytes = (uint64_t)bytes,
                                .global_st_bytes = (uint64_t)bytes,
                                .unique_ld_sectors = 4 * requests,
                                .unique_st_sectors = 4 * requests};
    l.counters.max_warp_insns = l.counters.warp_insns / warps;
    return l;
}

/* Puts the launches into the verdict and the model's time of them. */
static inline void model(fixture *f, const tim_launch *l, int n)
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

static inline findings_subject subject(fixture *f)
{
    ws_buf text = {0};
    cJSON *v = vfy_verdict_json(&f->v);
    ws_json_print(v, false, &text);
    cJSON_Delete(v);
    free(f->json);
    f->json = ws_buf_take(&text);
    return (findings_subject){
        .spec = f->s, .gpu = "h100", .candidate = &f->c, .verdict_json = f->json};
}

static inline char *write(fixture *f)
{
    findings_subject s = subject(f);
    ws_buf out = {0};
    findings_write(&s, 0, &out);
    return ws_buf_take(&out);
}

/* The finding of `rule`, or NULL; `o` is freed by the caller. */
static inline const cJSON *find(const cJSON *o, const char *rule)
{
    const cJSON *x;
    cJSON_ArrayForEach(
        x,
        cJSON_GetObjectItemCaseSensitive(
            o,
            "findings")) if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x,
                                                                                          "rule")),
                                    rule) == 0) return x;
    return NULL;
}

static inline double gain(const cJSON *x)
{
    const cJSON *g = cJSON_GetObjectItemCaseSensitive(x, "gain_seconds");
    return g ? g->valuedouble : NAN;
}

static inline const char *evidence(const cJSON *x)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "evidence"));
    return z ? z : "";
}

/* The action of a rule, "" when it is silent. */
static inline const char *action(const cJSON *o, const char *rule)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(find(o, rule), "action"));
    return z ? z : "";
}

#endif
