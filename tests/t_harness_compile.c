/* The compile stage: text checks, NVRTC with the prelude, diagnoses, resources, cache,
 * isolation. */
#include "base/clock.h"
#include "base/file.h"
#include "harness/compile/internal.h"
#include "harness/ptx/ptx.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define K(body)                                                                                    \
    "extern \"C\" __global__ void k(float *o, int n)\n"                                            \
    "{\n"                                                                                          \
    "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n"                                         \
    "    if (i >= n) return;\n"                                                                    \
    "    " body "\n"                                                                               \
    "}\n"

static char scratch_dir[64] = "/tmp/t_compile_XXXXXX";

/* ---- the text ---- */

static void refused(const char *source, hx_reason reason, int line, const char *part,
                    const char *what)
{
    hx_diag d;
    bool good = comp_check_source(source, strlen(source), &d);
    if (!ok(!good && d.reason == reason && d.line == line && strstr(d.text, part), "%s", what))
        printf("# got %s, line %d: %s\n", hx_reason_name(d.reason), d.line, d.text);
}

static void accepted(const char *source, const char *what)
{
    hx_diag d;
    if (!ok(comp_check_source(source, strlen(source), &d), "%s", what))
        printf("# %s, line %d: %s\n", hx_reason_name(d.reason), d.line, d.text);
}

static void test_includes(void)
{
    const hx_reason no = HX_FORBIDDEN_INCLUDE;
    refused("\n\n#include \"/etc/passwd\"\n", no, 3, "/etc/passwd", "an absolute path");
    refused("#include \"../secret.h\"\n", no, 1, "..", "a parent directory");
    refused("#include <cuda/../../x>\n", no, 1, "..", "a parent directory further in");
    refused("#define H \"/etc/passwd\"\n#include H\n", no, 2, "macro", "a header named by a macro");
    refused("#inc\\\nlude \"/etc/passwd\"\n", no, 1, "/etc/passwd",
            "a directive split in two lines");
    refused("/* a */ # /* b\n */ include /**/ \"/etc/passwd\"\n", no, 1, "passwd",
            "comments inside");
    refused("%:include \"/etc/passwd\"\n", no, 1, "passwd", "a digraph");
    refused("#if 0\n#include \"/etc/passwd\"\n#endif\n", no, 2, "passwd",
            "a group that is not compiled");
    refused("#if __has_include(\"/etc/shadow\")\n#endif\n", no, 1, "shadow", "asking for a file");
    refused("#include <torch/extension.h>\n", no, 1, "PyTorch", "torch headers, with the reason");
    refused("#include <cublas_v2.h>\n", no, 1, "library", "cuBLAS");
    refused("#include \"my_kernel.cuh\"\n", no, 1, "my_kernel.cuh", "an unknown header");
    refused("#include_next <math.h>\n", no, 1, "include_next", "include_next");
    refused("#embed \"/etc/passwd\"\n", no, 1, "embed", "embed");
    accepted("#include <cuda_runtime.h>\n#include <stdio.h>\n#include <cmath>\n#include "
             "\"cuda_fp16.h\"\n"
             "#include <cooperative_groups/reduce.h>\n#include <cub/cub.cuh>\n#  include <mma.h>\n",
             "the usual headers");
    accepted("// #include \"/etc/passwd\"\nconst char *s = \"\\n#include </etc/passwd>\";\n"
             "/*\n#include \"/x\"\n*/\n",
             "comments and strings are no directives");
    accepted("const char *s = R\"x(\n#include \"/etc/passwd\"\n)x\";\n", "neither are raw strings");
    accepted("#ifdef __has_include\n#if __has_include(<cuda_fp16.h>)\n#endif\n#endif\n",
             "allowed questions");
}

