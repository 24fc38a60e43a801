/* `make bench-ptx`: thread instructions a second of the PTX engine on one core, for three kernels, beside a
 * native single-core loop of the same arithmetic in the same run, so that a busy machine can be told from
 * a slow engine. Best of several runs. */
#include "base/clock.h"
#include "harness/compile/compile.h"
#include "harness/ptx/ptx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 256, ROWS = 512, COLS = 2048, TRIALS = 15 };

static const char source[] =
    "extern \"C\" __global__ void sgemm_naive(const float *__restrict__ a, const float "
    "*__restrict__ b,\n"
    "                                         float *c, int n)\n"
    "{\n"
    "    int row = blockIdx.y * blockDim.y + threadIdx.y, col = blockIdx.x * blockDim.x + "
    "threadIdx.x;\n"
    "    float sum = 0;\n"
    "    if (row >= n || col >= n)\n"
    "        return;\n"
    "    for (int k = 0; k < n; k++)\n"
    "        sum += a[row * n + k] * b[k * n + col];\n"
    "    c[row * n + col] = sum;\n"
    "}\n"
    "extern \"C\" __global__ void sgemm_tiled(const float *__restrict__ a, const float "
    "*__restrict__ b,\n"
    "                                         float *c, int n)\n"
    "{\n"
    "    __shared__ float as[32][32], bs[32][32];\n"
    "    int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 32 + ty, col = blockIdx.x * 32 "
    "+ tx;\n"
    "    float sum = 0;\n"
    "    for (int t = 0; t < n; t += 32) {\n"
    "        as[ty][tx] = a[row * n + t + tx];\n"
    "        bs[ty][tx] = b[(t + ty) * n + col];\n"
    "        __syncthreads();\n"
    "        for (int k = 0; k < 32; k++)\n"
    "            sum += as[ty][k] * bs[k][tx];\n"
    "        __syncthreads();\n"
    "    }\n"
    "    c[row * n + col] = sum;\n"
    "}\n"
    "__device__ float block_reduce(float v, bool max, float *part)\n"
    "{\n"
    "    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;\n"
    "    for (int d = 16; d; d /= 2) {\n"
    "        float o = __shfl_xor_sync(0xffffffffu, v, d);\n"
    "        v = max ? fmaxf(v, o) : v + o;\n"
    "    }\n"
    "    __syncthreads();\n"
    "    if (lane == 0)\n"
    "        part[warp] = v;\n"
    "    __syncthreads();\n"
    "    v = lane < blockDim.x / 32 ? part[lane] : max ? -INFINITY : 0.f;\n"
    "    for (int d = 16; d; d /= 2) {\n"
    "        float o = __shfl_xor_sync(0xffffffffu, v, d);\n"
    "        v = max ? fmaxf(v, o) : v + o;\n"
    "    }\n"
    "    return v;\n"
    "}\n"
    "extern \"C\" __global__ void softmax(const float *__restrict__ x, float *y, int cols)\n"
    "{\n"
    "    __shared__ float part[32];\n"
    "    const float *row = x + (size_t)blockIdx.x * cols;\n"
    "    float *out = y + (size_t)blockIdx.x * cols, m = -INFINITY, s = 0;\n"
    "    for (int i = threadIdx.x; i < cols; i += blockDim.x)\n"
    "        m = fmaxf(m, row[i]);\n"
    "    m = block_reduce(m, true, part);\n"
    "    for (int i = threadIdx.x; i < cols; i += blockDim.x)\n"
    "        s += __expf(row[i] - m);\n"
    "    s = 1 / block_reduce(s, false, part);\n"
    "    for (int i = threadIdx.x; i < cols; i += blockDim.x)\n"
    "        out[i] = __expf(row[i] - m) * s;\n"
    "}\n";

static float *a, *b, *c;

static void fail(const char *what)
{
    fprintf(stderr, "bench-ptx: %s\n", what);
    exit(1);
}

/* ---- native ---- */

static void native_gemm(void)
{
    for (int i = 0; i < N; i++) {
        float *row = c + i * N;
        memset(row, 0, N * sizeof *row);
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++)
                row[j] = fmaf(a[i * N + k], b[k * N + j], row[j]);
    }
}

static void native_softmax(void)
{
    for (int i = 0; i < ROWS; i++) {
        const float *x = a + (size_t)i * COLS;
        float *y = c + (size_t)i * COLS, m = -INFINITY, s = 0;
        for (int k = 0; k < COLS; k++)
            m = fmaxf(m, x[k]);
        for (int k = 0; k < COLS; k++)
            s += y[k] = expf(x[k] - m);
        for (int k = 0; k < COLS; k++)
            y[k] /= s;
    }
}

static double best_native(void (*f)(void))
{
    double best = INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        int64_t start = ws_now_ns();
        f();
        best = fmin(best, ws_seconds_since(start));
    }
    return best;
}

/* ---- the engine ---- */

typedef struct setting {
    const char *name;
    bool init, race, count;
} setting;
static const setting settings[] = {
    {"memcheck", false, false, false}, {"+ initcheck", true, false, false},
    {"+ counters", true, false, true}, {"+ racecheck", true, true, true},
};

typedef struct bench {
    const char *kernel;
    uint32_t grid[3], block[3];
    bool is_gemm;
    void (*native)(void);
} bench;
static const bench benches[] = {
    {"sgemm_naive", {N / 16, N / 16, 1}, {16, 16, 1}, true, native_gemm},
    {"sgemm_tiled", {N / 32, N / 32, 1}, {32, 32, 1}, true, native_gemm},
    {"softmax", {ROWS, 1, 1}, {256, 1, 1}, false, native_softmax},
};

