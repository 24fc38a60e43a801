/* The PTX engine over a prime field: every instruction that has a meaning there gives what integers
 * modulo the prime give, and what has none, or looks at bits, is found out. */
#include "base/field.h"
#include "base/file.h"
#include "harness/ptx/field.h"
#include "tests/ptx_run.h"

#include <glob.h>

enum { N = 64, P = 40961 };

static uint32_t element(int i, int salt)
{
    return (uint32_t)(((uint64_t)(i + 1) * 2654435761u + (uint64_t)salt * 40503u) % P);
}

/* ---- one instruction ---- */

typedef enum op { ADD, SUB, MUL, FMA, NEG, DIV, RCP, SAME } op;

static uint32_t expected(op o, uint64_t a, uint64_t b, uint64_t c)
{
    switch (o) {
    case ADD: return (uint32_t)((a + b) % P);
    case SUB: return (uint32_t)((a + P - b) % P);
    case MUL: return (uint32_t)(a * b % P);
    case FMA: return (uint32_t)((a * b + c) % P);
    case NEG: return (uint32_t)((P - a) % P);
    case DIV: return b ? (uint32_t)(a * ws_field_inverse(P, (uint32_t)b) % P) : WS_FIELD_OUTSIDE;
    case RCP: return a ? ws_field_inverse(P, (uint32_t)a) : WS_FIELD_OUTSIDE;
    default: return (uint32_t)a;
    }
}

/* `halves`: elements a lane; width: bytes of one; the register class and the type of loads */
static const struct {
    const char *insn;
    op o;
    int width, halves;
    const char *reg, *ld;
} rows[] = {
    {"add.f32 %d, %a, %b", ADD, 4, 1, ".f32", "f32"},
    {"add.rz.ftz.f32 %d, %a, %b", ADD, 4, 1, ".f32", "f32"},
    {"sub.f32 %d, %a, %b", SUB, 4, 1, ".f32", "f32"},
    {"mul.ftz.f32 %d, %a, %b", MUL, 4, 1, ".f32", "f32"},
    {"fma.rn.f32 %d, %a, %b, %c", FMA, 4, 1, ".f32", "f32"},
    {"mad.rn.f32 %d, %a, %b, %c", FMA, 4, 1, ".b32", "b32"},
    {"neg.f32 %d, %a", NEG, 4, 1, ".f32", "f32"},
    {"div.rn.f32 %d, %a, %b", DIV, 4, 1, ".f32", "f32"},
    {"div.full.ftz.f32 %d, %a, %b", DIV, 4, 1, ".f32", "f32"},
    {"rcp.approx.ftz.f32 %d, %a", RCP, 4, 1, ".f32", "f32"},
    {"cvt.rna.tf32.f32 %d, %a", SAME, 4, 1, ".b32", "b32"},
    {"add.f64 %d, %a, %b", ADD, 8, 1, ".f64", "f64"},
    {"sub.rn.f64 %d, %a, %b", SUB, 8, 1, ".f64", "f64"},
    {"mul.f64 %d, %a, %b", MUL, 8, 1, ".f64", "f64"},
    {"fma.rn.f64 %d, %a, %b, %c", FMA, 8, 1, ".b64", "b64"},
    {"neg.f64 %d, %a", NEG, 8, 1, ".f64", "f64"},
    {"div.rn.f64 %d, %a, %b", DIV, 8, 1, ".f64", "f64"},
    {"rcp.rn.f64 %d, %a", RCP, 8, 1, ".f64", "f64"},
    {"add.f16 %d, %a, %b", ADD, 2, 1, ".b16", "b16"},
    {"sub.rn.bf16 %d, %a, %b", SUB, 2, 1, ".b16", "b16"},
    {"mul.f16 %d, %a, %b", MUL, 2, 1, ".b16", "b16"},
    {"fma.rn.bf16 %d, %a, %b, %c", FMA, 2, 1, ".b16", "b16"},
    {"neg.f16 %d, %a", NEG, 2, 1, ".b16", "b16"},
    {"add.f16x2 %d, %a, %b", ADD, 2, 2, ".b32", "b32"},
    {"sub.f16x2 %d, %a, %b", SUB, 2, 2, ".b32", "b32"},
    {"mul.rn.bf16x2 %d, %a, %b", MUL, 2, 2, ".b32", "b32"},
    {"fma.rn.f16x2 %d, %a, %b, %c", FMA, 2, 2, ".b32", "b32"},
    {"neg.bf16x2 %d, %a", NEG, 2, 2, ".b32", "b32"},
};

