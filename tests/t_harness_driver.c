/* The CUDA driver API as the harness uses it: over the CPU driver and, where one is, a GPU. */
#include "base/mem.h"
#include "harness/driver.h"
#include "tests/tap.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

static const char kernels[] = HEAD
    ".visible .global .align 4 .u32 total = 7;\n"
    ".visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)\n"
    "{\n"
    "  .reg .pred %p<2>; .reg .f32 %f<4>; .reg .b32 %r<6>; .reg .b64 %rd<8>;\n"
    "  ld.param.u64 %rd1, [a];\n"
    "  ld.param.u64 %rd2, [b];\n"
    "  ld.param.u64 %rd3, [c];\n"
    "  ld.param.u32 %r1, [n];\n"
    "  mov.u32 %r2, %ctaid.x;\n"
    "  mov.u32 %r3, %ntid.x;\n"
    "  mov.u32 %r4, %tid.x;\n"
    "  mad.lo.s32 %r5, %r2, %r3, %r4;\n"
    "  setp.ge.s32 %p1, %r5, %r1;\n"
    "  @%p1 bra DONE;\n"
    "  mul.wide.s32 %rd4, %r5, 4;\n"
    "  add.s64 %rd5, %rd1, %rd4;\n"
    "  add.s64 %rd6, %rd2, %rd4;\n"
    "  add.s64 %rd7, %rd3, %rd4;\n"
    "  ld.global.f32 %f1, [%rd5];\n"
    "  ld.global.f32 %f2, [%rd6];\n"
    "  add.f32 %f3, %f1, %f2;\n"
    "  st.global.f32 [%rd7], %f3;\n"
    "DONE: ret;\n"
    "}\n"
    ".visible .entry trip()\n"
    "{\n"
    "  trap;\n"
    "  ret;\n"
    "}\n"
    ".visible .entry bounded() .maxntid 64, 1, 1\n"
    "{\n"
    "  ret;\n"
    "}\n";

enum { N = 1000 };

typedef struct params {
    uint64_t a, b, c;
    uint32_t n;
} params;

typedef struct run {
    cu_device *d;
    cu_module *m;
    cu_launch_args args;
} run;

static ws_status body(void *ud, ws_err *err)
{
    run *r = ud;
    return cu_launch(r->d, r->m, &r->args, err);
}

static bool opens(const char *which, cu_device **d, cu_module **m)
{
    ws_err err = {0};
    if (cu_open(which, d, &err) || cu_module_load(*d, kernels, sizeof kernels, m, &err)) {
        printf("# %s\n", err.msg);
        return false;
    }
    return true;
}

static void test_add(cu_device *d, cu_module *m)
{
    float a[N], b[N], c[N];
    uint64_t at[3];
    ws_err err = {0};
    int wrong = 0;
    double ms = -1;
    for (int i = 0; i < N; i++) {
        a[i] = (float)i;
        b[i] = 0.5f * (float)i;
        c[i] = -1;
    }
    bool up =
        !cu_alloc(d, sizeof a, "a", &at[0], &err) && !cu_alloc(d, sizeof b, "b", &at[1], &err) &&
        !cu_alloc(d, sizeof c, "c", &at[2], &err) && !cu_upload(d, at[0], a, sizeof a, &err) &&
        !cu_upload(d, at[1], b, sizeof b, &err) && !cu_fill(d, at[2], 0xff, sizeof c, &err);
    if (!ok(up, "buffers are made and filled"))
        printf("# %s\n", err.msg);
    params p = {at[0], at[1], at[2], N};
    run r = {d, m, {.kernel = "add", .grid = {8, 1, 1}, .block = {128, 1, 1}, .params = &p,
                    .params_bytes = 28}};
    if (!ok(!cu_launch(d, m, &r.args, &err) && !cu_synchronize(d, &err) &&
                !cu_download(d, c, at[2], sizeof c, &err),
            "a kernel of PTX text runs"))
        printf("# %s\n", err.msg);
    for (int i = 0; i < N; i++)
        wrong += !(c[i] == a[i] + b[i]);
    is_int(wrong, 0, "every element is the sum");
    ok(!cu_time_ms(d, body, &r, &ms, &err) && ms >= 0 && ms < 10000, "a launch is timed: %g ms",
       ms);
    for (int i = 0; i < 3; i++)
        cu_free(d, at[i]);
}

