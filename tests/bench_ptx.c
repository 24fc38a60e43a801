/* `make bench-ptx`: thread instructions a second of the PTX engine on one core, for a few kernels,
 * beside a native single-core loop of the same arithmetic in the same run, so that a busy machine
 * can be told from a slow engine; what racecheck costs and a second thread brings; one product of
 * the tensor cores; from PTX text to a first launch. Best of several runs. WARPSMITH_ENGINE=avx2
 * measures that variant. */
#include "base/buf.h"
#include "harness/compile/compile.h"
#include "harness/ptx/ptx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
static const char more_source[] =
    "extern \"C\" __global__ void transpose(const float *x, float *y, int n)\n"
    "{\n"
    "    __shared__ float tile[32][33];\n"
    "    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8)\n"
    "        tile[threadIdx.y + k][threadIdx.x] = x[(size_t)(row + k) * n + col];\n"
    "    __syncthreads();\n"
    "    col = blockIdx.y * 32 + threadIdx.x, row = blockIdx.x * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8)\n"
    "        y[(size_t)(row + k) * n + col] = tile[threadIdx.x][threadIdx.y + k];\n"
    "}\n"
    "extern \"C\" __global__ void scale4(const float4 *x, float4 *y, int n)\n"
    "{\n"
    "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "    if (i >= n)\n"
    "        return;\n"
    "    float4 v = x[i];\n"
    "    y[i] = make_float4(2 * v.x, 2 * v.y, 2 * v.z, 2 * v.w);\n"
    "}\n"
    "extern \"C\" __global__ void sum(const float *x, float *y, int n)\n"
    "{\n"
    "    __shared__ float part[256];\n"
    "    float s = 0;\n"
    "    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256)\n"
    "        s += x[i];\n"
    "    part[threadIdx.x] = s;\n"
    "    __syncthreads();\n"
    "    for (int d = 128; d; d /= 2) {\n"
    "        if (threadIdx.x < d)\n"
    "            part[threadIdx.x] += part[threadIdx.x + d];\n"
    "        __syncthreads();\n"
    "    }\n"
    "    if (threadIdx.x == 0)\n"
    "        atomicAdd(y, part[0]);\n"
    "}\n"
    "extern \"C\" __global__ void sgemm_shared16(const float *__restrict__ a, const float "
    "*__restrict__ b,\n"
    "                                            float *c, int n)\n"
    "{\n"
    "    __shared__ float as[16][17], bs[16][16];\n"
    "    int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 "
    "+ tx;\n"
    "    float sum = 0;\n"
    "    for (int t = 0; t < n; t += 16) {\n"
    "        as[ty][tx] = a[row * n + t + tx];\n"
    "        bs[ty][tx] = b[(t + ty) * n + col];\n"
    "        __syncthreads();\n"
    "        for (int k = 0; k < 16; k++)\n"
    "            sum += as[ty][k] * bs[k][tx];\n"
    "        __syncthreads();\n"
    "    }\n"
    "    c[row * n + col] = sum;\n"
    "}\n"
    "extern \"C\" __global__ void mma(const unsigned *x, float *y, int turns)\n"
    "{\n"
    "    unsigned a = x[threadIdx.x], b = x[threadIdx.x + 32];\n"
    "    float d0 = 0, d1 = 0, d2 = 0, d3 = 0;\n"
    "    for (int k = 0; k < turns; k++)\n"
    "        asm(\"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4,%5,%5}, "
    "{%4,%5}, \"\n"
    "            \"{%0,%1,%2,%3};\" : \"+f\"(d0), \"+f\"(d1), \"+f\"(d2), \"+f\"(d3) : \"r\"(a), "
    "\"r\"(b));\n"
    "    y[threadIdx.x] = d0 + d1 + d2 + d3;\n"
    "}\n";