static void put(void *to, int i, int width, uint32_t e)
{
    if (width == 8)
        ((uint64_t *)to)[i] = (uint64_t)e << 48;
    else if (width == 4)
        ((uint32_t *)to)[i] = e << 16;
    else
        ((uint16_t *)to)[i] = (uint16_t)e;
}

static uint32_t get(const void *from, int i, int width)
{
    return width == 8   ? (uint32_t)(((const uint64_t *)from)[i] >> 48)
           : width == 4 ? ((const uint32_t *)from)[i] >> 16
                        : ((const uint16_t *)from)[i];
}

/* A guard leaves out every fifth lane, so that both ways through a handler are taken. */
static void write_kernel(char *out, size_t size, int row, bool guarded)
{
    int bytes = rows[row].width * rows[row].halves;
    snprintf(out, size,
             ".version 8.5\n.target sm_90\n.address_size 64\n"
             ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)\n{\n"
             ".reg .b64 %%q<8>;\n.reg .b32 %%r<4>;\n.reg .pred %%p<2>;\n"
             ".reg %s %%a, %%b, %%c, %%d;\n"
             "mov.u32 %%r1, %%tid.x;\nmul.wide.u32 %%q5, %%r1, %d;\n"
             "ld.param.u64 %%q1, [pa];\nld.param.u64 %%q2, [pb];\nld.param.u64 %%q3, [pc];\n"
             "ld.param.u64 %%q4, [pd];\n"
             "add.u64 %%q1, %%q1, %%q5;\nadd.u64 %%q2, %%q2, %%q5;\nadd.u64 %%q3, %%q3, %%q5;\n"
             "add.u64 %%q4, %%q4, %%q5;\n"
             "ld.global.%s %%a, [%%q1];\nld.global.%s %%b, [%%q2];\nld.global.%s %%c, [%%q3];\n"
             "ld.global.%s %%d, [%%q4];\n"
             "rem.u32 %%r2, %%r1, 5;\nsetp.ne.u32 %%p1, %%r2, 0;\n"
             "%s%s;\nst.global.%s [%%q4], %%d;\nret;\n}\n",
             rows[row].reg, bytes, rows[row].ld, rows[row].ld, rows[row].ld, rows[row].ld,
             guarded ? "@%p1 " : "", rows[row].insn, rows[row].ld);
}

static void check_row(int row, bool guarded)
{
    const int width = rows[row].width, halves = rows[row].halves, n = N * halves;
    uint64_t buffer[4][N];
    char text[4096];
    int wrong = 0;
    for (int i = 0; i < n; i++)
        for (int b = 0; b < 4; b++)
            put(buffer[b], i, width, i == 7 && b < 2 ? 0 : element(i, b));
    write_kernel(text, sizeof text, row, guarded);
    const size_t bytes = (size_t)(n * width);
    run_case c = {.block = {N}, .n_buffers = 4, .prime = P,
                  .buffer = {{.host = buffer[0], .bytes = bytes},
                             {.host = buffer[1], .bytes = bytes},
                             {.host = buffer[2], .bytes = bytes},
                             {.host = buffer[3], .bytes = bytes, .out = true, .in_out = true}}};
    bool ran = run_ptx(text, &c);
    for (int i = 0; i < n; i++) {
        uint32_t a = i == 7 ? 0 : element(i, 0), b = i == 7 ? 0 : element(i, 1);
        uint32_t want = guarded && i / halves % 5 == 0 ? element(i, 3)
                                                       : expected(rows[row].o, a, b, element(i, 2));
        wrong += get(buffer[3], i, width) != want;
    }
    if (!ok(ran && !wrong, "%s%s", rows[row].insn, guarded ? ", guarded" : ""))
        printf("# %d wrong, %s\n", wrong, run_fault());
}