/* The launch is refused with `want`, the text has `part`. */
static void refused(cu_device *d, cu_module *m, cu_launch_args a, hx_reason want, const char *part)
{
    ws_err err = {0};
    unsigned char none[64] = {0};
    a.params = none;
    a.params_bytes = 28;
    ok(cu_launch(d, m, &a, &err) != WS_OK, "refused: %s", err.msg);
    is_str(hx_reason_name(cu_last_reason(d)), hx_reason_name(want), "with its reason");
    has_str(err.msg, part, "and its numbers");
}

static void test_refusals(cu_device *d, cu_module *m)
{
    refused(d, m, (cu_launch_args){.kernel = "nothing", .grid = {1, 1, 1}, .block = {1, 1, 1}},
            HX_PLAN_MISMATCH, "nothing");
    refused(d, m, (cu_launch_args){.kernel = "add", .grid = {1, 1, 1}, .block = {1025, 1, 1}},
            HX_INVALID_LAUNCH, "CUDA_ERROR_INVALID_VALUE");
    refused(d, m, (cu_launch_args){.kernel = "add", .grid = {0, 1, 1}, .block = {1, 1, 1}},
            HX_INVALID_LAUNCH, "CUDA_ERROR_INVALID_VALUE");
    refused(d, m, (cu_launch_args){.kernel = "add", .grid = {1, 70000, 1}, .block = {1, 1, 1}},
            HX_INVALID_LAUNCH, "CUDA_ERROR_INVALID_VALUE");
    refused(d, m,
            (cu_launch_args){
                .kernel = "add", .grid = {1, 1, 1}, .block = {1, 1, 1}, .shared_bytes = 300000},
            HX_INVALID_LAUNCH, "CUDA_ERROR_INVALID_VALUE");
    refused(d, m, (cu_launch_args){.kernel = "bounded", .grid = {1, 1, 1}, .block = {65, 1, 1}},
            HX_INVALID_LAUNCH, "CUDA_ERROR");
    if (cu_is_engine(d))
        refused(d, m,
                (cu_launch_args){
                    .kernel = "add", .grid = {4, 1, 1}, .block = {1, 1, 1}, .cluster = {3, 1, 1}},
                HX_INVALID_LAUNCH, "no multiple of the cluster's 3");
}

static void test_bad_ptx(cu_device *d)
{
    static const char bad[] = HEAD ".visible .entry k()\n{\n  not an instruction\n}\n";
    static const char cubin[] = "\x7f" "ELF and so on";
    cu_module *m;
    ws_err err = {0};
    ok(cu_module_load(d, bad, sizeof bad, &m, &err) == WS_EINPUT, "bad PTX is refused");
    is_str(hx_reason_name(cu_last_reason(d)), "ptxas_error", "as an assembler's error");
    err = (ws_err){0};
    if (cu_is_engine(d))
        ok(cu_module_load(d, cubin, sizeof cubin, &m, &err) != WS_OK, "so is a cubin: %s", err.msg);
    err = (ws_err){0};
    ok(cu_module_load(d, "abc", 3, &m, &err) == WS_EINPUT, "and text without its end");
}

