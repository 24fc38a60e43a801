/* Exported headers: refusals, the text, and what nvcc says about them where it is there. */
#include "results/export.h"
#include "base/file.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

/* Takes its extents as arguments, so it serves every shape; dynamic shared memory beyond 48 KiB. */
static const char softmax_source[] =
    "/* @plan\n"
    "{ \"tune\": { \"BLOCK\": [128, 256], \"PAD\": [20000] },\n"
    "  \"require\": [ \"N % 1 == 0 && (B > 4 ? 1 : min(B, 9) > 0)\" ],\n"
    "  \"launch\": [ { \"kernel\": \"softmax\", \"grid\": [\"B\"], \"block\": [\"BLOCK\"],\n"
    "                \"shared\": \"align(BLOCK, 32) * 4 + PAD * 4\",\n"
    "                \"args\": [\"x\", \"y\", \"N\", 1.0, \"-INFINITY\"] } ] }\n"
    "*/\n"
    "#include <cuda_runtime.h>\n"
    "#include <math.h> // an \"include\" of the usual kind\n"
    "#pragma once\n"
    "#define WARP 32\n"
    "#define REDUCE(v, op) \\\n"
    "    for (int d = WARP / 2; d > 0; d /= 2) v = op(v, __shfl_xor_sync(0xffffffffu, v, d))\n"
    "float add(float a, float b) { return a + b; }\n"
    "template <typename T> __host__ __device__ T twice(T v) { return v + v; }\n"
    "static const float table[2] = {1.0f, 2.0f};\n"
    "constexpr float one = 1.0f;\n"
    "struct pair_max {\n"
    "    float m; int i;\n"
    "    pair_max(float v) : m(v), i{0} {}\n"
    "    bool operator<(const pair_max &o) const { return m < o.m; }\n"
    "    float operator()() const { return m; }\n"
    "};\n"
    "extern \"C\" __global__ void __launch_bounds__(BLOCK)\n"
    "softmax(const float *__restrict__ x, float *__restrict__ y, int N, float scale, float "
    "lowest)\n"
    "{\n"
    "    extern __shared__ float part[];\n"
    "    int unused = 3;\n"
    "    const char *text = \"extern \\\"C\\\" /* no comment\";\n"
    "    float m = lowest, s = 0;\n"
    "    for (int i = threadIdx.x; i < N; i += blockDim.x) m = fmaxf(m, x[(size_t)blockIdx.x * N + "
    "i]);\n"
    "    REDUCE(m, fmaxf);\n"
    "    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = pair_max(m)();\n"
    "    __syncthreads();\n"
    "    for (unsigned w = 0; w < BLOCK / WARP; w++) m = fmaxf(m, part[w]);\n"
    "    __syncthreads();\n"
    "    for (int i = threadIdx.x; i < N; i += blockDim.x)\n"
    "        s = add(s, expf(x[(size_t)blockIdx.x * N + i] - m));\n"
    "    REDUCE(s, add);\n"
    "    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = s;\n"
    "    __syncthreads();\n"
    "    s = 0;\n"
    "    for (int w = 0; w < BLOCK / WARP; w++) s += part[w];\n"
    "    for (int i = threadIdx.x; i < N; i += blockDim.x)\n"
    "        y[(size_t)blockIdx.x * N + i] =\n"
    "            expf(x[(size_t)blockIdx.x * N + i] - m) / s * scale * table[0] * one;\n"
    "}\n";

