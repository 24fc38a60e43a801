/* Baselines from files: our own schema, KernelBench's published times, and what is neither; and
 * which product of cuBLASLt a spec is. */
#include "base/file.h"
#include "base/mem.h"
#include "harness/baseline/cublaslt_api.h"
#include "tests/tap.h"
#include "verifier/baseline.h"
#include "verifier/cublas_plan.h"

#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/warpsmith-baseline-XXXXXX";

/* Rows that `text` gives for a spec at a shape on a GPU; -1: an error, in err. */
static int read_text(const char *text, const char *name, int shape, const char *gpu,
                     vfy_baseline *out, ws_err *err)
{
    spec *s = NULL;
    int n = 0;
    *err = (ws_err){0};
    if (spec_find(name, &s, err) || ws_write_file(path, text, strlen(text), err))
        return -2;
    const ws_env dims = spec_env(s, shape);
    ws_status st = vfy_baseline_read(path, s, &dims, tim_gpu_find(gpu), out, &n, err);
    spec_free(s);
    return st ? -1 : n;
}

static const char published[] =
    "{\"level1\":{\"23_Softmax.py\":{\"mean\":9.12,\"std\":0.02,\"min\":9.0,\"max\":9.5,\"num_"
    "trials\":100,"
    "\"hardware\":\"NVIDIA H100 80GB HBM3\",\"device\":\"cuda:0\"},"
    "\"1_Square_matrix_multiplication.py\":{\"mean\":3.68,\"hardware\":\"NVIDIA H100 PCIe\"}},"
    "\"level2\":{}}";

static void test_published(void)
{
    vfy_baseline b[VFY_MAX_BASELINES];
    ws_err err;
    is_int(read_text(published, "kernelbench/level1/023_softmax", -1, "h100", b, &err), 1,
           "a published figure");
    is_int(b[0].kind, VFY_BASELINE_EXTERNAL, "is external");
    is_close(b[0].seconds, 9.12e-3, 1e-12, "in seconds");
    is_close(b[0].std_s, 0.02e-3, 1e-12, "with its standard deviation");
    is_int(b[0].samples, 100, "and trials");
    is_close(b[0].resolution, 1e-3, 1e-12, "rounded to a thousandth");
    ok(b[0].same_gpu, "of this GPU");
    is_str(b[0].hardware, "NVIDIA H100 80GB HBM3", "as it was written");
    read_text(published, "kernelbench/level1/023_softmax", -1, "h100-pcie", b, &err);
    ok(!b[0].same_gpu, "an SXM one is not the PCIe one");
    read_text(published, "kernelbench/level1/023_softmax", -1, "h200", b, &err);
    ok(!b[0].same_gpu, "nor an H200");
    is_int(read_text(published, "kernelbench/level1/001_square_matrix_multiplication", -1,
                     "h100-pcie", b, &err),
           1, "a problem that another version of the file calls otherwise");
    ok(b[0].kind == VFY_BASELINE_EXTERNAL && b[0].same_gpu,
       "is found by its number, on a PCIe card");
    is_int(read_text(published, "basics/softmax", -1, "h100", b, &err), 1,
           "a spec that is none of KernelBench's");
    is_int(b[0].kind, VFY_BASELINE_ABSENT, "has no figure");
    is_int(read_text("{\"level1\":{\"23_Softmax.py\":{\"mean\":\"9\"}}}",
                     "kernelbench/level1/023_softmax", -1, "h100", b, &err),
           -1, "a figure that is no number");
    has_str(err.msg, "has no 'mean' in milliseconds", "is an error");
}

#define OWN(spec, dims, runs)                                                                      \
    "{\"schema\":1,\"kind\":\"baseline\",\"spec\":\"" spec "\",\"dims\":" dims                     \
    ",\"device\":{\"name\":\"NVIDIA H200\"},\"runs\":[" runs "]}"
#define RUN                                                                                        \
    "{\"name\":\"torch eager\",\"regime\":\"cold\",\"seconds\":[3e-6,1e-6,2e-6],"                  \
    "\"precision\":{\"in\":\"f32\",\"accumulate\":\"f32\",\"allow_tf32\":false}}"
#define DIMS "{\"B\":3,\"N\":257}"