static void test_engine(cu_device *d, cu_module *m)
{
    uint8_t written[16];
    unsigned char bytes[16];
    uint64_t p;
    ws_err err = {0};
    ptx_options o = PTX_OPTIONS_CHECKED;
    static ptx_report report;
    int sum = 0;
    cu_engine_configure(d, &o);
    is_str(cu_name(d), "CPU engine", "the engine says what it is");
    is_int(cu_compute_capability(d), 90, "and its capability");
    if (!cu_alloc(d, 16, "p", &p, &err) && !cu_fill(d, p, 0x5a, 16, &err)) {
        cu_engine_mark_uninitialized(d, p, 16);
        cu_engine_written(d, p, 16, written);
        for (int i = 0; i < 16; i++)
            sum += written[i];
        is_int(sum, 0, "poisoned bytes count as never written");
        ok(!cu_download(d, bytes, p, 16, &err) && bytes[7] == 0x5a, "and keep their poison");
    }
    cu_launch_args a = {.kernel = "trip", .grid = {1, 1, 1}, .block = {32, 1, 1}, .params = "",
                        .params_bytes = 0};
    ok(!cu_launch(d, m, &a, &err), "a launch that will fault is accepted");
    ok(cu_synchronize(d, &err) != WS_OK, "the fault shows when waiting: %s", err.msg);
    cu_engine_report(d, &report);
    is_int(report.n_faults > 0 ? (int)report.fault[0].reason : -1, HX_TRAP,
           "the report has its reason");
    err = (ws_err){0};
    ok(cu_alloc(d, 16, "q", &p, &err) != WS_OK, "the context is lost, as on a GPU");
    cu_engine_configure(d, &o);
    err = (ws_err){0};
    ok(!cu_alloc(d, 16, "q", &p, &err), "until the engine is configured again");
}

/* The library as a plain program sees it. */
static void test_library(void)
{
    typedef int (*get_proc)(const char *, void **, int, uint64_t, int *);
    const char *path = getenv("WARPSMITH_CUDA_DRIVER");
    void *lib = dlopen(path ? path : "build/libwarpsmith-cuda.so", RTLD_NOW | RTLD_LOCAL);
    void *sym = lib ? dlsym(lib, "cuGetProcAddress_v2") : NULL, *fn = NULL;
    get_proc get;
    int status = -1;
    if (!ok(sym, "the library has cuGetProcAddress"))
        return;
    memcpy(&get, &sym, sizeof get);
    ok(get("cuMemAlloc", &fn, 13000, 0, &status) == 0 && fn == dlsym(lib, "cuMemAlloc_v2") &&
           status == 0,
       "which gives the preferred version");
    ok(get("cuNoSuchThing", &fn, 13000, 0, &status) == 0 && !fn && status == 1, "or nothing");
    ok(!dlsym(lib, "ptx_module_load"), "and exports nothing of the engine's inside");
}

/* cuda.h's types where a test needs them; its header may be missing when tests are built. */
typedef struct api {
    int (*init)(unsigned), (*retain)(void **, int), (*set)(void *), (*load)(void **, const void *);
    int (*function)(void **, void *, const char *), (*sync)(void);
    int (*global)(uint64_t *, size_t *, void *, const char *);
    int (*alloc)(uint64_t *, size_t), (*to)(uint64_t, const void *, size_t);
    int (*from)(void *, uint64_t, size_t), (*fill)(uint64_t, unsigned, size_t);
    int (*managed)(uint64_t *, size_t, unsigned);
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                  void *, void **, void **);
    int (*occupancy)(int *, void *, int, size_t), (*attribute)(int *, int, int);
    int (*copy)(uint64_t, uint64_t, size_t), (*release)(int);
} api;

static bool find_api(void *lib, api *a)
{
    static const char *const names[] = {
        "cuInit", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuModuleLoadData",
        "cuModuleGetFunction", "cuCtxSynchronize", "cuModuleGetGlobal_v2", "cuMemAlloc_v2",
        "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuMemsetD32_v2", "cuMemAllocManaged",
        "cuLaunchKernel", "cuOccupancyMaxActiveBlocksPerMultiprocessor", "cuDeviceGetAttribute",
        "cuMemcpy", "cuDevicePrimaryCtxRelease_v2"};
    _Static_assert(sizeof(api) == sizeof names, "one name a member");
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        void *p = dlsym(lib, names[i]);
        if (!p)
            return ok(false, "the library has %s", names[i]);
        memcpy((char *)a + i * sizeof p, &p, sizeof p);
    }
    return true;
}