/* As the emitter writes: extents are macros, an intermediate lives in scratch. */
static const char emitted_source[] =
    "/* @plan\n"
    "{ \"scratch\": [\n"
    "    { \"name\": \"m\", \"dtype\": \"f32\", \"count\": \"max(1, B)\" },\n"
    "    { \"name\": \"new\", \"dtype\": \"f64\", \"count\": \"max(1, (B * N))\" } ],\n"
    "  \"launch\": [\n"
    "    { \"kernel\": \"k0_max\", \"grid\": [\"max(1, ceil_div(B, 256))\"], \"block\": [256], "
    "\"args\": [\"x\", \"m\"] },\n"
    "    { \"kernel\": \"k1_norm\", \"grid\": [\"B\"], \"block\": [256], \"args\": [\"x\", \"m\", "
    "\"new\", \"y\"] } ] }\n"
    "*/\n"
    "/* basics/softmax, translated op by op */\n"
    "#define WARP 16\n"
    "static __device__ __forceinline__ long long axis(long long &i, long long n)\n"
    "{\n"
    "    const long long q = i / n, r = i - q * n;\n"
    "    i = q;\n"
    "    return r;\n"
    "}\n"
    "extern \"C\" {\n"
    "__global__ void __launch_bounds__(256)\n"
    "k0_max(const float *__restrict__ x, float *__restrict__ m)\n"
    "{\n"
    "    const long long i = (long long)blockIdx.x * 256 + threadIdx.x;\n"
    "    if (i >= (long long)DIM_B)\n"
    "        return;\n"
    "    float v = -INFINITY;\n"
    "    for (long long k = 0; k < (long long)DIM_N; k++)\n"
    "        v = max(v, x[i * (long long)DIM_N + k]);\n"
    "    m[i] = v;\n"
    "}\n"
    "}\n"
    "extern \"C\" __global__ void __launch_bounds__(256)\n"
    "k1_norm(const float *__restrict__ x, const float *__restrict__ m, double *__restrict__ e,\n"
    "        float *__restrict__ y)\n"
    "{\n"
    "    __shared__ double total;\n"
    "    const long long row = (long long)blockIdx.x * DIM_N;\n"
    "    long long flat = row;\n"
    "    axis(flat, (long long)DIM_N);\n"
    "    if (threadIdx.x == 0) total = 0;\n"
    "    __syncthreads();\n"
    "    for (int i = threadIdx.x; i < DIM_N; i += 256) {\n"
    "        e[row + i] = exp((double)x[row + i] - m[blockIdx.x]);\n"
    "        atomicAdd(&total, e[row + i]);\n"
    "    }\n"
    "    __syncthreads();\n"
    "    for (int i = threadIdx.x; i < DIM_N; i += 256)\n"
    "        y[row + i] = (float)(e[row + i] / total);\n"
    "}\n";

/* Half precision, std::, a cluster, a cooperative launch, a pointer of another type than the
 * tensor's. */
static const char half_source[] =
    "/* @plan\n"
    "{ \"scratch\": [ { \"name\": \"flag\", \"dtype\": \"i32\", \"count\": 1 } ],\n"
    "  \"launch\": [\n"
    "    { \"kernel\": \"mm\", \"grid\": [\"ceil_div(N, 16)\", \"ceil_div(M, 16)\"], \"block\": "
    "[16, 16],\n"
    "      \"args\": [\"a\", \"b\", \"c\", \"M\", \"N\", \"K\"] },\n"
    "    { \"kernel\": \"touch\", \"grid\": 2, \"block\": 32, \"cluster\": 2, \"cooperative\": "
    "true,\n"
    "      \"shared\": 128, \"args\": [\"flag\", \"-1\", 3] } ] }\n"
    "*/\n"
    "#include <cuda_fp16.h>\n"
    "#include <algorithm>\n"
    "using std::min;\n"
    "namespace tools { inline int clip(int v, int n) { return std::max(0, std::min(v, n - 1)); } "
    "}\n"
    "extern \"C\" __global__ void mm(const unsigned short *a, const half2 *b, half *c, unsigned M, "
    "long long N, int K)\n"
    "{\n"
    "    const __half *ha = reinterpret_cast<const __half *>(a), *hb = reinterpret_cast<const "
    "__half *>(b);\n"
    "    int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;\n"
    "    float s = std::numeric_limits<float>::lowest() * 0;\n"
    "    for (int k = 0; k < K; k++)\n"
    "        s += __half2float(ha[tools::clip(row, M) * K + k]) * __half2float(hb[k * N + "
    "tools::clip(col, N)]);\n"
    "    if (row < M && col < N) c[row * N + col] = __float2half(s);\n"
    "}\n"
    "extern \"C\" __global__ void touch(int *flag, unsigned bits, char small)\n"
    "{\n"
    "    extern __shared__ double part[];\n"
    "    part[threadIdx.x % 16] = bits;\n"
    "    if (threadIdx.x == 0) *flag = small + (part[0] > 0);\n"
    "}\n";