static void test_constructs(void)
{
    const hx_reason no = HX_FORBIDDEN_CONSTRUCT;
    refused("__global__ void k();\nint main() { return 0; }\n", no, 2, "main", "main");
    refused("void f() {\n  k<<<1, 2>>>();\n}\n", no, 2, "<<<", "a launch");
    refused("void f(float *p) {\n\n cudaMalloc(&p, 4); }\n", no, 3, "cudaMalloc", "a runtime call");
    refused("torch::Tensor f(torch::Tensor x);\n", no, 1, "torch", "torch types");
    refused("PYBIND11_MODULE(x, m) {}\n", no, 1, "PYBIND11", "a Python binding");
    refused("#line 7 \"x\"\n", no, 1, "#line", "#line");
    refused("# 7 \"x\"\n", no, 1, "#line", "#line in its short form");
    accepted(K("o[i] = 1 << 2; int domain = 1'000; char c = '\"'; // <<<"),
             "shifts, separators, quotes");
    accepted("#define CHECK(x) do { if (cudaGetLastError()) ; } while (0)\n",
             "macros that nobody uses");
    accepted("#ifdef HOST\nint main() { k<<<1,1>>>(); }\n#endif\n",
             "host code that is switched off");
    accepted("__device__ int domain(int x); __device__ void f(cudaStream_t s);\n",
             "names that look alike");
    refused("\xff\xfe#", no, 1, "UTF-16", "UTF-16");
    hx_diag d;
    ok(!comp_check_source("a\nb\0c", 5, &d) && d.line == 2, "a zero byte");
}

/* ---- the compiler ---- */

static comp_service *service;

static comp_request request(const char *source)
{
    return (comp_request){.source = source, .source_bytes = strlen(source), .file = "kernel.cu",
                          .arch = "sm_90", .fmad = true};
}

static comp_result build(comp_request r, ws_arena *a)
{
    comp_result out = {0};
    ws_err err = {0};
    if (comp_compile(service, &r, a, &out, &err))
        printf("# error: %s\n", err.msg);
    else if (!out.ok)
        printf("# %s, line %d:%d: %s\n", hx_reason_name(out.diag.reason), out.diag.line,
               out.diag.column, out.diag.text);
    return out;
}

static void compiles(const char *source, const char *what)
{
    ws_arena a = {0};
    comp_result c = build(request(source), &a);
    ok(c.ok, "compiles: %s", what);
    ws_arena_release(&a);
}

static void test_result(void)
{
    ws_arena a = {0};
    comp_request r =
        request("__shared__ float s[256];\n" K("s[threadIdx.x] = o[i]; __syncthreads();\n"
                                               "o[i] = s[threadIdx.x ^ 1] * 2 + N;"));
    comp_macro macro[] = {{"N", 42}, {"UNUSED", 1}};
    r.macro = macro;
    r.n_macros = 2;
    r.want_cubin = true;
    comp_result c = build(r, &a);
    ok(c.ok && !c.cached, "a kernel compiles");
    is_int(c.n_kernels, 1, "it has one kernel");
    if (c.ok && c.n_kernels == 1) {
        is_str(c.kernel[0].name, "k", "its name");
        is_int(c.kernel[0].n_params, 2, "its parameters");
        ok(c.kernel[0].registers > 4, "registers from ptxas: %d", c.kernel[0].registers);
        is_int(c.kernel[0].shared_bytes, 1024, "shared memory");
        is_int(c.kernel[0].barriers, 1, "barriers");
        is_int(c.kernel[0].spill_store_bytes, 0, "no spills");
    }
    ok(c.cubin_bytes > 500 && memcmp(c.cubin, "\177ELF", 4) == 0, "a cubin of %zu bytes",
       c.cubin_bytes);
    ok(c.ptx && !strstr(c.ptx, ".loc") && strlen(c.ptx) == c.ptx_bytes,
       "PTX without line information");
    printf("# compiled in %.1f ms\n", c.seconds * 1e3);
    comp_result again = build(r, &a);
    ok(again.ok && again.cached && strcmp(again.key, c.key) == 0 &&
           again.cubin_bytes == c.cubin_bytes && memcmp(again.cubin, c.cubin, c.cubin_bytes) == 0,
       "the second time it comes from the cache");
    printf("# cached in %.3f ms\n", again.seconds * 1e3);
    macro[1].value = 2;
    again = build(r, &a);
    ok(again.cached, "a macro that the source does not name makes no difference");
    r.want_cubin = false;
    r.line_info = true;
    again = build(r, &a);
    ok(again.ok && again.cached && strstr(again.ptx, ".loc") && strstr(again.ptx, "kernel.cu"),
       "PTX with line information from the same compile");
    is_str(again.ptx_sha256, c.ptx_sha256, "and the same identity");
    ok(again.ok && again.kernel[0].registers == -1, "without a cubin no registers");
    macro[0].value = 43;
    again = build(r, &a);
    ok(again.ok && !again.cached && strcmp(again.ptx_sha256, c.ptx_sha256) != 0,
       "another macro compiles anew");
    ws_arena_release(&a);
}