/* ---- kernels in CUDA: x, y are f32 elements, d the result, n integers ---- */

typedef uint32_t (*formula)(const uint32_t *x, const uint32_t *y, const int *n, int i);

static uint32_t times(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b % P);
}
static uint32_t over(uint32_t a, uint32_t b)
{
    return times(a, ws_field_inverse(P, b));
}

#define FORMULA(name, expr)                                                                        \
    static uint32_t name(const uint32_t *x, const uint32_t *y, const int *n, int i)                \
    {                                                                                              \
        (void)x, (void)y, (void)n, (void)i;                                                        \
        return (uint32_t)((expr) % P);                                                             \
    }
FORMULA(third, over(x[i], 3))
FORMULA(sum_xy, (uint64_t)x[i] + y[i])
FORMULA(product, times(x[i], y[i]))
FORMULA(linear, (uint64_t)times(x[i], over(3, 2)) + P - over(1, 10))
FORMULA(counted, (uint64_t)times(x[i], ws_field_integer(P, n[i])))
FORMULA(just_x, x[i])
FORMULA(double_x, 2 * (uint64_t)x[i])
static uint32_t sum_of_all(const uint32_t *x, const uint32_t *y, const int *n, int i)
{
    uint64_t sum = 0;
    (void)y, (void)n, (void)i;
    for (int k = 0; k < N; k++)
        sum += x[k];
    return (uint32_t)(sum % P);
}
static uint32_t gathered(const uint32_t *x, const uint32_t *y, const int *n, int i)
{
    (void)y;
    return x[(n[i] % N + N) % N];
}

#define HEAD                                                                                       \
    "#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n"                                             \
    "extern \"C\" __global__ void k(const float *x, const float *y, const int *n, float *d)\n"      \
    "{ int t = threadIdx.x; "