static const char verdict_json[] =
    "{\"schema\":1,\"accepted\":true,\"reason\":\"pass\",\"level\":2,\"evidence\":{\"shapes_"
    "passed\":4,\"runs\":24,"
    "\"worst_error_over_tolerance\":0.25,\"precision\":\"tf32\",\"effective_roundoff\":"
    "0.00048828125,\"relations\":\"B permuted\",\"compiler\":\"NVRTC 13.0.88\",\"arch\":\"sm_90\"},"
    "\"warning\":{\"text\":\"lanes in step\",\"line\":18,\"other_line\":21},"
    "\"resources\":{\"text\":\"softmax: 20 registers */ int x; /*\"}}";

static spec *load(const char *name)
{
    spec *s = NULL;
    ws_err err = {0};
    char path[128];
    snprintf(path, sizeof path, "specs/basics/%s.json", name);
    if (spec_load(path, &s, &err))
        printf("# %s\n", err.msg);
    return s;
}

static db_candidate candidate(const char *source, const char *tag)
{
    return (db_candidate){.id = 7,
                          .run = 1,
                          .round = 3,
                          .origin = "model",
                          .source = source,
                          .source_sha256 = tag,
                          .ptx_sha256 = "bb",
                          .reason = "pass",
                          .level = VFY_EMULATED,
                          .modelled_s = 12.5e-6,
                          .measured_s = NAN,
                          .gpu = "h100",
                          .created = "2026-01-02T03:04:05Z"};
}

static const db_run run = {.id = 1, .name = "softmax-20260102-030405-1a2b", .model = "test-model"};

/* The header's text, or NULL with the message in `err`. */
static char *header(const spec *s, const db_candidate *c, const char *name, ws_err *err)
{
    ws_buf out = {0};
    exp_input in = {.spec = s, .candidate = c, .run = &run, .verdict_json = verdict_json, .name = name};
    if (exp_header(&in, &out, err)) {
        ws_buf_release(&out);
        return NULL;
    }
    return ws_buf_take(&out);
}

static void test_refusals(const spec *s)
{
    ws_err err = {0};
    db_candidate c = candidate(softmax_source, "1111111");
    c.level = VFY_COMPILES;
    ok(!header(s, &c, NULL, &err), "below level 2: refused");
    has_str(err.msg, "level 1 (compiles); export needs level 2 (emulated)", "and why");
    c = candidate(softmax_source, "1111111");
    c.reason = "wrong_result";
    err = (ws_err){0};
    ok(!header(s, &c, NULL, &err), "rejected: refused");
    has_str(err.msg, "rejected (wrong_result)", "and why");
    c = candidate("int x;", "1111111");
    err = (ws_err){0};
    ok(!header(s, &c, NULL, &err), "no plan: refused");
    has_str(err.msg, "plan cannot be read", "and why");
    static const char *const names[] = {"a-b", "int", "3d", "", "a__b", "_X"};
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        c = candidate(softmax_source, "1111111");
        err = (ws_err){0};
        ok(!header(s, &c, names[i], &err) && err.status == WS_EUSAGE, "name '%s': refused",
           names[i]);
    }
}