static void test_lines(void)
{
    ws_arena a = {0};
    comp_result c = build(request("#include <cuda_fp16.h>\n" K("o[i] = missing + 1;")), &a);
    is_int(c.diag.reason, HX_COMPILE_ERROR, "a compile error");
    is_int(c.diag.line, 6, "its line in the candidate");
    is_int(c.diag.column, 12, "its column");
    has_str(c.diag.text, "\"missing\" is undefined", "its text");
    ok(c.n_messages == 1 && c.message[0].is_error && c.message[0].line == 6, "as a message");
    ok(!strstr(c.log, "/usr/"), "the log has no paths");
    c = build(
        request("template <class T> __device__ T f(T x) { return x.y; }\n" K("o[i] = f(o[i]);")),
        &a);
    is_int(c.diag.line, 1, "an error inside a template is at the template");
    c = build(request("#include <cuda_fp16.h>\n" K("__half h; o[i] = __half2float(h, h);")), &a);
    is_int(c.diag.line, 6, "a wrong call of a header's function");
    c = build(request(K("auto f = [=] __device__ (float x) { return x; }; o[i] = f(1);")), &a);
    has_str(c.diag.text, "leave __device__ off", "advice");
    c = build(request("#include <cuda/nothing>\n" K("o[i] = 1;")), &a);
    ok(c.diag.reason == HX_FORBIDDEN_INCLUDE && c.diag.line == 1, "a header that does not exist");
    comp_request r = request(
        "__global__ void other();\n" K("o[i] = 1;") "extern \"C\" __global__ void big(float *o)\n"
                                                    "{ __shared__ float s[20000]; s[threadIdx.x] = "
                                                    "o[0]; __syncthreads(); o[1] = s[5]; }\n");
    r.want_cubin = true;
    c = build(r, &a);
    is_int(c.diag.reason, HX_PTXAS_ERROR, "too much shared memory is ptxas' error");
    is_int(c.diag.line, 8, "at the kernel's line");
    has_str(c.diag.text, "shared", "in ptxas' words");
    r = request(K("o[i] = 1;\n    asm volatile(\"bogus.u32 %r1;\");"));
    r.want_cubin = true;
    c = build(r, &a);
    ok(c.diag.reason == HX_PTXAS_ERROR && c.diag.line == 6,
       "a bad instruction in asm, at its line");
    c = build(request("int x = 1; \x01 \xff\xfe\x80 $ @"), &a);
    ok(c.diag.reason == HX_COMPILE_ERROR && !strpbrk(c.log, "\xff\xfe\x01"), "the log is text");
    r.arch = "sm_9000";
    ws_err err = {0};
    ok(comp_compile(service, &r, &a, &c, &err) == WS_EUSAGE, "a malformed architecture: %s",
       err.msg);
    r.arch = "sm_20";
    err = (ws_err){0};
    ok(comp_compile(service, &r, &a, &c, &err) == WS_EUSAGE, "an unknown architecture: %s",
       err.msg);
    ws_arena_release(&a);
}