static double best_engine(ptx_module *m, ptx_memory *mem, const bench *k, const setting *s,
                          const uint64_t ptr[3], uint64_t *insns)
{
    static ptx_report r;
    struct {
        uint64_t p[3];
        int32_t n;
    } gemm = {{ptr[0], ptr[1], ptr[2]}, N};
    struct {
        uint64_t p[2];
        int32_t n;
    } soft = {{ptr[0], ptr[2]}, COLS};
    ptx_launch_args args = {.kernel = k->kernel,
                            .params = k->is_gemm ? (void *)&gemm : (void *)&soft};
    memcpy(args.grid, k->grid, sizeof args.grid);
    memcpy(args.block, k->block, sizeof args.block);
    ptx_options o = {.threads = 1,
                     .check_init = s->init,
                     .check_race = s->race,
                     .count = s->count};
    double best = INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        memset(&r, 0, sizeof r);
        int64_t start = ws_now_ns();
        if (!ptx_launch(m, mem, &args, &o, &r))
            fail(r.fault[0].text);
        best = fmin(best, ws_seconds_since(start));
    }
    if (s->count)
        *insns = r.counters.thread_insns;
    return best;
}

static void run_bench(ptx_module *m, ptx_memory *mem, const bench *k, const uint64_t ptr[3])
{
    enum { COUNT = sizeof settings / sizeof *settings };
    double seconds[COUNT];
    uint64_t insns = 0;
    for (int s = 0; s < COUNT; s++)
        seconds[s] = best_engine(m, mem, k, &settings[s], ptr, &insns);
    printf("%-12s %8.1f", k->kernel, (double)insns * 1e-6);
    for (int s = 0; s < COUNT; s++)
        printf(" %12.2f", (double)insns / seconds[s] * 1e-9);
    double native = best_native(k->native);
    printf(" %11.2f %14.1f\n", seconds[3] / seconds[2], seconds[2] / native);
}

/* Milliseconds from PTX text to the end of a launch of one thread: parse, decode, run. */
static double first_launch_ms(const comp_result *ptx)
{
    static ptx_report r;
    double best = INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        ws_err err = {0};
        ptx_module *m = NULL;
        ptx_memory *mem = ptx_memory_new();
        int64_t start = ws_now_ns();
        if (ptx_module_load(ptx->ptx, ptx->ptx_bytes, mem, &m, &err))
            fail(err.msg);
        struct {
            uint64_t p[3];
            int32_t n;
        } none = {{0}, 0};
        ptx_options o = {.threads = 1};
        ptx_launch_args args = {
            .kernel = "sgemm_naive", .grid = {1, 1, 1}, .block = {1, 1, 1}, .params = &none};
        memset(&r, 0, sizeof r);
        ptx_launch(m, mem, &args, &o, &r);
        best = fmin(best, ws_seconds_since(start));
        ptx_module_free(m);
        ptx_memory_free(mem);
    }
    return best * 1e3;
}

static void compile(ws_arena *arena, comp_result *out)
{
    ws_err err = {0};
    comp_service *s = NULL;
    comp_request q = {
        .source = source, .source_bytes = sizeof source - 1, .file = "bench.cu", .fmad = true};
    if (comp_service_open(&(comp_service_options){0}, &s, &err) ||
        comp_compile(s, &q, arena, out, &err))
        fail(err.msg);
    if (!out->ok)
        fail(out->log);
    comp_service_close(s);
}

/* With the name of a kernel, that one alone: for a profiler. */
int main(int argc, char **argv)
{
    enum { FLOATS = ROWS * COLS };
    ws_arena arena = {0};
    comp_result ptx;
    ws_err err = {0};
    ptx_memory *mem = ptx_memory_new();
    ptx_module *m = NULL;
    uint64_t ptr[3];
    compile(&arena, &ptx);
    if (ptx_module_load(ptx.ptx, ptx.ptx_bytes, mem, &m, &err))
        fail(err.msg);
    float **host[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        *host[i] = malloc(FLOATS * sizeof(float));
        for (int k = 0; k < FLOATS; k++)
            (*host[i])[k] = (float)(k % 17) / 16 - 0.5f;
        ptr[i] = ptx_memory_alloc(mem, FLOATS * sizeof(float), "");
        if (!ptx_memory_write(mem, ptr[i], *host[i], FLOATS * sizeof(float)))
            fail("no memory");
    }
    printf("G thread instructions a second, one core; racecheck: time over the column before; "
           "native: time with counters "
           "over a plain loop's\n%-12s %8s",
           "kernel", "M insns");
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++)
        printf(" %12s", settings[s].name);
    printf(" %11s %14s\n", "race x", "x native loop");
    for (size_t k = 0; k < sizeof benches / sizeof *benches; k++)
        if (argc < 2 || strcmp(argv[1], benches[k].kernel) == 0)
            run_bench(m, mem, &benches[k], ptr);
    printf("from PTX text (%zu bytes, 3 kernels) to the end of a first launch: %.2f ms\n",
           ptx.ptx_bytes, first_launch_ms(&ptx));
    ptx_module_free(m);
    ptx_memory_free(mem);
    ws_arena_release(&arena);
    return 0;
}