/* What counting finds hard: lanes that lie apart, banks that collide, lanes at one address. */
static const char apart_source[] =
    "extern \"C\" __global__ void transpose_naive(const float *x, float *y, int n)\n"
    "{\n"
    "    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8)\n"
    "        y[(size_t)col * n + row + k] = x[(size_t)(row + k) * n + col];\n"
    "}\n"
    "extern \"C\" __global__ void transpose_conflicts(const float *x, float *y, int n)\n"
    "{\n"
    "    __shared__ float tile[32][32];\n"
    "    int col = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8)\n"
    "        tile[threadIdx.y + k][threadIdx.x] = x[(size_t)(row + k) * n + col];\n"
    "    __syncthreads();\n"
    "    col = blockIdx.y * 32 + threadIdx.x, row = blockIdx.x * 32 + threadIdx.y;\n"
    "    for (int k = 0; k < 32; k += 8)\n"
    "        y[(size_t)(row + k) * n + col] = tile[threadIdx.x][threadIdx.y + k];\n"
    "}\n"
    "extern \"C\" __global__ void gather(const float *x, float *y, int n)\n"
    "{\n"
    "    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, at = i * 2654435761u;\n"
    "    float sum = 0;\n"
    "    for (int k = 0; k < 8; k++) {\n"
    "        sum += x[at % (unsigned)n];\n"
    "        at = at * 1664525u + 1013904223u;\n"
    "    }\n"
    "    y[i] = sum;\n"
    "}\n"
    "extern \"C\" __global__ void histogram(const float *x, unsigned *y, int n)\n"
    "{\n"
    "    __shared__ unsigned part[64];\n"
    "    if (threadIdx.x < 64)\n"
    "        part[threadIdx.x] = 0;\n"
    "    __syncthreads();\n"
    "    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256)\n"
    "        atomicAdd(&part[(unsigned)(x[i] * 32 + 32) % 64], 1u);\n"
    "    __syncthreads();\n"
    "    if (threadIdx.x < 64)\n"
    "        atomicAdd(&y[threadIdx.x], part[threadIdx.x]);\n"
    "}\n"
    "extern \"C\" __global__ void scatter_add(const float *x, float *y, int n)\n"
    "{\n"
    "    for (int i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256)\n"
    "        atomicAdd(&y[(unsigned)i * 2654435761u % 4096], x[i]);\n"
    "}\n";

static float *a, *b, *c;

static void fail(const char *what)
{
    fprintf(stderr, "bench-ptx: %s\n", what);
    exit(1);
}

/* Of this thread, or of all. */
static double cpu_seconds(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
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

enum { MMA_TURNS = 20000 };

/* As many multiply-adds as mma.m16n8k16 has, in f32 with each of them rounded: what the arithmetic
 * costs where nobody asks for the tensor cores' own rounding. */
static void native_mma(void)
{
    float x[16][16], y[16][8], d[16][8] = {0};
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (int turn = 0; turn < MMA_TURNS; turn++) {
        for (int i = 0; i < 16; i++)
            for (int k = 0; k < 16; k++)
                for (int j = 0; j < 8; j++)
                    d[i][j] = fmaf(x[i][k], y[k][j], d[i][j]);
        __asm__ volatile("" : : "r"(x), "r"(y), "r"(d) : "memory"); /* each turn is done */
    }
    memcpy(c, d, sizeof d);
}

static double best_native(void (*f)(void))
{
    double best = INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        double start = cpu_seconds(1);
        f();
        best = fmin(best, cpu_seconds(1) - start);
    }
    return best;
}

/* ---- the engine ---- */

typedef struct setting {
    const char *name;
    bool init, race, count, cache;
    int trials;
} setting;
static const setting settings[] = {
    {"memcheck", false, false, false, false, TRIALS}, {"+ initcheck", true, false, false, false, TRIALS},
    {"+ counters", true, false, true, false, TRIALS}, {"+ racecheck", true, true, true, false, TRIALS},
};
static const ptx_cache h100 = {
    .sms = 132, .l1_bytes = 256 << 10, .max_warps = 64, .max_blocks = 32, .l2_bytes = 50 << 20};

typedef struct bench {
    const char *kernel;
    uint32_t grid[3], block[3];
    bool is_gemm; /* (a, b, c, n), else (a, c, n) */
    int32_t n;
    void (*native)(void); /* NULL: nothing to compare with */
} bench;
static const bench benches[] = {
    {"sgemm_naive", {N / 16, N / 16, 1}, {16, 16, 1}, true, N, native_gemm},
    {"sgemm_tiled", {N / 32, N / 32, 1}, {32, 32, 1}, true, N, native_gemm},
    {"softmax", {ROWS, 1, 1}, {256, 1, 1}, false, COLS, native_softmax},
    {"sgemm_shared16", {N / 16, N / 16, 1}, {16, 16, 1}, true, N, native_gemm},
    {"transpose", {1024 / 32, 1024 / 32, 1}, {32, 8, 1}, false, 1024, NULL},
    {"scale4", {ROWS * COLS / 4 / 256, 1, 1}, {256, 1, 1}, false, ROWS * COLS / 4, NULL},
    {"sum", {64, 1, 1}, {256, 1, 1}, false, ROWS * COLS, NULL},
    {"transpose_naive", {1024 / 32, 1024 / 32, 1}, {32, 8, 1}, false, 1024, NULL},
    {"transpose_conflicts", {1024 / 32, 1024 / 32, 1}, {32, 8, 1}, false, 1024, NULL},
    {"gather", {512, 1, 1}, {256, 1, 1}, false, ROWS * COLS, NULL},
    {"histogram", {64, 1, 1}, {256, 1, 1}, false, ROWS * COLS, NULL},
    {"scatter_add", {64, 1, 1}, {256, 1, 1}, false, ROWS * COLS, NULL},
};