static void test_prelude(void)
{
    compiles("#include <cuda_runtime.h>\n#include <stdio.h>\n#include <cstdint>\n#include <cmath>\n"
             "#include <algorithm>\n#include <limits>\n#include <float.h>\n#include <math.h>\n" K(
                 "uint32_t u = i; int64_t l = u; o[i] = std::max(std::sqrt(o[i]), "
                 "std::numeric_limits<float>::"
                 "lowest()) + FLT_MAX + INT_MAX + M_PI + l + std::min(1, 2);"),
             "standard headers");
    compiles("constexpr float LOW = -INFINITY;\n__constant__ float c = NAN;\n" K(
                 "o[i] = fmaxf(LOW, c) + (isnan(o[i]) ? __builtin_inff() : 0.f);"),
             "INFINITY as a constant");
    compiles("#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n" K(
                 "half2 h = __float2half2_rn(o[i]); h = __hfma2(h, h, h); __nv_bfloat16 b = "
                 "__float2bfloat16(o[i]);"
                 "o[i] = __low2float(h) + __bfloat162float(b);"),
             "half and bfloat16");
    compiles(
        "#include <mma.h>\nusing namespace nvcuda;\n" K(
            "wmma::fragment<wmma::accumulator, 16, 16, 16, float> f; wmma::fill_fragment(f, 0.f);"
            "wmma::store_matrix_sync(o, f, 16, wmma::mem_row_major);"),
        "mma.h");
    compiles("inline float sq(float x) { return x * x; }\nconstexpr int cdiv(int a, int b) { "
             "return (a + b - 1) / b; }\n"
             "template <int N> __device__ __forceinline__ float f(float x)\n{\n#pragma unroll\nfor "
             "(int i = 0; i < N; i++)"
             " x = sq(x);\nreturn x; }\n__host__ __device__ float g(float x) { return x; }\n" K(
                 "auto h = [&](float x) { return x + n; }; o[i] = h(g(f<3>(o[i]))) + cdiv(n, 3);"),
             "helpers, templates, lambdas");
    compiles("#include <type_traits>\n#include <utility>\n#include <array>\ntemplate <class T> "
             "struct V { T x, y; };\n" K(
                 "std::array<float, 4> a; a.fill(1.f); for (float x : a) o[i] += x; using T = "
                 "std::conditional_t<std::is_same_v<"
                 "int, float>, int, float>; T t = std::clamp(o[i], 0.f, 1.f); std::swap(o[i], t);"
                 "static_assert(std::is_floating_point<T>::value);"),
             "type traits, array");
    compiles(K("float4 v = reinterpret_cast<const float4 *>(o)[i]; v.x += __shfl_xor_sync(~0u, "
               "v.y, 1); o[i] = v.x;"
               "assert(i < n); printf(\"%d\\n\", i); atomicAdd(o, 1.f); unsigned r;"
               "asm volatile(\"mov.u32 %0, %%laneid;\" : \"=r\"(r)); o[i] += r;"),
             "vectors, shuffles, printf, asm");
    compiles(
        "#include <cooperative_groups.h>\n#include <cooperative_groups/reduce.h>\nnamespace cg = "
        "cooperative_groups;\n" K("auto w = cg::tiled_partition<32>(cg::this_thread_block()); o[i] "
                                  "= cg::reduce(w, o[i], cg::plus<float>());"),
        "cooperative groups");
    compiles("#include <math_constants.h>\n#include <cuda.h>\nextern \"C\" __global__ void t(const "
             "__grid_constant__ CUtensorMap m,"
             " float *o) { o[0] = CUDART_INF_F; }\n",
             "math_constants.h, tensor maps");
}

/* ---- isolation ---- */

static void test_files(void)
{
    ws_err err = {0};
    comp_reply reply = {0};
    int abi = 0;
    ok(!comp_worker_ready(service, &err), "the worker runs");
    abi = service->landlock_abi;
    if (!abi) {
        skip("Landlock", "this kernel has none");
        return;
    }
    static const char *const path[] = {"/etc/passwd", "/proc/self/environ", "/proc/self/cmdline"};
    for (size_t i = 0; i < WS_COUNT(path); i++) {
        char source[256];
        snprintf(source, sizeof source, "#include \"%s\"\n", path[i]);
        comp_job j = {.compile = true, .arch = "sm_90", .file = "kernel.cu", .wall_seconds = 30,
                      .memory_bytes = UINT64_C(4) << 30, .source = ws_str_of(source)};
        comp_pending *p = comp_submit(service, &j, "", "");
        ok(p && !comp_await(service, p, &reply, &err) && reply.front.outcome == COMP_REJECTED &&
               memmem(reply.front.log.p, reply.front.log.n, "open source file", 16),
           "past the text check, %s is still closed", path[i]);
        printf("# %.*s\n", (int)strcspn(reply.front.log.p, "\n"), reply.front.log.p);
        comp_pending_remove(service, p);
    }
}