static void test_text(const spec *s)
{
    ws_err err = {0};
    db_candidate c = candidate(softmax_source, "1111111");
    c.tune_json = "{\"BLOCK\":256}";
    char *h = header(s, &c, NULL, &err), *again = header(s, &c, NULL, &err);
    if (!ok(h != NULL, "a header")) {
        printf("# %s\n", err.msg);
        return;
    }
    is_str(again, h, "the same input gives the same text");
    has_str(h, s->sha256, "the spec's hash");
    has_str(h, "pass at level 2 (emulated)", "the verdict");
    has_str(h,
            "12.500 us modelled (a cost model's estimate, no measurement) on h100 at B=4096 N=8192",
            "the time, labelled");
    has_str(h, "model test-model", "who wrote it");
    has_str(h, "2026-01-02T03:04:05Z", "the archive's date");
    has_str(h, "#define BLOCK 256", "the candidate's tunable");
    has_str(h, "#pragma pop_macro(\"REDUCE\")", "macros end with the kernels");
    has_str(h, "namespace softmax {", "a namespace of its own");
    has_str(h, "__device__ float add(float a", "__device__ on a plain helper");
    has_str(h, "__device__ static const float table[2]", "and on an array");
    has_str(h, "__device__ bool operator<(", "and on a member");
    has_str(h, "text = \"extern \\\"C\\\" /* no comment\"", "strings stay");
    ok(!strstr(h, "extern \"C\" __global__"), "no C linkage is left");
    ok(!strstr(h, "*/ int x;"), "text cannot leave the comment");
    has_str(h, "precision    tf32: errors as if operands had 11.0 bits",
            "the precision is labelled");
    has_str(h, "relations    B permuted", "and the relations are listed");
    has_str(h, "warning      lanes in step", "what the verifier warned of");
    free(h);
    free(again);
}

/* ---- nvcc ---- */

static const char use_text[] =
    "#define N 77\n#define WARP 5\n"
    "#include \"softmax.cuh\"\n#include \"emitted.cuh\"\n#include \"half.cuh\"\n#include "
    "\"softmax.cuh\"\n"
    "#if N != 77 || WARP != 5 || defined BLOCK || defined DIM_N\n#error \"a macro "
    "leaked\"\n#endif\n"
    "#undef N\n"
    "#include <cstdio>\n"
    "int main()\n"
    "{\n"
    "    alignas(256) static char memory[1024];\n"
    "    float *x = reinterpret_cast<float *>(memory), *y = x + 64;\n"
    "    std::size_t bytes = 1;\n"
    "    namespace soft = warpsmith::softmax;\n"
    "    namespace em = warpsmith::emitted;\n"
    "    soft::shape s = soft::tuned_shape();\n"
    "    std::printf(\"tuned %lld %lld\\n\", s.B, s.N);\n"
    "    std::printf(\"free %d\\n\", soft::refusal(soft::shape{3, 257}) == nullptr);\n"
    "    int status = soft::workspace_bytes(s, &bytes);\n"
    "    std::printf(\"workspace %d %zu\\n\", status, bytes);\n"
    "    std::printf(\"zero %s\\n\", soft::refusal(soft::shape{0, 5}));\n"
    "    std::printf(\"launch %d\\n\", soft::launch(x, y, soft::shape{0, 5}));\n"
    "    std::printf(\"null %d\\n\", soft::launch(nullptr, y, s));\n"
    "    std::printf(\"skew %d\\n\", soft::launch(x + 1, y, s));\n"
    "    em::shape e = em::tuned_shape();\n"
    "    std::printf(\"fixed %s\\n\", em::refusal(em::shape{e.B, e.N + 1}));\n"
    "    std::printf(\"mismatch %d\\n\", em::launch(x, y, em::shape{e.B, 9}));\n"
    "    status = em::workspace_bytes(e, &bytes);\n"
    "    std::printf(\"scratch %d %zu\\n\", status, bytes);\n"
    "    std::printf(\"small %d\\n\", em::launch(x, y, e, memory, 16));\n"
    "    namespace hf = warpsmith::half_mm;\n"
    "    std::printf(\"huge %s\\n\", hf::refusal(hf::shape{1LL << 40, 1, 1}));\n"
    "    const __half *h = reinterpret_cast<const __half *>(memory);\n"
    "    return hf::launch(h, h, reinterpret_cast<__half *>(memory + 512), hf::shape{0, 0, 0}) == "
    "cudaErrorNotSupported\n"
    "               ? 0 : 1;\n"
    "}\n";