static const struct {
    const char *what, *body;
    formula want;
} good[] = {
    {"a division by 3", "d[t] = x[t] / 3.0f;", third},
    {"a factor of one third", "d[t] = x[t] * 0.333333343f;", third},
    {"one third in f64", "d[t] = (float)((double)x[t] * (1.0 / 3.0));", third},
    {"one third of the integer 3", "int three = n[t] - n[t] + 3; d[t] = x[t] * (1.0f / (float)three);",
     third},
    {"literals", "d[t] = fmaf(x[t], 1.5f, -0.1f);", linear},
    {"integers as numbers", "d[t] = x[t] * (float)n[t];", counted},
    {"halves", "d[t] = __half2float(__hmul(__float2half(x[t]), __float2half(y[t])));", product},
    {"pairs of halves",
     "__half2 h = __hmul2(__floats2half2_rn(x[t], 0.f), __floats2half2_rn(y[t], 1.f)); "
     "d[t] = __low2float(h) + __high2float(h);",
     product},
    {"a literal of halves", "__half2 h = __hmul2(__floats2half2_rn(x[t], x[t]), __float2half2_rn(0.5f)); "
     "d[t] = __low2float(h) + __high2float(h);",
     just_x},
    {"bf16", "d[t] = __bfloat162float(__hadd(__float2bfloat16(x[t]), __float2bfloat16(y[t])));", sum_xy},
    {"a split in bf16",
     "float h = __bfloat162float(__float2bfloat16(x[t])), l = x[t] - h; d[t] = h * y[t] + l * y[t];",
     product},
    {"a compensated sum", "float s = x[t], c = 0; float v = y[t] - c, u = s + v; c = (u - s) - v; d[t] = u - c;",
     sum_xy},
    {"a sum by shuffles",
     "float s = x[t]; __shared__ float p[2]; for (int o = 16; o; o /= 2) s += __shfl_xor_sync(~0u, s, o); "
     "if (t % 32 == 0) p[t / 32] = s; __syncthreads(); d[t] = p[0] + p[1];",
     sum_of_all},
    {"a sum by atomics", "__shared__ float s; if (!t) s = 0; __syncthreads(); atomicAdd(&s, x[t]); "
     "__syncthreads(); d[t] = s;",
     sum_of_all},
    {"a sum by compare-and-swap",
     "__shared__ float s; if (!t) s = 0; __syncthreads(); int *p = (int *)&s, old = *(volatile int *)p, was; "
     "do { was = old; old = atomicCAS(p, was, __float_as_int(__int_as_float(was) + x[t])); } while (old != was); "
     "__syncthreads(); d[t] = s;",
     sum_of_all},
    {"an index from memory", "d[t] = x[(n[t] % 64 + 64) % 64];", gathered},
    {"a copy in 16 bytes",
     "__shared__ float4 s[16]; if (t < 16) s[t] = ((const float4 *)x)[t]; __syncthreads(); "
     "d[t] = ((float *)s)[t];",
     just_x},
    {"a mask by multiplication", "float m = t < 64 ? 1.f : 0.f; d[t] = m * x[t] + (1.f - m) * y[t];", just_x},
    {"halves in a vector",
     "__shared__ __half h[64]; h[t] = __float2half(x[t]); __syncthreads(); uint2 u = ((const uint2 *)h)[t / 4]; "
     "__half2 a = *(__half2 *)&u.x, b = *(__half2 *)&u.y; "
     "d[t] = __half2float(t % 4 == 0 ? a.x : t % 4 == 1 ? a.y : t % 4 == 2 ? b.x : b.y);",
     just_x},
    {"bf16 by masks and shifts",
     "__shared__ __nv_bfloat16 h[64]; h[t] = __float2bfloat16(x[t]); __syncthreads(); "
     "unsigned u = ((unsigned *)h)[t / 2]; d[t] = __uint_as_float(t & 1 ? u & 0xffff0000u : u << 16);",
     just_x},
    {"bytes moved two by two", "d[t] = __uint_as_float(__byte_perm(__float_as_uint(x[t]), 0, 0x3210));", just_x},
    {"f64 through shuffles",
     "double v = x[t]; for (int o = 16; o; o /= 2) v += __shfl_down_sync(~0u, v, o); __shared__ double p[2]; "
     "if (t % 32 == 0) p[t / 32] = v; __syncthreads(); d[t] = (float)(p[0] + p[1]);",
     sum_of_all},
    {"integers and numbers in the same place",
     "__shared__ __align__(16) char m[256]; int *c = (int *)m; float *f = (float *)m; c[t] = t ^ 1; "
     "__syncthreads(); int k = c[t]; __syncthreads(); f[t] = x[t]; __syncthreads(); d[t] = f[k ^ 1];",
     just_x},
    {"zeros stored as integers", "((int *)d)[t] = 0; __syncthreads(); atomicAdd(d + t, x[t]);", just_x},
    {"local arrays of integers and of numbers",
     "volatile int q[4]; float a[4]; for (int i = 0; i < 4; i++) { q[i] = i; a[(i + t) & 3] = x[t]; } "
     "d[t] = a[q[t & 3]];",
     just_x},
    {"a table of constants",
     "static __device__ const float c[4] = {0.333333343f, 0.5f, -1.f, 0.f}; d[t] = x[t] * c[(t * t + t) & 1] + x[t] * c[3];",
     third},
    {"a table of constants, by lanes",
     "static __device__ const double c[8] = {1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3, 1.0 / 3}; "
     "d[t] = (float)(x[t] * c[n[t] & 7]);",
     third},
    {"rounding by a large number", "d[t] = ((x[t] + 12582912.f) - 12582912.f) + x[t];", double_x},
};

static void fill(float *x, float *y, int *n, uint32_t *ex, uint32_t *ey)
{
    for (int i = 0; i < N; i++) {
        ex[i] = element(i, 5);
        ey[i] = element(i, 6);
        put(x, i, 4, ex[i]);
        put(y, i, 4, ey[i]);
        n[i] = i * 37 - 900;
    }
}