/* A program that was written for libcuda: argument pointers, managed memory, module variables. */
static void test_program(void)
{
    api a;
    void *ctx, *m, *f;
    uint64_t x, y, z, total;
    size_t bytes;
    int blocks = 0, sms = 0, n = N, wrong = 0;
    unsigned value = 0;
    const char *path = getenv("WARPSMITH_CUDA_DRIVER");
    void *lib = dlopen(path ? path : "build/libwarpsmith-cuda.so", RTLD_NOW | RTLD_LOCAL);
    if (!lib || !find_api(lib, &a))
        return;
    is_int(a.alloc(&x, 4), 3, "before cuInit a call fails with CUDA_ERROR_NOT_INITIALIZED");
    ok(!a.init(0), "cuInit");
    is_int(a.alloc(&x, 4), 201, "without a context with CUDA_ERROR_INVALID_CONTEXT");
    ok(!a.retain(&ctx, 0) && !a.set(ctx) && !a.load(&m, kernels) && !a.function(&f, m, "add"),
       "a context, a module and a kernel");
    ok(!a.global(&total, &bytes, m, "total") && bytes == 4 && !a.from(&value, total, 4) &&
           value == 7,
       "a module's variable has its first value");
    ok(!a.alloc(&x, 4 * N) && !a.alloc(&y, 4 * N) && !a.managed(&z, 4 * N, 1) &&
           !a.fill(x, 0x3f800000, N) && !a.copy(y, x, 4 * N), "buffers, a fill and a copy");
    void *args[] = {&x, &y, &z, &n};
    ok(!a.launch(f, (N + 63) / 64, 1, 1, 64, 1, 1, 0, NULL, args, NULL) && !a.sync(),
       "a launch with argument pointers");
    const float *sum = (const float *)(uintptr_t)z;
    for (int i = 0; i < N; i++)
        wrong += !(sum[i] == 2);
    is_int(wrong, 0, "managed memory is read by the host");
    ok(!a.occupancy(&blocks, f, 256, 0) && blocks == 8, "occupancy is that of 2048 threads");
    ok(!a.attribute(&sms, 16, 0) && sms > 0, "attributes are answered");
    is_int(a.to(x, args, 4 * N + 1), 1, "a copy past the end is CUDA_ERROR_INVALID_VALUE");
}

/* CUlaunchConfig and CUlaunchAttribute of cuda.h. */
typedef struct launch_attribute {
    int id;
    char pad[4];
    union {
        unsigned extent[3];
        char room[64];
    } value;
} launch_attribute;
typedef struct launch_config {
    unsigned grid[3], block[3], shared;
    void *stream;
    launch_attribute *attribute;
    unsigned n_attributes;
} launch_config;
enum { CLUSTER_DIMENSION = 4, NON_PORTABLE = 14, INVALID_CLUSTER_SIZE = 912 };