static bool write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    ws_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return text && ws_write_file(path, text, strlen(text), &err) == WS_OK;
}

/* Output and exit status of a shell command. */
static int shell(const char *command, ws_buf *out)
{
    char part[4096];
    size_t n;
    FILE *p = popen(command, "r");
    if (!p)
        return -1;
    while ((n = fread(part, 1, sizeof part, p)) > 0)
        ws_buf_add(out, part, n);
    return pclose(p);
}

static void check_program(const char *dir)
{
    static const char *const expected[] = {
        "tuned 4096 8192\n",
        "free 1\n",
        "workspace 0 0\n",
        "zero B must be at least 1\n",
        "launch 801\n",
        "null 1\n",
        "skew 716\n",
        "fixed N differs from WARPSMITH_EMITTED_DIM_N, which the kernel is compiled for\n",
        "mismatch 801\n",
        "scratch 0 268451840\n",
        "small 1\n",
        "huge the grid of kernel 'mm' is outside CUDA's limits\n"};
    ws_buf out = {0};
    char command[512];
    snprintf(command, sizeof command, "%s/use 2>&1", dir);
    is_int(shell(command, &out), 0, "the program runs without a GPU up to its guards");
    for (size_t i = 0; i < WS_COUNT(expected); i++)
        has_str(ws_buf_z(&out), expected[i], "a guard's answer");
    ws_buf_release(&out);
}

static void test_nvcc(const spec *soft, const spec *mm)
{
    char dir[] = "/tmp/ws-export-XXXXXX", command[1024];
    ws_buf out = {0};
    ws_err err = {0};
    db_candidate a = candidate(softmax_source, "1111111"), b = candidate(emitted_source, "2222222"),
                 c = candidate(half_source, "3333333");
    char *ha = header(soft, &a, NULL, &err), *hb = header(soft, &b, "emitted", &err),
         *hc = header(mm, &c, "half_mm", &err);
    ok(ha && hb && hc, "three headers");
    if (err.status)
        printf("# %s\n", err.msg);
    if (system("command -v nvcc >/dev/null 2>&1") != 0) {
        skip("nvcc accepts the headers", "nvcc is not on PATH");
    } else if (ok(mkdtemp(dir) && write_text(dir, "softmax.cuh", ha) &&
                      write_text(dir, "emitted.cuh", hb) && write_text(dir, "half.cuh", hc) &&
                      write_text(dir, "use.cu", use_text),
                  "written")) {
        snprintf(command, sizeof command,
                 "nvcc -std=c++17 -arch=sm_90 -Xcompiler -Wall,-Wextra -o %s/use %s/use.cu 2>&1",
                 dir, dir);
        bool built = shell(command, &out) == 0;
        ok(built, "nvcc compiles three headers in one unit and links them");
        is_str(ws_buf_z(&out), "", "without a warning");
        if (built)
            check_program(dir);
        if (!getenv("WS_KEEP")) {
            snprintf(command, sizeof command, "rm -rf %s", dir);
            ok(system(command) == 0, "removed");
        }
    }
    ws_buf_release(&out);
    free(ha);
    free(hb);
    free(hc);
}

int main(void)
{
    spec *soft = load("softmax"), *mm = load("matmul_f16");
    if (ok(soft && mm, "the specs load")) {
        test_refusals(soft);
        test_text(soft);
        test_nvcc(soft, mm);
    }
    spec_free(soft);
    spec_free(mm);
    return tap_done();
}