static bool run_body(const char *body, float *d, uint32_t *ex, uint32_t *ey, int *n)
{
    float x[N], y[N];
    char source[4096];
    fill(x, y, n, ex, ey);
    snprintf(source, sizeof source, "%s%s }\n", HEAD, body);
    run_case c = {.block = {N}, .n_buffers = 4, .prime = P,
                  .buffer = {{.host = x, .bytes = sizeof x},
                             {.host = y, .bytes = sizeof y},
                             {.host = n, .bytes = N * sizeof *n, .whole = true},
                             {.host = d, .bytes = N * sizeof *d, .out = true}}};
    return run_cuda(source, "sm_90", &c);
}

static void test_kernels(void)
{
    for (size_t k = 0; k < sizeof good / sizeof *good; k++) {
        float d[N];
        uint32_t ex[N], ey[N];
        int n[N], wrong = 0;
        bool ran = run_body(good[k].body, d, ex, ey, n);
        for (int i = 0; ran && i < N; i++)
            wrong += get(d, i, 4) != good[k].want(ex, ey, n, i);
        if (!ok(ran && !wrong, "%s", good[k].what))
            printf("# %d wrong, %s\n", wrong, run_fault());
    }
}

/* What ends a run, and in which words. */
static const struct {
    const char *what, *body, *words;
} bad[] = {
    {"a comparison", "d[t] = x[t] > y[t] ? x[t] : 0.f;", "decides by the size"},
    {"a comparison with 0 in f16", "d[t] = __hlt(__float2half(x[t]), __float2half(0.f)) ? y[t] : x[t];",
     "decides by the size"},
    {"a conversion to an integer", "d[t] = x[(int)y[t] & 63];", "decides by the size"},
    {"bits of a number", "d[t] = __float_as_int(x[t]) & 0xffff ? x[t] : y[t];", "bits of"},
    {"an integer read of numbers", "d[t] = ((const int *)x)[t] & 3 ? x[t] : y[t];", "bits of"},
    {"bits through shared memory",
     "__shared__ float s[64]; s[t] = x[t] * 2.f; __syncthreads(); "
     "d[t] = ((int *)s)[t ^ 1] & 1 ? x[t] : y[t];",
     "bits of"},
    {"bits through a copy in shared memory",
     "__shared__ uint4 s[16]; if (t < 16) s[t] = ((const uint4 *)x)[t]; __syncthreads(); "
     "d[t] = ((unsigned *)s)[t] & 1 ? x[t] : y[t];",
     "bits of"},
    {"bits through a copy in the result",
     "((int *)d)[t] = ((const int *)x)[t]; __syncthreads(); d[t] = ((int *)d)[t ^ 1] & 1 ? x[t] : y[t];",
     "bits of"},
    {"bits through an asynchronous copy",
     "__shared__ __align__(16) unsigned s[64]; unsigned a = (unsigned)__cvta_generic_to_shared(s + 4 * (t & 15)); "
     "asm volatile(\"cp.async.ca.shared.global [%0], [%1], 16; cp.async.wait_all;\" :: \"r\"(a), \"l\"(x + 4 * (t & 15))); "
     "__syncthreads(); d[t] = s[t] & 1 ? x[t] : y[t];",
     "bits of"},
    {"bits through an asynchronous copy over integers",
     "__shared__ __align__(16) unsigned s[64]; s[t] = t; __syncthreads(); "
     "unsigned a = (unsigned)__cvta_generic_to_shared(s + 4 * (t & 15)); "
     "asm volatile(\"cp.async.ca.shared.global [%0], [%1], 16; cp.async.wait_all;\" :: \"r\"(a), \"l\"(x + 4 * (t & 15))); "
     "__syncthreads(); d[t] = s[t] & 1 ? x[t] : y[t];",
     "bits of"},
    {"equality by compare-and-swap",
     "__shared__ float s; if (!t) s = x[0]; __syncthreads(); int v = *(volatile int *)&s; "
     "int old = atomicCAS((int *)&s, v, v); d[t] = old == __float_as_int(y[t]) ? x[t] : y[t];",
     "bits of"},
    {"bits through local memory",
     "float l[64]; for (int i = 0; i < 64; i++) l[(i + t) & 63] = x[i]; "
     "d[t] = ((volatile int *)l)[n[t] & 63] & 1 ? x[t] : y[t];",
     "bits of"},
    {"a number as an address", "d[t] = x[__float_as_int(y[t]) >> 26 & 63];", "bits of"},
    {"an integer as a number", "d[t] = x[t] + __int_as_float(n[t]);", ""},
    {"the size of a number by votes", "d[t] = __any_sync(~0u, x[t] < 0.5f) ? x[t] : y[t];",
     "decides by the size"},
    {"a test for numbers", "d[t] = isnan(x[t]) ? y[t] : x[t];", ""},
};