/* Behind test_program, whose context it uses. */
static void test_clusters(void)
{
    static const char ptx[] =
        HEAD ".visible .entry ranks(.param .u64 to)\n{\n"
             ".reg .b32 %r<4>; .reg .b64 %d<3>;\n"
             "ld.param.u64 %d1, [to]; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %cluster_ctarank;\n"
             "mul.wide.u32 %d2, %r1, 4; add.s64 %d1, %d1, %d2;\n"
             "st.global.u32 [%d1], %r2; ret;\n}\n"
             ".visible .entry three() .reqnctapercluster 3 { ret; }\n"
             ".visible .entry must() .explicitcluster { ret; }\n";
    int (*launch_ex)(const launch_config *, void *, void **, void **), (*set)(void *, int, int);
    int (*active)(int *, void *, const launch_config *),
        (*most)(int *, void *, const launch_config *);
    int n = 0, wrong = 0;
    uint64_t to;
    unsigned rank[16];
    void *m, *ranks, *three, *must, *args[] = {&to};
    api a;
    const char *path = getenv("WARPSMITH_CUDA_DRIVER");
    void *lib = dlopen(path ? path : "build/libwarpsmith-cuda.so", RTLD_NOW | RTLD_LOCAL);
    if (!lib || !find_api(lib, &a))
        return;
    *(void **)&launch_ex = dlsym(lib, "cuLaunchKernelEx");
    *(void **)&set = dlsym(lib, "cuFuncSetAttribute");
    *(void **)&active = dlsym(lib, "cuOccupancyMaxActiveClusters");
    *(void **)&most = dlsym(lib, "cuOccupancyMaxPotentialClusterSize");
    if (!ok(launch_ex && set && active && most,
            "the library launches clusters and tells their occupancy"))
        return;
    ok(!a.load(&m, ptx) && !a.function(&ranks, m, "ranks") && !a.function(&three, m, "three") &&
           !a.function(&must, m, "must") && !a.alloc(&to, sizeof rank), "a module for clusters");
    launch_attribute by4 = {.id = CLUSTER_DIMENSION, .value.extent = {4, 1, 1}};
    launch_config c = {.grid = {16, 1, 1}, .block = {1, 1, 1}, .attribute = &by4,
                       .n_attributes = 1};
    ok(!launch_ex(&c, ranks, args, NULL) && !a.sync() && !a.from(rank, to, sizeof rank),
       "clusters of four");
    for (unsigned i = 0; i < 16; i++)
        wrong += rank[i] != i % 4;
    is_int(wrong, 0, "the ranks of 16 blocks");
    by4.value.extent[0] = 16;
    is_int(launch_ex(&c, ranks, args, NULL), INVALID_CLUSTER_SIZE, "16 blocks are not portable");
    ok(!most(&n, ranks, &c) && n == 8, "8 are the most");
    ok(!set(ranks, NON_PORTABLE, 1) && !launch_ex(&c, ranks, args, NULL) && !a.sync(),
       "unless that is allowed");
    ok(!most(&n, ranks, &c) && n == 16, "then 16 are");
    c.block[0] = 1024; /* two blocks an SM: 36 in the two large groups, 32 in six */
    ok(!active(&n, ranks, &c) && n == 2 * 2 + 6 * 2,
       "clusters of 16 are resident in every group of SMs");
    c.shared = 200 << 10;
    is_int(launch_ex(&c, three, NULL, NULL), 1,
           "too much shared memory is CUDA_ERROR_INVALID_VALUE");
    c.shared = 0;
    c.block[0] = 1;
    is_int(launch_ex(&c, three, NULL, NULL), INVALID_CLUSTER_SIZE,
           "a kernel for three is not launched with 16");
    c.n_attributes = 0;
    is_int(launch_ex(&c, three, NULL, NULL), INVALID_CLUSTER_SIZE,
           "nor with 16 blocks, no multiple of three");
    is_int(launch_ex(&c, must, NULL, NULL), INVALID_CLUSTER_SIZE, ".explicitcluster wants extents");
}

/* Launches and what the events around them say, each launch `ms[i]`. */
static bool time_launches(cu_device *d, cu_module *m, uint64_t at, uint64_t seed,
                          const tim_noise *noise, double *ms, int n)
{
    params p = {at, at, at, N};
    run r = {d, m, {.kernel = "add", .grid = {4, 1, 1}, .block = {256, 1, 1}, .params = &p,
                    .params_bytes = sizeof p}};
    ws_err err = {0};
    bool good = ok(!cu_engine_clock(d, "h100", noise, seed, &err), "a modelled clock %s", err.msg);
    for (int i = 0; i < n && good; i++)
        good = !cu_time_ms(d, body, &r, &ms[i], &err);
    return good;
}