/* Several at once, taken in another order than they were started; and a worker that dies among
 * them. */
static void test_prefetch(void)
{
    enum { N = 8 };
    ws_arena a = {0};
    comp_request r[N];
    int good = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            r[i] = request(ws_arena_printf(&a, K("o[i] = %d;"), 100 * round + i));
            r[i].want_cubin = i == 0;
            comp_prefetch(service, &r[i]);
        }
        if (round == 1)
            kill(service->worker.pid, SIGKILL);
        int64_t start = ws_now_ns();
        good = 0;
        for (int i = N - 1; i >= 0; i--) {
            comp_result c = build(r[i], &a);
            good += c.ok && (c.cubin_bytes > 0) == (i == 0);
        }
        is_int(good, N,
               round ? "a worker that dies is replaced and loses nothing"
                     : "eight started at once");
        printf("# %d compiles in %.1f ms\n", N, ws_seconds_since(start) * 1e3);
    }
    is_int(service->n_pending, 0, "all are taken");
    ws_arena_release(&a);
}

/* A source that takes longer than any deadline. */
static const char *endless(ws_arena *a, const char *variable)
{
    ws_buf b = {0};
    ws_buf_printf(&b, "#define A0 o[i] += %s;\n", variable);
    for (int i = 0; i < 27; i++)
        ws_buf_printf(&b, "#define A%d A%d A%d\n", i + 1, i, i);
    ws_buf_adds(&b, K("A27"));
    const char *text = ws_arena_strdup(a, ws_buf_z(&b));
    ws_buf_release(&b);
    return text;
}

static void test_limits(void)
{
    enum { N = 6 };
    ws_arena a = {0};
    ws_err err = {0};
    comp_service *small = NULL;
    comp_request r[N];
    int good = 0;
    ok(!comp_service_open(&(comp_service_options){.cache_dir = "", .wall_seconds = 2}, &small,
                          &err), "a short deadline");
    comp_service *keep = service;
    service = small;
    for (int i = 0; i < N; i++) {
        r[i] = request(i == 1 ? endless(&a, "1") : ws_arena_printf(&a, K("o[i] = %d;"), i));
        comp_prefetch(service, &r[i]);
    }
    comp_result c = build(r[1], &a);
    is_int(c.diag.reason, HX_COMPILE_LIMIT, "an endless compile ends");
    ok(c.seconds < 6, "in time: %.1f s", c.seconds);
    for (int i = 0; i < N; i++)
        good += i != 1 && build(r[i], &a).ok;
    is_int(good, N - 1, "and takes none of the others with it");
    for (int i = 0; i < 4; i++) {
        r[i] = request(endless(&a, i & 1 ? "2" : "3"));
        comp_prefetch(service, &r[i]);
    }
    comp_cancel(service);
    c = build(request(K("o[i] = 222;")), &a);
    ok(c.ok && c.seconds < 1.5, "what is not wanted any more is ended: %.2f s", c.seconds);
    is_int(service->n_pending, 0, "and forgotten");
    comp_service_close(small);
    service = keep;
    ws_arena_release(&a);
}

static comp_result build_n(int value, ws_arena *a)
{
    comp_macro macro = {"N", value};
    comp_request r = request(K("for (int k = 0; k < N; k++) o[i] += sinf(o[i] + k);"));
    r.macro = &macro;
    r.n_macros = 1;
    r.want_cubin = value & 1;
    return build(r, a);
}