/* A number among the parameters. */
static void test_parameter(void)
{
    static const char source[] =
        "extern \"C\" __global__ void k(const float *x, float *d, float s) { int t = threadIdx.x; d[t] = x[t] * s; }";
    float x[N], d[N], s = 0.1f;
    run_case c = {
        .block = {N},
        .n_buffers = 2,
        .n_words = 1,
        .prime = P,
        .buffer = {{.host = x, .bytes = sizeof x}, {.host = d, .bytes = sizeof d, .out = true}}};
    int wrong = 0;
    memcpy(&c.word[0], &s, sizeof s);
    for (int i = 0; i < N; i++)
        put(x, i, 4, element(i, 5));
    bool ran = run_cuda(source, "sm_90", &c);
    for (int i = 0; i < N; i++)
        wrong += get(d, i, 4) != over(element(i, 5), 10);
    if (!ok(ran && !wrong, "a number among the parameters"))
        printf("# %d wrong, %s\n", wrong, run_fault());
}

static void test_leaving(void)
{
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        float d[N];
        uint32_t ex[N], ey[N];
        int n[N];
        bool ran = run_body(bad[k].body, d, ex, ey, n);
        if (!ok(!ran && run_report.n_faults && run_report.fault[0].reason == HX_UNSUPPORTED &&
                    strstr(run_fault(), bad[k].words),
                "%s ends the run", bad[k].what))
            printf("# %s\n", run_fault());
    }
}

/* Functions whose values are no elements. */
static void test_outside(void)
{
    static const char *const bodies[] = {
        "d[t] = fmaxf(x[t], y[t]) * 2.f;", "d[t] = sqrtf(x[t]) * sqrtf(x[t]);", "d[t] = fabsf(x[t]);",
        "d[t] = __saturatef(x[t]);", "d[t] = floorf(x[t]);", "d[t] = __sinf(x[t]);",
        "d[t] = x[t] + __int_as_float(0x7f800000);", "d[t] = x[t] / (y[t] - y[t]);",
    };
    for (size_t k = 0; k < sizeof bodies / sizeof *bodies; k++) {
        float d[N];
        uint32_t ex[N], ey[N];
        int n[N], inside = 0;
        bool ran = run_body(bodies[k], d, ex, ey, n);
        for (int i = 0; i < N; i++)
            inside += get(d, i, 4) < P;
        if (!ok(ran && !inside, "outside: %s", bodies[k]))
            printf("# %d inside, %s\n", inside, run_fault());
        if (k == 0)
            has_str(run_report.note, "max.f32", "the note names the instruction");
    }
}

/* ---- products of matrices ---- */

static const struct {
    const char *what, *type, *acc, *shape;
    int width, k, acc_width;
} products[] = {
    {"wmma f16", "half", "float", "16, 16, 16", 2, 16, 4},
    {"wmma f16 in f16", "half", "half", "16, 16, 16", 2, 16, 2},
    {"wmma bf16", "__nv_bfloat16", "float", "16, 16, 16", 2, 16, 4},
    {"wmma tf32", "wmma::precision::tf32", "float", "16, 16, 8", 4, 8, 4},
    {"wmma f64", "double", "double", "8, 8, 4", 8, 4, 8},
};

