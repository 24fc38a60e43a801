/* Flawed specs and what lint finds in them; specs without a flaw, in which it finds nothing. */
#include "tests/tap.h"
#include "verifier/lint.h"

#include <string.h>

#define HEAD                                                                                       \
    "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":8,\"N\":40},\"check\":[{\"B\":1,\"N\":1},{}],"
#define X "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]}"
#define U                                                                                          \
    "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],\"init\":{\"dist\":\"uniform\"}}"
#define Z "{\"name\":\"z\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]}"
#define G(dist, value)                                                                             \
    "{\"name\":\"g\",\"dtype\":\"f32\",\"shape\":[\"N\"],\"init\":{\"dist\":\"" dist "\"" value "}}"
#define NODE(out, op, in) "{\"out\":\"" out "\",\"op\":\"" op "\",\"in\":[" in "]}"

/* A finding: kind and name; always: it passes with other inputs, too. */
typedef struct expected {
    lint_kind kind;
    const char *name;
    bool always;
} expected;

static const struct {
    const char *what, *inputs, *weights, *graph;
    expected want[8];
    int n;
} rows[] = {
    {"exp has no flaw", X, "", NODE("y", "exp", "\"x\""), {{0}}, 0},
    {"relu of positive numbers is a copy",
     U,
     "",
     NODE("y", "relu", "\"x\""),
     {{LINT_COPY, "x", false}},
     1},
    {"x - x is 0",
     X,
     "",
     NODE("y", "sub", "\"x\",\"x\""),
     {{LINT_ZEROS, "", true},
      {LINT_OTHER_INPUTS, "", true},
      {LINT_LOWER, "", true},
      {LINT_IGNORED, "x", true},
      {LINT_SHORTCUT, "y", true}},
     5},
    {"an input that nothing reads",
     X "," Z,
     "",
     NODE("y", "exp", "\"x\""),
     {{LINT_IGNORED, "z", true}},
     1},
    {"a scale of ones",
     X,
     G("const", ",\"value\":1"),
     NODE("e", "exp", "\"x\"") "," NODE("y", "mul", "\"e\",\"g\""),
     {{LINT_ONES, "g", true}, {LINT_OP, "y", true}},
     2},
    {"a shift of zeros",
     X,
     G("const", ",\"value\":0"),
     NODE("e", "exp", "\"x\"") "," NODE("y", "add", "\"e\",\"g\""),
     {{LINT_WITHOUT, "g", true}, {LINT_OP, "y", true}},
     2},
    {"relu of what is positive is no work",
     X,
     "",
     NODE("e", "exp", "\"x\"") "," NODE("r", "relu", "\"e\"") "," NODE("y", "log", "\"r\""),
     {{LINT_OP, "r", true}, {LINT_COPY, "x", true}, {LINT_SHORTCUT, "r", true}},
     3},
    {"a sum that the weight decides",
     U,
     G("const", ",\"value\":1e6"),
     NODE("e", "mul", "\"x\",1e-6") "," NODE("y", "add", "\"e\",\"g\""),
     {{LINT_OTHER_INPUTS, "", true}, {LINT_IGNORED, "x", true}, {LINT_CONSTANT, "", true}},
     -1},
};

static bool has(const lint_report *r, const expected *e)
{
    for (int i = 0; i < r->n; i++)
        if (r->finding[i].kind == e->kind && strcmp(r->finding[i].name, e->name) == 0)
            return r->finding[i].always == e->always;
    return false;
}

static void examine(size_t k)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(&text,
                  HEAD "\"inputs\":[%s],\"weights\":[%s],\"graph\":[%s],\"outputs\":[\"y\"]}",
                  rows[k].inputs, rows[k].weights, rows[k].graph);
    ws_status st = spec_from_text(text.p, text.n, "t.json", &s, &err);
    if (!st)
        st = vfy_lint(s, 1, 60, &a, &r, &err);
    bool right = !st && r.tried == r.possible && (rows[k].n < 0 || r.n == rows[k].n);
    for (int i = 0; i < 8 && rows[k].want[i].name; i++)
        right &= has(&r, &rows[k].want[i]);
    if (!ok(right, "%s %s", rows[k].what, err.msg))
        for (int i = 0; i < r.n; i++)
            printf("# %s (%s)\n", r.finding[i].text, r.finding[i].always ? "always" : "here");
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

