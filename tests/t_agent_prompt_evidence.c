/* What prompts say of the operation beyond its graph, and of several kernels at once: rules for NaN
 * and equals, tolerances, where slower kernels lost, when nothing is left, when the translation is
 * left out. */
#include "agent/evidence/findings.h"
#include "agent/strategy/prompt.h"
#include "agent/strategy/prompt_vars.h"
#include "base/json.h"
#include "harness/timing/model.h"
#include "tests/tap.h"
#include "verifier/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define US 1e-6

enum { MOST = 8 };
static db_candidate candidate[MOST];
static strat_attempt attempt[MOST];
static char *verdict[MOST];
static strat_turn turn[MOST];
static strat_view view;
static spec *rows;

/* ---- the operation ---- */

static const char *text_of(void (*put)(const spec *, ws_buf *), const char *name, ws_arena *a)
{
    spec *s = NULL;
    ws_err err = {0};
    ws_buf text = {0};
    if (spec_find(name, &s, &err))
        return ws_arena_strdup(a, err.msg);
    put(s, &text);
    const char *copy = ws_arena_strdup(a, ws_buf_z(&text));
    ws_buf_release(&text);
    spec_free(s);
    return copy;
}

static void test_rules(ws_arena *a)
{
    is_str(text_of(prompt_put_rules, "basics/softmax", a), "", "softmax needs no rule");
    has_str(text_of(prompt_put_rules, "basics/argmax", a), "  argmax: the lowest index among",
            "argmax has one for equals");
    has_str(text_of(prompt_put_rules, "basics/row_max", a), "  max: NaN wins", "a maximum");
    has_str(text_of(prompt_put_rules, "basics/max_pool2d", a), "  max_pool: NaN wins", "max_pool");
    has_str(text_of(prompt_put_rules, "basics/relu", a), "  relu: NaN stays NaN", "relu");
    ok(!strstr(text_of(prompt_put_rules, "basics/row_sum", a), "NaN"), "a sum has none");
}

static void test_tolerance(ws_arena *a)
{
    const char *t = text_of(prompt_put_tolerance, "basics/matmul", a);
    has_str(t, "4 times the error bound", "the derived tolerance with its factor");
    has_str(t, "3xTF32", "products in f32 may be split");
    ok(!strstr(t, "Winograd"), "a product of matrices has no windows");
    has_str(text_of(prompt_put_tolerance, "basics/conv2d", a), "Winograd's F(2x2, 3x3)",
            "a convolution has");
    t = text_of(prompt_put_tolerance, "basics/softmax", a);
    ok(strstr(t, "4 times the error bound") && !strstr(t, "TF32"), "an operation without products");
    t = text_of(prompt_put_tolerance, "basics/matmul_f16", a);
    has_str(t, "sum in f32", "16-bit products are summed in f32");
}

/* ---- kernels ---- */

/* y = x + 1: 2 * 4 * 4096 * 8192 bytes, a floor of 80.13 us on the H100, 91.03 us at the rate that
 * copies reach and with a launch. */
static const char rows_spec[] =
    "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":4096,\"N\":8192},\"check\":[{\"B\":3,\"N\":257}],"
    "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]}],\"graph\":[{\"out\":"
    "\"y\",\"op\":\"add\",\"in\":[\"x\",1]}],\"outputs\":[\"y\"]}";

/* A stream of 16-byte accesses whose every element takes `insns` instructions more. */
static tim_launch stream(double insns)
{
    double bytes = 4.0 * 4096 * 8192;
    uint64_t requests = (uint64_t)(bytes / 512), warps = 8 * 132 * 8 * 4;
    uint64_t work = (uint64_t)((double)requests * (12 + 4 * insns));
    tim_launch l = {.blocks = warps / 8, .threads_per_block = 256, .registers = 32};
    l.counters = (ptx_counters){.launches = 1,
                                .blocks = l.blocks,
                                .warps = warps,
                                .threads = warps * 32,
                                .warp_insns = work,
                                .thread_insns = 32 * work,
                                .f32 = 4 * requests,
                                .i32 = work - 6 * requests,
                                .mem_insns = 2 * requests,
                                .global_ld_requests = requests,
                                .global_st_requests = requests,
                                .global_ld_sectors = 16 * requests,
                                .global_st_sectors = 16 * requests,
                                .global_ld_bytes = (uint64_t)bytes,
                                .global_st_bytes = (uint64_t)bytes,
                                .unique_ld_sectors = 16 * requests,
                                .unique_st_sectors = 16 * requests};
    l.counters.max_warp_insns = work / warps;
    return l;
}