static void test_clock(cu_device *d, cu_module *m)
{
    enum { RUNS = 8 };
    const tim_noise rough = {.white = 0.02, .linear_per_s = 1000, .quantum_s = 1e-7};
    double even[RUNS], a[RUNS], b[RUNS], c[RUNS];
    uint64_t at = 0;
    ws_err err = {0};
    bool alike = true, repeats = true, differ = false, steps = true;
    ok(cu_engine_clock_hz(d) == 0, "the clock is the wall's at first");
    if (cu_alloc(d, N * 4, "x", &at, &err) || cu_fill(d, at, 0, N * 4, &err))
        return;
    ok(time_launches(d, m, at, 1, NULL, even, RUNS) && time_launches(d, m, at, 1, &rough, a, RUNS) &&
           time_launches(d, m, at, 1, &rough, b, RUNS) && time_launches(d, m, at, 2, &rough, c, RUNS),
       "launches are timed by the cost model");
    for (int i = 0; i < RUNS; i++) {
        alike &= even[i] > 1e-3 && even[i] < 0.02 && even[i] == even[0];
        repeats &= a[i] == b[i];
        differ |= a[i] != c[i];
        const double ticks = a[i] * 1e-3 / rough.quantum_s;
        steps &= ticks - (double)(int64_t)(ticks + 0.5) < 1e-3;
    }
    ok(alike, "some microseconds, the same each time on a perfect machine: %g ms", even[0]);
    ok(repeats, "noise follows from the seed");
    ok(differ, "another seed, other noise");
    ok(steps, "read in steps of the timer");
    ok(cu_engine_clock_hz(d) < 1.98e9 && cu_engine_clock_hz(d) > 1e9, "the SMs' clock drifts: %g",
       cu_engine_clock_hz(d));
    ok(cu_engine_clock(d, "abacus", NULL, 1, &err), "an unknown GPU is refused");
    has_str(err.msg, "abacus", "by its name");
    err = (ws_err){0};
    ok(!cu_engine_clock(d, NULL, NULL, 0, &err) && cu_engine_clock_hz(d) == 0, "and off again");
    cu_free(d, at);
}

static void test_device(const char *which)
{
    cu_device *d = NULL;
    cu_module *m = NULL;
    if (!ok(opens(which, &d, &m), "%s: driver and module load", which))
        return;
    test_add(d, m);
    test_refusals(d, m);
    test_bad_ptx(d);
    if (cu_is_engine(d)) {
        test_engine(d, m);
        test_clock(d, m);
    }
    cu_module_unload(d, m);
    cu_close(d);
}

/* What is told on standard error when a context with an allocation that is left, and one that is
 * not, ends. */
static void test_leaks(void)
{
    cu_device *d;
    api a;
    ws_err err = {0};
    const char *other = getenv("WARPSMITH_CUDA_DRIVER");
    void *lib = dlopen(other ? other : "build/libwarpsmith-cuda.so", RTLD_NOW | RTLD_LOCAL);
    if (lib && find_api(lib, &a))
        is_int(a.release(0), 0, "the context of the tests before is given back");
    char text[400] = "", path[] = "/tmp/ws-leaks-XXXXXX";
    uint64_t kept = 0, given = 0;
    int file = mkstemp(path), old = dup(2);
    fflush(stderr);
    dup2(file, 2);
    setenv("WARPSMITH_LEAK_CHECK", "full", 1);
    bool up = !cu_open("cpu", &d, &err);
    if (up) {
        up = !cu_alloc(d, 1000, "kept", &kept, &err) && !cu_alloc(d, 500, "given", &given, &err);
        cu_free(d, given);
        cu_close(d);
    }
    unsetenv("WARPSMITH_LEAK_CHECK");
    fflush(stderr);
    dup2(old, 2);
    close(old);
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    close(file);
    unlink(path);
    text[n > 0 ? n : 0] = 0;
    char want[80];
    snprintf(want, sizeof want, "========= Leaked 1000 bytes at 0x%llx\n",
             (unsigned long long)kept);
    if (!ok(up && strcmp(text, want) == 0, "a context tells what was not freed, and only that"))
        printf("# %s# %s\n", text, err.msg);
}

int main(void)
{
    cu_device *d;
    ws_err err = {0};
    test_library();
    test_program();
    test_clusters();
    test_leaks();
    test_device("cpu");
    if (cu_open("gpu", &d, &err)) {
        skip("the same on a GPU", "no CUDA device");
    } else {
        cu_close(d);
        test_device("gpu");
    }
    err = (ws_err){0};
    ok(cu_open("tpu", &d, &err) == WS_EUSAGE, "an unknown device is refused: %s", err.msg);
    return tap_done();
}