static void check_product(int row)
{
    static uint64_t a[256], b[256], c[256];
    const int k = products[row].k, side = products[row].width == 8 ? 8 : 16,
              w = products[row].width;
    char source[2048];
    int wrong = 0;
    for (int i = 0; i < side * k; i++) {
        put(a, i, w, element(i, 1));
        put(b, i, w, element(i, 2));
    }
    snprintf(source, sizeof source,
             "#include <mma.h>\n#include <cuda_fp16.h>\n#include <cuda_bf16.h>\nusing namespace nvcuda;\n"
             "extern \"C\" __global__ void k(const %s *a, const %s *b, %s *c) {\n"
             "wmma::fragment<wmma::matrix_a, %s, %s, wmma::row_major> fa; "
             "wmma::fragment<wmma::matrix_b, %s, %s, wmma::row_major> fb; "
             "wmma::fragment<wmma::accumulator, %s, %s> fc; wmma::fill_fragment(fc, 0.5f); "
             "wmma::load_matrix_sync(fa, a, %d); wmma::load_matrix_sync(fb, b, %d); "
             "wmma::mma_sync(fc, fa, fb, fc); wmma::store_matrix_sync(c, fc, %d, wmma::mem_row_major); }\n",
             row == 3 ? "float" : products[row].type, row == 3 ? "float" : products[row].type,
             products[row].acc, products[row].shape, products[row].type, products[row].shape,
             products[row].type, products[row].shape, products[row].acc, k, side, side);
    run_case x = {.n_buffers = 3, .prime = P,
                  .buffer = {{.host = a, .bytes = (size_t)(side * k * w)},
                             {.host = b, .bytes = (size_t)(side * k * w)},
                             {.host = c, .bytes = (size_t)(side * side * products[row].acc_width),
                              .out = true}}};
    bool ran = run_cuda(source, "sm_90", &x);
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            uint64_t sum = (P + 1) / 2;
            for (int q = 0; q < k; q++)
                sum += times(element(i * k + q, 1), element(q * side + j, 2));
            wrong += get(c, i * side + j, products[row].acc_width) != sum % P;
        }
    if (!ok(ran && !wrong, "%s", products[row].what))
        printf("# %d wrong, %s\n", wrong, run_fault());
}

/* Any PTX can be looked at, and its text stays as it is. */
static void test_all_files(void)
{
    glob_t files;
    int n = 0, changed = 0, instructions = 0;
    if (glob("tests/ptx/*.ptx", 0, NULL, &files)) {
        skip("all PTX of the tests", "not in the repository's root");
        return;
    }
    for (size_t k = 0; k < files.gl_pathc; k++) {
        ws_arena a = {0};
        ws_buf text = {0};
        ws_err err = {0};
        ptx_ast *ast;
        if (!ws_read_file(files.gl_pathv[k], 1 << 24, &text, &err) &&
            !ptx_parse(&a, ws_buf_z(&text), text.n, &ast, &err)) {
            const ptx_ast *over = ptx_field_ast(&a, ast, P);
            for (int f = 0; f < ast->n_funcs; f++)
                for (int i = 0; i < ast->func[f]->n_insns; i++, instructions++)
                    changed +=
                        over->func[f]->insn[i].n_operands != ast->func[f]->insn[i].n_operands;
            n++;
        }
        ws_buf_release(&text);
        ws_arena_release(&a);
    }
    globfree(&files);
    ok(n > 20 && !changed, "%d files with %d instructions are looked at", n, instructions);
}

int main(void)
{
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        check_row((int)r, false);
        check_row((int)r, true);
    }
    test_kernels();
    test_parameter();
    test_leaving();
    test_outside();
    test_all_files();
    for (size_t r = 0; r < sizeof products / sizeof *products; r++)
        check_product((int)r);
    comp_service_close(run_service);
    return tap_done();
}