/* What is published about KernelBench, at the check shapes. */
static void test_published(void)
{
    static const struct {
        const char *spec;
        expected want;
    } known[] = {
        {"kernelbench/level1/019_relu", {LINT_COPY, "x", false}},
        {"kernelbench/level2/080_gemm_max_subtract_gelu", {LINT_ZEROS, "", true}},
        {"kernelbench/level2/009_matmul_subtract_multiply_relu", {LINT_ZEROS, "", false}},
        {"kernelbench/level2/023_conv3d_groupnorm_mean", {LINT_ZEROS, "", true}},
        {"kernelbench/level2/083_conv3d_groupnorm_min_clamp_dropout", {LINT_ZEROS, "", true}},
        {"kernelbench/level3/028_visiontransformer", {LINT_OTHER_INPUTS, "", true}},
        {"kernelbench/level3/028_visiontransformer", {LINT_IGNORED, "img", true}},
        {"kernelbench/level1/033_batchnorm", {LINT_ONES, "bn_weight", true}},
        {"kernelbench/level1/033_batchnorm", {LINT_WITHOUT, "bn_bias", true}},
        {"kernelbench/level2/007_conv3d_relu_leakyrelu_gelu_sigmoid_biasadd",
         {LINT_OP, "leaky_relu2", true}},
        {"kernelbench/level2/026_convtranspose3d_add_hardswish", {LINT_IGNORED, "bias", true}},
        {"kernelbench/level3/036_lstmhn", {LINT_IGNORED, "fc_weight", true}},
        {"kernelbench/level3/037_lstmcn", {LINT_IGNORED, "fc_bias", true}},
        {"kernelbench/level3/049_mamba2returnfinalstate", {LINT_IGNORED, "C", true}},
        {"kernelbench/level3/050_reluselfattention", {LINT_IGNORED, "c_proj_weight", true}},
        {"kernelbench/level1/004_matrix_vector_multiplication", {LINT_LOOSE_CONSTANT, "", false}},
        {"kernelbench/level2/008_conv3d_divide_max_globalavgpool_biasadd_sum",
         {LINT_LOOSE_CONSTANT, "", false}},
        {"kernelbench/level1/039_l2norm", {LINT_LOOSE_ZEROS, "", false}},
        {"kernelbench/level1/094_mseloss", {LINT_LOOSE_SAMPLE, "B", false}},
        {"kernelbench/level1/100_hingeloss", {LINT_LOOSE_SAMPLE, "B", false}},
        {"kernelbench/level2/022_matmul_scale_residualadd_clamp_logsumexp_mish",
         {LINT_LOOSE_CONSTANT, "", false}},
        {"kernelbench/level2/055_matmul_maxpool_sum_scale", {LINT_LOOSE_SPREAD, "", false}},
        {"kernelbench/level2/013_convtranspose3d_mean_add_softmax_tanh_scaling",
         {LINT_LOOSE_OTHER, "", false}},
        {"kernelbench/level2/051_gemm_subtract_globalavgpool_logsumexp_gelu_residualadd",
         {LINT_LOOSE_COPY, "x", false}},
        {"kernelbench/level1/023_softmax", {LINT_LOOSE_ZEROS, "", false}},
        {"kernelbench/level2/099_matmul_gelu_softmax", {LINT_LOOSE_ZEROS, "", false}},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        ws_arena a = {0};
        ws_err err = {0};
        spec *s = NULL;
        lint_report r = {0};
        bool done = !spec_find(known[k].spec, &s, &err) && !vfy_lint(s, 1, 60, &a, &r, &err);
        ok(done && has(&r, &known[k].want), "%s: %s %s", known[k].spec,
           vfy_lint_name(known[k].want.kind), err.msg);
        spec_free(s);
        ws_arena_release(&a);
    }
}

/* Published shortcuts, and what they save at least; specs that have none. One is ill conditioned.
 */