/* Attempt i: one launch that was counted so. */
static void add_kernel(int i, int of_turn, const char *kernel, double insns)
{
    vfy_verdict v = {.reason = HX_PASS,
                     .level = VFY_EMULATED,
                     .registers = 32,
                     .has_model = true,
                     .n_launches = 1,
                     .plan_launches = 1};
    tim_launch l = stream(insns);
    ws_buf text = {0};
    tim_model(tim_gpu_find("h100"), &l, 1, 4096.0 * 8192, 2.0 * 4 * 4096 * 8192, &v.model);
    v.launch[0] = (vfy_launch){
        .index = 1, .counted = l, .grid = {(int64_t)l.blocks, 1, 1}, .block = {256, 1, 1}};
    snprintf(v.launch[0].kernel, PTX_NAME_MAX, "%s", kernel);
    snprintf(v.gpu, sizeof v.gpu, "h100");
    cJSON *o = vfy_verdict_json(&v);
    ws_json_print(o, false, &text);
    cJSON_Delete(o);
    free(verdict[i]);
    verdict[i] = ws_buf_take(&text);
    candidate[i] = (db_candidate){.id = i + 1,
                                  .source = kernel,
                                  .reason = "pass",
                                  .modelled_s = v.model.seconds,
                                  .measured_s = (double)NAN};
    attempt[i] = (strat_attempt){
        .candidate = &candidate[i], .verdict_json = verdict[i], .turn = of_turn, .same_as = -1};
}

static void add_turn(int i, const char *purpose, int subject, int made)
{
    turn[i] = (strat_turn){.turn = i,
                           .round = i,
                           .step = {.purpose = purpose, .subject = subject},
                           .outcome = "ok",
                           .reply = "",
                           .attempt = made};
    view.n_turns = i + 1;
}

/* Generation 0 computes much; "good" is at the roof; "slow" was made from it, and "late" by a
 * repair of what was; "old" is slower, too, but was made from the translation. */
static void set_view(void)
{
    view = (strat_view){
        .attempt = attempt, .n_attempts = 6, .turn = turn, .best = 2, .lanes = 1, .spec = rows};
    add_kernel(0, -1, "plain", 400);
    add_kernel(1, 0, "old", 100);
    add_kernel(2, 1, "good", 0);
    add_kernel(3, 2, "slow", 200);
    add_kernel(4, 3, "broken", 0);
    add_kernel(5, 4, "late", 300);
    candidate[4].reason = "wrong_result";
    candidate[4].modelled_s = (double)NAN;
    add_turn(0, "generate", -1, 1);
    add_turn(1, "improve", 1, 2);
    add_turn(2, "improve", 2, 3);
    add_turn(3, "improve", 2, 4);
    add_turn(4, "repair", 4, 5);
}

static char *prompt_of(const char *purpose, int subject)
{
    prompt_text p;
    ws_err err = {0};
    strat_step s = {.purpose = purpose, .subject = subject};
    prompt_context c = {.spec = rows, .gpu = "h100", .view = &view, .step = &s};
    if (prompt_make(&c, &p, &err)) {
        ok(false, "%s", err.msg);
        return ws_strdup("");
    }
    free(p.system);
    return p.user;
}

/* The name of the rule that gains most on attempt i, among those that evidence as data has. */
static const char *first_rule(int i)
{
    static char name[64];
    findings_subject s = {
        .spec = rows, .gpu = "h100", .candidate = &candidate[i], .verdict_json = verdict[i]};
    cJSON *o = findings_json(&s);
    const cJSON *x = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "findings"), 0);
    const char *rule = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(x, "rule"));
    snprintf(name, sizeof name, "%s", rule ? rule : "(no finding)");
    cJSON_Delete(o);
    return name;
}

/* The text stands in [from, to). */
static bool within(const char *from, const char *to, const char *text)
{
    const char *p = from && to ? strstr(from, text) : NULL;
    return p && p < to;
}