/* Jobs about one source share a process: what they make is what a process of its own makes. */
static void test_kept_child(void)
{
    ws_arena a = {0};
    ws_err err = {0};
    comp_service *keep = service;
    comp_result shared[6], alone;
    int same = 0;
    ok(!comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err),
       "a service without a cache");
    for (int n = 0; n < 6; n++)
        shared[n] = build_n(40 + n, &a);
    comp_service_close(service);
    for (int n = 0; n < 6; n++) {
        ok(!comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err),
           "a new one");
        alone = build_n(40 + n, &a);
        same += alone.ok && shared[n].ok && alone.ptx_bytes == shared[n].ptx_bytes &&
                strcmp(alone.ptx, shared[n].ptx) == 0 &&
                alone.cubin_bytes == shared[n].cubin_bytes &&
                memcmp(alone.cubin ? alone.cubin : "", shared[n].cubin ? shared[n].cubin : "",
                       alone.cubin_bytes) == 0;
        comp_service_close(service);
    }
    is_int(same, 6, "a child that has done other jobs makes the same PTX and cubin as a new one");
    service = keep;
    ws_arena_release(&a);
}

/* Sources that stand beside others, some of which do not compile: each gets what it gets alone,
 * under a key of its own. */
static void test_beside_others(void)
{
    static const char *const body[] = {
        "o[i] = o[i] * 2 + 1;", "o[i] = undeclared;", "o[i] = sqrtf(o[i]);",
        "o[i] = __shfl_xor_sync(~0u, o[i], 1);", "#error stop\n o[i] = 0;", "o[i] += n;"};
    enum { N = WS_COUNT(body) };
    ws_arena a = {0};
    ws_err err = {0};
    comp_service *keep = service;
    int same = 0, keys = 0;
    ok(!comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err),
       "a service without a cache");
    for (int i = 0; i < 3 * N; i++) {
        char source[1024];
        snprintf(source, sizeof source, K("%s") "// %d\n", body[i % N], i);
        comp_request r = request(source);
        comp_result alone = build(r, &a);
        r.beside_others = true;
        comp_prefetch(service, &r);
        const comp_result beside = build(r, &a);
        same += alone.ok == beside.ok && alone.diag.reason == beside.diag.reason &&
                alone.diag.line == beside.diag.line && !strcmp(alone.diag.text, beside.diag.text) &&
                !strcmp(alone.ptx, beside.ptx);
        keys += strcmp(alone.key, beside.key) != 0 && !beside.cached;
    }
    is_int(same, 3 * N, "what is compiled beside others is what it is alone");
    is_int(keys, 3 * N, "and does not stand for it");
    comp_service_close(service);
    service = keep;
    ws_arena_release(&a);
}

/* The sandbox itself, in a child: bit i is set when attempt i succeeds. */
static int attempts(void)
{
    int got = 0, fd[2];
    const char *dirs[] = {"/usr/include"};
    char *argv[] = {(char[]){"/bin/true"}, NULL};
    int abi = comp_sandbox_enter(dirs, 1);
    got |= (abi < 0) << 0;
    got |= (abi > 0 && open("/etc/passwd", O_RDONLY) >= 0) << 1;
    got |= (abi > 0 && open("/tmp/t_compile_written", O_WRONLY | O_CREAT, 0600) >= 0) << 2;
    got |= (open("/usr/include/stdio.h", O_RDONLY) < 0) << 3;
    got |= (socket(AF_INET, SOCK_STREAM, 0) >= 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0)
           << 4;
    got |= (kill(getppid(), 0) == 0) << 5;
    comp_sandbox_limit(UINT64_C(64) << 30, 5, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    got |= (pid > 0) << 6;
    execv(argv[0], argv);
    return got;
}

static void test_sandbox(void)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(attempts());
    ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "no file, socket, signal, process or program: %#x", (unsigned)WEXITSTATUS(status));
}

/* Reads the environment of every process of ours that looks like the worker. */
static void test_environment(void)
{
    char path[64];
    ws_buf env = {0};
    ws_err err = {0};
    snprintf(path, sizeof path, "/proc/%d/environ", (int)service->worker.pid);
    if (ws_read_file(path, 1 << 20, &env, &err)) {
        ok(true, "nobody can read the worker's environment (%s)", err.msg);
    } else {
        ok(!memmem(ws_buf_z(&env), env.n, "canary", 6), "the worker's environment has no secret");
    }
    ws_buf_release(&env);
}