/* Seconds of the fastest launch, of all its threads together: they do not count waiting for a core
 * of a busy machine. */
static double best_engine(ptx_module *m, ptx_memory *mem, const bench *k, const setting *s,
                          int threads, const uint64_t ptr[3], uint64_t *insns)
{
    static ptx_report r;
    struct {
        uint64_t p[3];
        int32_t n;
    } gemm = {{ptr[0], ptr[1], ptr[2]}, k->n};
    struct {
        uint64_t p[2];
        int32_t n;
    } two = {{ptr[0], ptr[2]}, k->n};
    ptx_launch_args args = {.kernel = k->kernel,
                            .params = k->is_gemm ? (void *)&gemm : (void *)&two};
    memcpy(args.grid, k->grid, sizeof args.grid);
    memcpy(args.block, k->block, sizeof args.block);
    ptx_options o = {.threads = threads,
                     .check_init = s->init,
                     .check_race = s->race,
                     .count = s->count};
    if (s->cache)
        o.cache = h100;
    double best = INFINITY;
    for (int t = 0; t < s->trials; t++) {
        memset(&r, 0, sizeof r);
        double start = cpu_seconds(threads);
        if (!ptx_launch(m, mem, &args, &o, &r))
            fail(r.fault[0].text);
        best = fmin(best, cpu_seconds(threads) - start);
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
        seconds[s] = best_engine(m, mem, k, &settings[s], 1, ptr, &insns);
    double two = best_engine(m, mem, k, &settings[2], 2, ptr, &insns);
    printf("%-19s %8.1f", k->kernel, (double)insns * 1e-6);
    for (int s = 0; s < COUNT; s++)
        printf(" %12.2f", (double)insns / seconds[s] * 1e-9);
    printf(" %11.2f %11.2f", seconds[3] / seconds[2], 2 * seconds[2] / two);
    if (k->native)
        printf(" %14.1f\n", seconds[2] / best_native(k->native));
    else
        printf(" %14s\n", "-");
}

/* What counting costs: time with counters over time without, and over the time with every check of
 * what is executed. Runs with and without take turns, so that a busy machine meets both. */
static void run_counting(ptx_module *m, ptx_memory *mem, const bench *k, const uint64_t ptr[3])
{
    enum { WAYS = 6, ROUNDS = 4, FEW = 2 };
    static const setting ways[WAYS] = {
        {"", false, false, false, false, FEW}, {"", false, false, true, false, FEW},
        {"", true, false, false, false, FEW}, {"", true, false, true, false, FEW},
        {"", true, true, false, false, FEW}, {"", true, true, true, false, FEW},
    };
    static const setting cached = {"", false, false, true, true, FEW};
    double seconds[WAYS], caches = INFINITY;
    uint64_t insns = 0;
    for (int n = 0; n < WAYS; n++)
        seconds[n] = INFINITY;
    for (int r = 0; r < ROUNDS; r++) {
        for (int n = 0; n < WAYS; n++)
            seconds[n] = fmin(seconds[n], best_engine(m, mem, k, &ways[n], 1, ptr, &insns));
        caches = fmin(caches, best_engine(m, mem, k, &cached, 1, ptr, &insns));
    }
    printf("%-20s %8.2f", k->kernel, (double)insns / seconds[0] * 1e-9);
    for (int n = 0; n < WAYS; n += 2)
        printf(" %11.0f %%", 100 * (seconds[n + 1] / seconds[n] - 1));
    printf(" %11.0f %%\n", 100 * (caches / seconds[0] - 1));
}

/* Nanoseconds of one mma.sync.m16n8k16, f16 to f32, in the bit-accurate model of the newest
 * GPUs. */
static double mma_ns(ptx_module *m, ptx_memory *mem, const uint64_t ptr[3])
{
    enum { TURNS = MMA_TURNS };
    static const setting plain = {"", false, false, false, false, TRIALS};
    const bench few = {"mma", {1, 1, 1}, {32, 1, 1}, false, TURNS, NULL},
                none = {"mma", {1, 1, 1}, {32, 1, 1}, false, 0, NULL};
    double all = best_engine(m, mem, &few, &plain, 1, ptr, NULL),
           rest = best_engine(m, mem, &none, &plain, 1, ptr, NULL);
    return (all - rest) / TURNS * 1e9;
}

/* A kernel of about n instructions in straight line, which one thread leaves at the start. */
static void long_kernel(ws_buf *text, int n)
{
    ws_buf_printf(
        text,
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u32 n)\n{\n"
        ".reg .pred %%p<2>;\n.reg .b32 %%r<%d>;\n.reg .f32 %%f<%d>;\n"
        "ld.param.u32 %%r0, [n];\nsetp.eq.u32 %%p1, %%r0, 0;\n@%%p1 bra end;\n"
        "mov.u32 %%r1, %%tid.x;\ncvt.rn.f32.u32 %%f1, %%r1;\n",
        n, n);
    for (int k = 1; k < n / 3; k++)
        ws_buf_printf(text, "mad.lo.s32 %%r%d, %%r%d, 3, %%r0;\nadd.f32 %%f%d, %%f%d, 0f3F800000;\n"
                          "xor.b32 %%r%d, %%r%d, 5;\n",
                    2 * k, 2 * k - 1, k + 1, k, 2 * k + 1, 2 * k);
    ws_buf_printf(text, "end:\nret;\n}\n");
}

/* Milliseconds from PTX text to the end of a launch of one thread: parse, decode, run. */
static double first_launch_ms(const char *text, size_t n)
{
    static ptx_report r;
    double best = INFINITY;
    for (int t = 0; t < TRIALS; t++) {
        ws_err err = {0};
        ptx_module *m = NULL;
        ptx_memory *mem = ptx_memory_new();
        double start = cpu_seconds(1);
        if (ptx_module_load(text, n, mem, &m, &err))
            fail(err.msg);
        int32_t none = 0;
        ptx_options o = {.threads = 1};
        ptx_launch_args args = {.kernel = "k", .grid = {1, 1, 1}, .block = {1, 1, 1},
                                .params = &none};
        memset(&r, 0, sizeof r);
        if (!ptx_launch(m, mem, &args, &o, &r))
            fail(r.fault[0].text);
        best = fmin(best, cpu_seconds(1) - start);
        ptx_module_free(m);
        ptx_memory_free(mem);
    }
    return best * 1e3;
}

static void run_first_launch(int insns)
{
    ws_buf text = {.max = 16 << 20};
    long_kernel(&text, insns);
    printf("from PTX text of %d instructions (%zu bytes) to the end of a first launch: %.2f ms\n",
           insns, text.n, first_launch_ms((const char *)text.p, text.n));
    ws_buf_release(&text);
}

static void compile(ws_arena *arena, comp_result *out)
{
    ws_err err = {0};
    comp_service *s = NULL;
    ws_buf all = {.max = 1 << 20};
    ws_buf_printf(&all, "%s%s%s", source, more_source, apart_source);
    comp_request q = {
        .source = (const char *)all.p, .source_bytes = all.n, .file = "bench.cu", .fmad = true};
    if (comp_service_open(&(comp_service_options){0}, &s, &err) ||
        comp_compile(s, &q, arena, out, &err))
        fail(err.msg);
    if (!out->ok)
        fail(out->log);
    comp_service_close(s);
    ws_buf_release(&all);
}

/* With the name of a kernel, that one alone: for a profiler. With "count", and perhaps a name, what
 * counting costs. */
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
    if (argc > 1 && strcmp(argv[1], "count") == 0) {
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("G thread instructions a second of memcheck, and how much longer it takes with counters: of "
               "memcheck,\nwith initcheck, with racecheck, too; of memcheck with the caches of an H100\n"
               "%-20s %8s %13s %13s %13s %13s\n", "kernel", "plain", "memcheck", "+ initcheck",
               "+ racecheck", "caches");
        for (size_t k = 0; k < sizeof benches / sizeof *benches; k++)
            if (argc < 3 || strcmp(argv[2], benches[k].kernel) == 0)
                run_counting(m, mem, &benches[k], ptr);
        return 0;
    }
    printf("G thread instructions a second, one thread; race x: time over the column before; 2 "
           "threads x: "
           "how much faster two are, with a core for each; native: time with counters over a plain "
           "loop's\n%-19s %8s",
           "kernel", "M insns");
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++)
        printf(" %12s", settings[s].name);
    printf(" %11s %11s %14s\n", "race x", "2 threads x", "x native loop");
    for (size_t k = 0; k < sizeof benches / sizeof *benches; k++)
        if (argc < 2 || strcmp(argv[1], benches[k].kernel) == 0)
            run_bench(m, mem, &benches[k], ptr);
    double mma = mma_ns(m, mem, ptr), plain = best_native(native_mma) / MMA_TURNS * 1e9;
    printf("mma.sync.m16n8k16, f16 to f32: %.0f ns; a plain loop of its 2048 f32 multiply-adds: %.0f "
           "ns, %.1f x\n",
           mma, plain, mma / plain);
    run_first_launch(300);
    run_first_launch(30000);
    ptx_module_free(m);
    ptx_memory_free(mem);
    ws_arena_release(&arena);
    return 0;
}
