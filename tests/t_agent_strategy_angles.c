/* Which directions a kernel is sent in: none that its source and counters show to be followed. */
#include "agent/strategy/past.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static db_candidate candidate;
static strat_attempt attempt;
static strat_view view = {.attempt = &attempt, .n_attempts = 1, .lanes = 1};

/* Whether a direction that has `part` in it is among those that the kernel is sent in. */
static bool is_sent(const char *part)
{
    for (uint64_t k = 0; k < (uint64_t)strat_n_angles(&view); k++) {
        const char *text = strat_angle_on(&view, 0, k);
        if (text && strstr(text, part))
            return true;
    }
    return false;
}

static void kernel(const char *source, const char *verdict)
{
    candidate = (db_candidate){.source = source, .reason = "pass"};
    attempt = (strat_attempt){.candidate = &candidate, .verdict_json = verdict, .same_as = -1};
}

/* A direction goes when `done` is seen, and stays with `open`. */
static void pair(const char *part, const char *done, const char *open, const char *what)
{
    kernel("", done);
    ok(!is_sent(part), "%s is not asked for again", what);
    kernel("", open);
    ok(is_sent(part), "%s is asked for where it is missing", what);
}

static spec *load(const char *text)
{
    spec *s = NULL;
    ws_err err = {0};
    ok(!spec_from_text(text, strlen(text), "t.json", &s, &err), "a spec %s", err.msg);
    return s;
}

static void test_rows(void)
{
    spec *s = load("{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":8,\"N\":64},\"check\":[{\"B\":1,"
                   "\"N\":1}],\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]"
                   "}],\"graph\":[{\"out\":\"y\",\"op\":\"softmax\",\"dim\":1,\"in\":[\"x\"]}],"
                   "\"outputs\":[\"y\"]}");
    view.spec = s;
    /* 64 sectors of 32 bytes are 2048; read once, and three times */
    pair("Fewer passes",
         "{\"launches\":[{\"counters\":{\"global_ld_bytes\":2048,\"unique_ld_sectors\":64}}]}",
         "{\"launches\":[{\"counters\":{\"global_ld_bytes\":6144,\"unique_ld_sectors\":64}}]}",
         "a single pass");
    /* 4 requests of 512 bytes in 64 sectors; 16 requests of 128 bytes; 4 of 512 in 128 sectors */
    static const char wide[] = "{\"launches\":[{\"counters\":{\"global_ld_requests\":4,"
                               "\"global_ld_bytes\":2048,\"global_ld_sectors\":64}}]}";
    pair("wide and coalesced", wide,
         "{\"launches\":[{\"counters\":{\"global_ld_requests\":16,\"global_ld_bytes\":2048,"
         "\"global_ld_sectors\":64}}]}",
         "a wide access");
    pair("wide and coalesced", wide,
         "{\"launches\":[{\"counters\":{\"global_ld_requests\":4,\"global_ld_bytes\":2048,"
         "\"global_ld_sectors\":128}}]}",
         "a coalesced access");
    pair("parallel work in flight", "{\"modelled\":{\"seconds\":1e-4,\"latency_seconds\":1e-5}}",
         "{\"modelled\":{\"seconds\":1e-4,\"latency_seconds\":9e-5}}", "what hides waiting");
    pair("less arithmetic", "{\"modelled\":{\"seconds\":1e-4,\"compute_seconds\":1e-5}}",
         "{\"modelled\":{\"seconds\":1e-4,\"compute_seconds\":9e-5}}", "less arithmetic");
    kernel("/* @plan { \"tune\": { \"B\": [1] } } */", "{}");
    ok(!is_sent("be tunables"), "tunables are there");
    kernel("", NULL);
    ok(is_sent("be tunables") && is_sent("Fewer passes") && is_sent("wide and coalesced"),
       "what cannot be seen counts as missing");
    spec_free(s);
}

static void test_contraction(void)
{
    spec *s = load("{\"schema\":1,\"name\":\"m\",\"dims\":{\"M\":64},\"check\":[{\"M\":3}],"
                   "\"inputs\":[{\"name\":\"a\",\"dtype\":\"f16\",\"shape\":[\"M\",\"M\"]},{"
                   "\"name\":\"b\",\"dtype\":\"f16\",\"shape\":[\"M\",\"M\"]}],\"graph\":[{\"out\":"
                   "\"c\",\"op\":\"matmul\",\"in\":[\"a\",\"b\"]},{\"out\":\"d\",\"op\":\"relu\","
                   "\"in\":[\"c\"]}],\"outputs\":[\"d\"],\"precision\":\"f16\"}");
    view.spec = s;
    /* 64 multiply-adds of a warp for 16 loads from shared memory, and for 40 */
    pair("Tile for reuse",
         "{\"launches\":[{\"counters\":{\"f32_fma_lanes\":2048,\"shared_requests\":16}}]}",
         "{\"launches\":[{\"counters\":{\"f32_fma_lanes\":2048,\"shared_requests\":40}}]}",
         "a tile");
    pair("tensor cores", "{\"launches\":[{\"counters\":{\"tensor\":5}}]}",
         "{\"launches\":[{\"counters\":{\"f16\":5}}]}", "the tensor cores");
    pair("output is small", "{\"launches\":[{\"blocks\":2048}]}",
         "{\"launches\":[{\"blocks\":64}]}", "a full GPU");
    pair("Fuse", "{\"plan_launches\":1}", "{\"plan_launches\":2}", "fusion");
    kernel("__pipeline_memcpy_async(a, b, 16);", "{}");
    ok(!is_sent("double-buffered"), "copies ahead are there");
    kernel("a = b;", "{}");
    ok(is_sent("double-buffered"), "or are not");
    spec_free(s);
}

/* A kernel that has done it all is sent nowhere; without a kernel all directions are open. */
static void test_all_done(void)
{
    view.spec = NULL; /* directions that fit any operation */
    kernel("\"tune\"",
           "{\"modelled\":{\"seconds\":1e-4,\"compute_seconds\":1e-6,\"latency_seconds\":"
           "1e-6},\"launches\":[{\"counters\":{\"global_ld_requests\":4,"
           "\"global_ld_bytes\":2048,\"global_ld_sectors\":64}}]}");
    ok(!strat_angle_on(&view, 0, 5), "nothing is left");
    ok(strat_angle_on(&view, -1, 5) == strat_angle(&view, 5), "no kernel, no limit");
}

int main(void)
{
    test_rows();
    test_contraction();
    test_all_done();
    return tap_done();
}