static void test_damage(void)
{
    ws_arena a = {0};
    comp_service *s = NULL;
    ws_err err = {0};
    comp_service *keep = service;
    char line[256];
    comp_request r = request(K("o[i] = 77;"));
    r.want_cubin = true;
    comp_result c = build(r, &a);
    snprintf(line, sizeof line,
             "for f in %s/*/*; do printf X | dd of=$f bs=1 seek=70 conv=notrunc 2>/dev/null; done",
             scratch_dir);
    ok(c.ok && system(line) == 0, "a damaged cache");
    ok(!comp_service_open(&(comp_service_options){.cache_dir = scratch_dir}, &s, &err),
       "another service");
    service = s;
    comp_result again = build(r, &a);
    ok(again.ok && !again.cached && again.ptx_bytes == c.ptx_bytes, "is compiled again");
    comp_service_close(s);
    ok(!comp_service_open(&(comp_service_options){.cache_dir = scratch_dir}, &s, &err),
       "a third one");
    service = s;
    again = build(r, &a);
    ok(again.ok && again.cached, "finds it");
    printf("# from disk, in a new service, in %.3f ms\n", again.seconds * 1e3);
    comp_service_close(s);
    service = keep;
    ws_arena_release(&a);
}

static void time_warm(void)
{
    ws_arena a = {0};
    double best = 1e9, best_ptx = 1e9;
    for (int i = 0; i < 3; i++) {
        char source[512];
        snprintf(source, sizeof source, K("o[i] = %d + o[i];"), i + 1000 * (int)getpid());
        comp_request r = request(source);
        comp_result c = build(r, &a);
        best_ptx = c.seconds < best_ptx ? c.seconds : best_ptx;
        snprintf(source, sizeof source, K("o[i] = %d * o[i];"), i + 1000 * (int)getpid());
        r.want_cubin = true;
        c = build(r, &a);
        best = c.seconds < best ? c.seconds : best;
    }
    printf("# warm compile: PTX %.1f ms, PTX and cubin %.1f ms\n", best_ptx * 1e3, best * 1e3);
    ws_arena_release(&a);
}

/* Without a program to start, the worker is a fork. */
static void test_fork(const char *same)
{
    ws_err err = {0};
    comp_service *keep = service;
    setenv("WARPSMITH_EXE", "/nonexistent/warpsmith", 1);
    if (ok(!comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err), "open: %s",
           err.msg)) {
        compiles(K("o[i] = 3;"), "in a fork of this process");
        is_str(service->version, same, "the version is the one of its file");
        test_environment();
        comp_service_close(service);
    }
    service = keep;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0) /* this test is its own worker program */
        return comp_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    ws_err err = {0};
    char version[64] = "";
    comp_toolkit toolkit;
    setenv("OPENAI_API_KEY", "canary", 1);
    test_includes();
    test_constructs();
    test_sandbox();
    if (!mkdtemp(scratch_dir) || setenv("WARPSMITH_CACHE", scratch_dir, 1))
        return 70;
    if (comp_toolkit_find(&toolkit, &err)) {
        skip("compiling", err.msg);
        return tap_done();
    }
    ok(!comp_version(version, sizeof version, &err), "NVRTC tells its version %s", err.msg);
    has_str(version, "NVRTC 1", "the version");
    printf("# %s\n", version);
    char same[64] = "";
    int64_t start = ws_now_ns();
    ok(comp_toolkit_version(&toolkit, same, sizeof same), "as its file has it");
    printf("# found in %.1f ms\n", ws_seconds_since(start) * 1e3);
    if (ok(!comp_service_open(&(comp_service_options){.cache_dir = scratch_dir}, &service, &err),
           "open: %s", err.msg)) {
        test_result();
        test_lines();
        test_prelude();
        test_files();
        test_environment();
        test_prefetch();
        test_limits();
        test_kept_child();
    test_beside_others();
        test_damage();
        test_fork(same);
        time_warm();
        comp_service_close(service);
    }
    char line[128];
    snprintf(line, sizeof line, "rm -rf %s", scratch_dir);
    return system(line) ? 70 : tap_done();
}