static void test_shortcuts(void)
{
    static const struct {
        const char *spec, *node;
        double fewer;
    } known[] = {
        {"kernelbench/level2/002_convtranspose2d_biasadd_clamp_scaling_clamp_divide", "clamp4",
         1.005},
        {"kernelbench/level2/013_convtranspose3d_mean_add_softmax_tanh_scaling", "reduce1", 30},
        {"kernelbench/level2/014_gemm_divide_sum_scaling", "reduce2", 1000},
        {"kernelbench/level2/015_convtranspose3d_batchnorm_subtract", "sub3", 1},
        {"kernelbench/level2/018_matmul_sum_max_avgpool_logsumexp_logsumexp", "reduce1", 1000},
        {"kernelbench/level2/022_matmul_scale_residualadd_clamp_logsumexp_mish", "add2", 1},
        {"kernelbench/level2/040_matmul_scaling_residualadd", "add2", 1},
        {"kernelbench/level2/042_convtranspose2d_globalavgpool_biasadd_logsumexp_sum_multiply",
         "x_", 300},
        {"kernelbench/level2/044_convtranspose2d_multiply_globalavgpool_globalavgpool_mean",
         "reduce2", 300},
        {"kernelbench/level2/050_convtranspose3d_scaling_avgpool_biasadd_scaling", "avg_pool2", 4},
        {"kernelbench/level2/051_gemm_subtract_globalavgpool_logsumexp_gelu_residualadd", "reduce2",
         1000},
        {"kernelbench/level2/062_matmul_groupnorm_leakyrelu_sum", "add3", 1},
        {"kernelbench/level2/098_matmul_avgpool_gelu_scale_max", "x_", 15},
        {"kernelbench/level2/099_matmul_gelu_softmax", NULL, 1},
        {"kernelbench/level3/009_resnet18", NULL, 1},
        {"kernelbench/level3/019_mobilenetv1", NULL, 1},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        ws_arena a = {0};
        ws_err err = {0};
        spec *s = NULL;
        lint_report r = {0};
        bool done = !spec_find(known[k].spec, &s, &err) && !vfy_lint(s, 1, 0, &a, &r, &err);
        expected e = {LINT_SHORTCUT, known[k].node ? known[k].node : "", true};
        bool any = false;
        for (int i = 0; i < r.n; i++)
            any |= r.finding[i].kind == LINT_SHORTCUT;
        bool found = known[k].node ? has(&r, &e) : !any;
        expected ill = {LINT_ILL_CONDITIONED, "", false};
        bool is_ill = strstr(known[k].spec, "mobilenet") != NULL;
        ok(done && has(&r, &ill) == is_ill, "%s: ill conditioned %d", known[k].spec, is_ill);
        ok(done && found && r.least_flops * known[k].fewer <= r.flops, "%s: shortcut at %s %s",
           known[k].spec, e.name, err.msg);
        spec_free(s);
        ws_arena_release(&a);
    }
}

/* A mean over 2^20 numbers in [0, 1): no zero, but one number at the size of the benchmark. */
static void test_loose(void)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":4,\"N\":1048576},\"check\":[{\"N\":64}],"
        "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],\"init\":"
        "{\"dist\":\"uniform\"}}],\"graph\":[{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],"
        "\"fn\":\"mean\",\"dims\":[1]}],\"outputs\":[\"y\"]}";
    static const expected constant = {LINT_LOOSE_CONSTANT, "", false},
                          zeros = {LINT_LOOSE_ZEROS, "", false};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    bool done = !spec_from_text(text, sizeof text - 1, "t.json", &s, &err) &&
                !vfy_lint(s, 1, 60, &a, &r, &err);
    ok(done && has(&r, &constant), "the mean of many numbers is one number at 1e-2 %s", err.msg);
    ok(done && !has(&r, &zeros), "and that is not zero");
    spec_free(s);
    ws_arena_release(&a);
}

/* Means of numbers around 1 with a standard deviation of 10, `n` at the benchmark, which no trial
 * has the room for: 99 % are within 25.8 / sqrt(n) of 1, and 2e-2 is allowed. */
static void test_benchmark_spread(int64_t n, bool constant, bool spread)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(
        &text,
        "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":64,\"N\":%lld},\"check\":[{\"N\":64}],"
        "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],\"init\":"
        "{\"dist\":\"normal\",\"mean\":1,\"std\":10}}],\"graph\":[{\"out\":\"y\",\"op\":"
        "\"reduce\",\"in\":[\"x\"],\"fn\":\"mean\",\"dims\":[1]}],\"outputs\":[\"y\"]}",
        (long long)n);
    bool done =
        !spec_from_text(text.p, text.n, "t.json", &s, &err) && !vfy_lint(s, 1, 60, &a, &r, &err);
    expected of_constant = {LINT_LOOSE_CONSTANT, "", false},
             of_spread = {LINT_LOOSE_SPREAD, "", false};
    ok(done && has(&r, &of_constant) == constant && has(&r, &of_spread) == spread,
       "means of %lld numbers: constant %d, hardly differ %d %s", (long long)n, constant, spread,
       err.msg);
    for (int i = 0; i < r.n; i++)
        printf("# %s\n", r.finding[i].text);
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

/* The mean of all of x times another input, which no other inputs give; x has a factor that the
 * place decides when it is `placed`: then a part does not tell. */