static void test_own(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {OWN("basics/relu", DIMS, RUN), "it is of the spec 'basics/relu', not of 'basics/softmax'"},
        {OWN("basics/softmax", DIMS, "{\"name\":\"x\"}"), "runs[0]: missing 'seconds'"},
        {OWN("basics/softmax", DIMS, "{\"name\":\"x\",\"seconds\":[]}"),
         "runs[0].seconds: 0 samples"},
        {OWN("basics/softmax", DIMS, "{\"name\":\"x\",\"seconds\":[1e-6,-1]}"),
         "runs[0].seconds[1]"},
        {OWN("basics/softmax", DIMS, "{\"name\":\"x\",\"seconds\":[1e-6,\"nan\"]}"),
         "runs[0].seconds[1]"},
        {OWN("basics/softmax", DIMS, "{\"seconds\":[1]}"), "runs[0]: missing 'name'"},
        {"{\"schema\":1}", "neither a baseline of ours"},
        {"[1]", "neither a baseline of ours"},
        {"{", "baseline '"},
    };
    vfy_baseline b[VFY_MAX_BASELINES];
    ws_err err;
    is_int(
        read_text(OWN("basics/softmax", DIMS, RUN "," RUN), "basics/softmax", 1, "h200", b, &err),
        2, "two runs of ours");
    ok(b[1].kind == VFY_BASELINE_MEASURED && b[1].same_gpu && b[1].samples == 3,
       "measured on this GPU");
    is_close(b[0].seconds, 2e-6, 1e-15, "the median of the samples");
    is_close(b[0].std_s, 1e-6, 1e-12, "and their deviation");
    is_str(b[0].precision, "f32 in, f32 sums, TF32 not allowed", "the class of precision");
    is_int(read_text(OWN("basics/softmax", DIMS, RUN), "basics/softmax", -1, "h200", b, &err), 1,
           "what was measured at another shape");
    ok(b[0].kind == VFY_BASELINE_ABSENT && strstr(b[0].why, "it was measured at B=3, not at B="),
       "is said: %s", b[0].why);
    for (size_t i = 0; i < WS_COUNT(bad); i++) {
        is_int(read_text(bad[i].text, "basics/softmax", 1, "h200", b, &err), -1,
               "what is wrong is an error");
        has_str(err.msg, bad[i].says, "that says what");
    }
}

static bool plan(const char *name, int shape, lt_problem *p, char *why, size_t size)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ref_bound *b;
    ws_arena a = {0};
    ws_err err = {0};
    bool found = false;
    if (!spec_find(name, &s, &err) && !ref_graph_new(s, &g, &err)) {
        const ws_env dims = spec_env(s, shape);
        found = !ref_bind(g, &dims, &a, &b, &err) && vfy_cublas_plan(b, p, why, size);
    }
    ref_graph_free(g);
    spec_free(s);
    ws_arena_release(&a);
    return found;
}

static void test_cublas(void)
{
    static const struct {
        const char *spec;
        lt_problem want;
    } good[] = {
        {"basics/matmul",
         {4096, 4096, 4096, 1, false, false, false, false, LT_R_32F, LT_COMPUTE_32F}},
        {"kernelbench/level1/016_matmul_with_transposed_a",
         {2048, 4096, 8192, 1, true, false, false, false, LT_R_32F, LT_COMPUTE_32F}},
        {"kernelbench/level1/017_matmul_with_transposed_b",
         {2048, 4096, 8192, 1, false, true, false, false, LT_R_32F, LT_COMPUTE_32F}},
    };
    static const char *const none[] = {"basics/softmax", "basics/gelu", "basics/conv2d"};
    char why[256] = "";
    lt_problem p;
    for (size_t i = 0; i < WS_COUNT(good); i++) {
        const lt_problem *w = &good[i].want;
        const bool found = plan(good[i].spec, -1, &p, why, sizeof why);
        ok(found && p.m == w->m && p.n == w->n && p.k == w->k && p.batch == w->batch &&
               p.trans_a == w->trans_a && p.trans_b == w->trans_b && p.bias == w->bias &&
               p.relu == w->relu && p.type == w->type && p.compute == w->compute,
           "%s: %lld x %lld x %lld, %s %s", good[i].spec, (long long)p.m, (long long)p.n,
           (long long)p.k, lt_precision(&p), found ? "" : why);
    }
    bool found = plan("basics/batched_matmul", -1, &p, why, sizeof why);
    ok(found && p.batch > 1, "batches: %lld at once", (long long)p.batch);
    found = plan("basics/matmul_f16", -1, &p, why, sizeof why);
    ok(found && p.type == LT_R_16F, "f16: %s", lt_precision(&p));
    for (size_t i = 0; i < WS_COUNT(none); i++) {
        why[0] = '\0';
        found = plan(none[i], -1, &p, why, sizeof why);
        ok(!found && why[0], "%s is no product: %s", none[i], why);
    }
}

/* Over the worker's line and back. */
static void test_wire(void)
{
    const lt_problem p = {7, 5, 3, 2, true, false, true, true, LT_R_16BF, LT_COMPUTE_32F};
    lt_problem q;
    ws_buf text = {0};
    ws_arena a = {0};
    ws_err err = {0};
    const jl_value *v;
    jl_writer w = {.out = &text};
    jl_open(&w, NULL, '{');
    lt_problem_write(&p, &w);
    jl_close(&w, '}');
    ok(!jl_parse(&a, text.p, text.n, &v, &err) && !lt_problem_read(v, &q, &err) && p.m == q.m &&
           p.n == q.n && p.k == q.k && p.batch == q.batch && p.trans_a == q.trans_a &&
           p.trans_b == q.trans_b && p.bias == q.bias && p.relu == q.relu && p.type == q.type &&
           p.compute == q.compute,
       "a product passes the worker's line %s", err.msg);
    static const char bad[] = "{\"m\":1,\"n\":1,\"k\":1,\"batch\":1,\"type\":99,\"compute\":68}";
    ok(!jl_parse(&a, bad, strlen(bad), &v, &err) && lt_problem_read(v, &q, &err) == WS_EINPUT,
       "a type that is none is refused");
    ws_buf_release(&text);
    ws_arena_release(&a);
}

int main(void)
{
    const int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    test_published();
    test_own();
    test_cublas();
    test_wire();
    unlink(path);
    return tap_done();
}