static void test_slower(void)
{
    set_view();
    char *p = prompt_of("improve", 2);
    const char *block = strstr(p, "Where the slower ones lost, beside the kernel above:\n");
    if (ok(block != NULL, "there is a block on slower kernels")) {
        const char *above = strstr(block, "- the kernel above, "),
                   *slow = strstr(block, "- round 3, "), *late = strstr(block, "- round 5, "),
                   *end = strstr(block, "\n\n");
        ok(above && slow && late && end && above < slow && slow < late && late < end,
           "the kernel, then the slower ones in turn order, the repaired one among them");
        ok(within(above, slow, ": bound by DRAM; DRAM "), "where the kernel's time goes");
        ok(within(slow, late, ": bound by instructions; DRAM "), "where that of a slower one goes");
        ok(within(slow, late, "\n  1. slow<") && within(slow, late, "occupancy") &&
               within(slow, late, "instructions a warp"),
           "its launch, with the instructions");
        char first[128];
        snprintf(first, sizeof first, "\n  its first finding: %s, up to ", first_rule(3));
        ok(within(slow, late, first) && within(slow, late, "; seen: "),
           "its first finding with the evidence");
        const char *old = strstr(block, "- round 1, ");
        ok(!strstr(block, "old<") && (!old || old > end),
           "nothing of what was made from another kernel");
    }
    free(p);
    p = prompt_of("improve", 1);
    ok(!strstr(p, "Where the slower ones lost"), "no block where none became slower");
    free(p);
}

static void test_stop(void)
{
    set_view();
    /* 91.03 us by the comment above, and what overlaps imperfectly: this kernel is there. */
    ok(fabs(candidate[2].modelled_s / (91.03 * US) - 1) < 0.04, "the good kernel takes %.2f us",
       candidate[2].modelled_s / US);
    static const char *const may[] = {"improve", "mutate", "crossover", "diagnose", "ideas"};
    for (size_t i = 0; i < WS_COUNT(may); i++) {
        char *p = prompt_of(may[i], 2);
        has_str(p, "\"STOP: \"", may[i]);
        free(p);
    }
    char *p = prompt_of("implement", 2);
    ok(!strstr(p, "STOP"), "an idea is to be implemented");
    free(p);
    p = prompt_of("improve", 1);
    ok(!strstr(p, "STOP"), "another kernel than the best may be improved");
    free(p);
    view.best = 1;
    p = prompt_of("improve", 1);
    ok(!strstr(p, "STOP"), "one with findings, too");
    free(p);
    view.best = 2;
    candidate[2].measured_s = 2 * candidate[2].modelled_s;
    p = prompt_of("improve", 2);
    ok(!strstr(p, "STOP"), "one that is measured slower than modelled");
    free(p);
}

/* ---- the translation ---- */

static void test_translation(void)
{
    set_view();
    char *p = prompt_of("generate", -1);
    has_str(p, "```cuda\nplain\n```", "a small graph's translation stays");
    free(p);
    spec *small = rows;
    ws_err err = {0};
    if (spec_find("basics/relpos_attention", &rows, &err)) {
        ok(false, "%s", err.msg);
    } else {
        p = prompt_of("generate", -1);
        ok(rows->n_nodes > 3 && !strstr(p, "```cuda") && strstr(p, "What is known about the plain"),
           "that of a large graph is left out once there is a better kernel");
        size_t prefix = (size_t)(strstr(p, "What is known") - p);
        view.best = 0;
        char *q = prompt_of("generate", -1);
        has_str(q, "```cuda\nplain\n```", "it is there before");
        ok(strncmp(p, q, prefix) == 0, "what comes before it is the same");
        free(p);
        free(q);
        spec_free(rows);
    }
    rows = small;
}

int main(void)
{
    ws_arena a = {0};
    ws_err err = {0};
    test_rules(&a);
    test_tolerance(&a);
    if (ok(!spec_from_text(rows_spec, sizeof rows_spec - 1, "t.json", &rows, &err), "a spec %s",
           err.msg)) {
        test_slower();
        test_stop();
        test_translation();
    }
    for (int i = 0; i < MOST; i++)
        free(verdict[i]);
    spec_free(rows);
    ws_arena_release(&a);
    return tap_done();
}