static void test_sample(bool placed)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(
        &text,
        "{\"schema\":1,\"name\":\"t\",\"dims\":{\"B\":4096,\"N\":64},\"check\":[{\"B\":"
        "64}],\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],"
        "\"init\":{\"dist\":\"normal\",\"mean\":8,\"std\":4}},"
        "{\"name\":\"c\",\"dtype\":\"f32\",\"shape\":[1],\"init\":{\"dist\":\"normal\",\"std\":9}}"
        "],\"weights\":[{\"name\":"
        "\"g\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"],\"init\":{\"dist\":\"%s}}],"
        "\"graph\":[{\"out\":\"p\",\"op\":\"mul\",\"in\":[\"x\",\"g\"]},{\"out\":\"m\","
        "\"op\":\"reduce\",\"in\":[\"p\"],\"fn\":\"mean\",\"dims\":[0,1]},"
        "{\"out\":\"y\",\"op\":\"mul\",\"in\":[\"m\",\"c\"]}],"
        "\"outputs\":[\"y\"]}",
        placed ? "arange\",\"value\":0,\"step\":0.001" : "uniform\",\"lo\":1,\"hi\":2");
    bool done =
        !spec_from_text(text.p, text.n, "t.json", &s, &err) && !vfy_lint(s, 1, 60, &a, &r, &err);
    expected sample = {LINT_LOOSE_SAMPLE, "B", false};
    ok(done && has(&r, &sample) != placed, "an eighth of the rows tells their mean: %d %s", !placed,
       err.msg);
    for (int i = 0; i < r.n; i++)
        printf("# %s\n", r.finding[i].text);
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

/* A sum of 40 numbers with a tolerance of its own: too small for f32, and large enough. */
static void test_honest(const char *rtol, bool fits)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(&text,
                  HEAD "\"inputs\":[%s],\"tolerance\":{\"rtol\":%s},\"graph\":[%s],"
                       "\"outputs\":[\"y\"]}",
                  U, rtol,
                  "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1]}");
    bool done =
        !spec_from_text(text.p, text.n, "t.json", &s, &err) && !vfy_lint(s, 1, 0, &a, &r, &err);
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT; o++) {
        expected e = {LINT_HONEST, ref_order_name(o), true};
        bool found = done && has(&r, &e);
        ok(done && found != fits && (r.honest[o] <= 1) == fits,
           "rtol %s: summed %s, honest f32 takes %.2g of it %s", rtol, e.name, r.honest[o],
           err.msg);
    }
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

/* x + by - by: of x near 1, tf32 keeps 10 bits of the sum. */
static void test_conditioning(const char *by, bool ill)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(&text,
                  HEAD "\"inputs\":[" X "],\"graph\":[{\"out\":\"s\",\"op\":\"add\",\"in\":[\"x\","
                       "%s]},{\"out\":\"y\",\"op\":\"sub\",\"in\":[\"s\",%s]}],"
                       "\"outputs\":[\"y\"]}",
                  by, by);
    bool done =
        !spec_from_text(text.p, text.n, "t.json", &s, &err) && !vfy_lint(s, 1, 0, &a, &r, &err);
    expected e = {LINT_ILL_CONDITIONED, "", false};
    ok(done && has(&r, &e) == ill, "x + %s - %s: ill conditioned %d %s", by, by, ill, err.msg);
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

/* Sums of numbers of which most are one of two: their roundings in a running sum are no accident,
 * and honest all the same. */
static void test_clamped(const char *what, const char *node)
{
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    spec *s = NULL;
    lint_report r = {0};
    ws_buf_printf(&text,
                  "{\"schema\":1,\"name\":\"t\",\"dims\":{\"N\":65536},\"check\":[{\"N\":300},{}],"
                  "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,\"N\"]}],\"graph\":["
                  "{\"out\":\"c\",\"op\":\"clamp\",\"in\":[\"x\"],\"min\":-0.1,\"max\":-0.05},%s],"
                  "\"outputs\":[\"y\"]}",
                  node);
    bool done =
        !spec_from_text(text.p, text.n, "t.json", &s, &err) && !vfy_lint(s, 1, 0, &a, &r, &err);
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT; o++)
        ok(done && r.honest[o] > 0 && r.honest[o] <= r.honest_limit,
           "%s of clamped numbers, summed %s: %.2g of the tolerance %s", what, ref_order_name(o),
           r.honest[o], err.msg);
    spec_free(s);
    ws_buf_release(&text);
    ws_arena_release(&a);
}

int main(void)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        examine(k);
    test_published();
    test_shortcuts();
    test_loose();
    test_benchmark_spread(1 << 22, true, false);
    test_benchmark_spread(1 << 20, false, true);
    test_benchmark_spread(1 << 17, false, false);
    test_sample(false);
    test_sample(true);
    test_conditioning("1", false);
    test_conditioning("1024", true);
    test_clamped("sum",
                 "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"c\"],\"fn\":\"sum\",\"dims\":[1]}");
    test_clamped("softmax", "{\"out\":\"y\",\"op\":\"softmax\",\"in\":[\"c\"],\"dim\":1}");
    test_clamped("logsumexp", "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"c\"],\"fn\":"
                              "\"logsumexp\",\"dims\":[1]}");
    test_honest("1e-8", false);
    test_honest("1e-5", true);
    return tap_done();
}
