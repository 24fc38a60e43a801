/* Precompiled headers: what a source's prefix is, when one is made, and that a compile which uses
 * it says and makes what it does without. */
#include "harness/compile/internal.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_prefix(void)
{
    static const struct {
        const char *source, *prefix, *what;
    } rows[] = {
        {"#include <cuda_fp16.h>\nint x;\n", "#include <cuda_fp16.h>\n", "one header"},
        {"/* @plan {} */\n\n // a line\n#include <mma.h> // why\n  #  include \"cuda_fp16.h\"\nint x;",
         "#include <mma.h>\n#include <cuda_fp16.h>\n", "behind comments, in order"},
        {"#include <math.h>\n#include <cooperative_groups.h>\n#include <stdio.h>\n",
         "#include <cooperative_groups.h>\n", "what the prelude has is left out"},
        {"#define CG_EXPERIMENT 1\n#include <cooperative_groups.h>\n", "",
         "a macro that the header may look at ends it"},
        {"#if 1\n#include <cuda_fp16.h>\n#endif\n", "", "so does a condition"},
        {"using namespace std;\n#include <cuda_fp16.h>\n", "", "and so does code"},
        {"#include <cuda_fp16.h>\n#include \"/etc/passwd\"\n#include <mma.h>\n",
         "#include <cuda_fp16.h>\n", "what may not be included is not"},
        {"// goes on \\\n#include <cuda_fp16.h>\n", "", "a joined line is still a comment"},
        {"/* open\n#include <cuda_fp16.h>\n", "", "a comment without end"},
        {"#include <cuda_fp16.h> int x;\n", "", "something behind the name"},
        {"#include <cuda_fp16.h", "", "a name without end"},
        {"#include", "", "no name"},
        {"", "", "nothing"},
    };
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        ws_buf b = {0};
        comp_prefix(ws_str_of(rows[i].source), &b);
        is_str(ws_buf_z(&b), rows[i].prefix, rows[i].what);
        ws_buf_release(&b);
    }
}

static comp_job job_of(const char *source)
{
    return (comp_job){.compile = true,
                      .fmad = true,
                      .wall_seconds = 60,
                      .memory_bytes = UINT64_C(4) << 30,
                      .arch = "sm_90",
                      .file = "k.cu",
                      .source = ws_str_of(source)};
}

static void test_keys(void)
{
    char a[WS_SHA256_HEX], b[WS_SHA256_HEX];
    comp_job x = job_of("#include <cuda_fp16.h>\nint x;\n"),
             y = job_of("/* other */ #include <cuda_fp16.h>\nfloat y;\n"),
             z = job_of("#include <cuda_bf16.h>\nint x;\n");
    comp_pch_key(&x, a);
    comp_pch_key(&y, b);
    is_str(a, b, "sources that begin with the same headers share one");
    comp_pch_key(&z, b);
    ok(strcmp(a, b) != 0, "other headers, another one");
    y.arch = "sm_80";
    comp_pch_key(&y, b);
    ok(strcmp(a, b) != 0, "another architecture, another one");
    y.arch = "sm_90", y.fmad = false;
    comp_pch_key(&y, b);
    ok(strcmp(a, b) != 0, "other options, another one");
}

static int finish(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

/* As the server does it, in this process. */
static comp_pch *make(const comp_toolkit *t, comp_pch_store *s, const comp_job *j)
{
    comp_pch *p = comp_pch_find(s, j);
    if (!ok(p && !comp_pch_is_worth(p, j), "the first to ask does without"))
        return NULL;
    p->asked = 1;
    ok(comp_pch_find(s, j) == p && comp_pch_is_worth(p, j), "the second is worth one");
    if (!ok(comp_pch_begin(s, p), "it is begun"))
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        comp_pch_make(t, s, j, p);
    const int code = finish(pid);
    comp_pch_end(s, p, code == 0);
    ok(code == 0 && p->state == COMP_PCH_READY, "it is made (%d)", code);
    ok(access(p->dir, F_OK) != 0, "no file is left");
    return p;
}

enum { USED = 1, SAME_OUTCOME = 2, SAME_PTX = 4, SAME_LOG = 8, SEALED = 16, ALL = 31 };

/* Bits of what is so, of a compile in a sandbox. */
static int compare(const comp_toolkit *t, const comp_job *j, const comp_pch *p)
{
    const char *dirs[2] = {t->include[0], t->include[1]};
    ws_buf log[2] = {{0}, {0}}, ptx[2] = {{0}, {0}};
    comp_phase out[2] = {{0}, {0}};
    int got = 0;
    if (comp_sandbox_enter(dirs, t->n_includes) < 0)
        return 0;
    comp_sandbox_limit(j->memory_bytes, 60, COMP_PCH_HEAP);
    got |= pwrite(p->fd, "x", 1, 0) < 0 ? SEALED : 0;
    got |= comp_nvrtc_run(t, j, p->fd, &log[0], &ptx[0], &out[0]) ? USED : 0;
    comp_nvrtc_run(t, j, -1, &log[1], &ptx[1], &out[1]);
    got |= out[0].outcome == out[1].outcome ? SAME_OUTCOME : 0;
    got |= strcmp(ws_buf_z(&ptx[0]), ws_buf_z(&ptx[1])) == 0 ? SAME_PTX : 0;
    got |= strcmp(ws_buf_z(&log[0]), ws_buf_z(&log[1])) == 0 ? SAME_LOG : 0;
    return got;
}

static void test_use(const comp_toolkit *t, comp_pch_store *s)
{
#define HEAD "#include <cuda_fp16.h>\n#include <mma.h>\n"
    static const char *const macros[] = {"T 3", "DIM_N 64", "Use 5"};
    static const struct {
        const char *source, *what;
        int want;
    } rows[] = {
        {HEAD "extern \"C\" __global__ void k(__half *x)\n"
              "{\n    x[threadIdx.x] = __float2half(T * DIM_N);\n}\n",
         "a kernel, and macros named like template parameters of its headers", ALL},
        {HEAD "using namespace nvcuda;\nextern \"C\" __global__ void k(float *y, const __half *x) {\n"
              "  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;\n"
              "  wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> b;\n"
              "  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;\n"
              "  wmma::fill_fragment(c, 0.0f);\n  wmma::load_matrix_sync(a, x, 16);\n"
              "  wmma::load_matrix_sync(b, x, 16);\n  wmma::mma_sync(c, a, b, c);\n"
              "  wmma::store_matrix_sync(y, c, 16, wmma::mem_row_major);\n}\n",
         "tensor cores through templates", ALL},
        {HEAD "extern \"C\" __global__ void k(float *y) { y[0] = missing; }\n", "an error", ALL},
        {HEAD "extern \"C\" __global__ void k(__half *y) { y[0] = __float2half(y, y); }\n",
         "an error that names a header's function", ALL},
    };
    comp_job first = job_of(HEAD);
    comp_pch *p = make(t, s, &first);
    if (!p || p->state != COMP_PCH_READY)
        return;
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        comp_job j = job_of(rows[i].source);
        j.define = macros;
        j.n_defines = WS_COUNT(macros);
        ok(comp_pch_find(s, &j) == p, "found for %s", rows[i].what);
        pid_t pid = fork();
        if (pid == 0)
            _exit(compare(t, &j, p));
        is_int(finish(pid), rows[i].want, rows[i].what);
    }
#undef HEAD
}

/* Damaged, or of another process: NVRTC does without it. */
static void test_damage(const comp_toolkit *t, comp_pch_store *s)
{
    comp_job j = job_of("#include <cuda_fp16.h>\n"
                        "extern \"C\" __global__ void k(__half *x) { x[0] = x[1]; }\n");
    comp_pch *p = comp_pch_find(s, &j);
    if (!ok(p && comp_pch_begin(s, p), "another one is begun"))
        return;
    ok(ftruncate(p->fd, 8192) == 0, "of zeros");
    comp_pch_end(s, p, true);
    pid_t pid = fork();
    if (pid == 0)
        _exit(compare(t, &j, p) & (USED | SAME_OUTCOME | SAME_PTX));
    is_int(finish(pid), SAME_OUTCOME | SAME_PTX, "a damaged one is not used, and harms nobody");
}

static void test_places(comp_pch_store *s)
{
    char text[64];
    comp_pch *first = NULL;
    for (int i = 0; i < 3 * COMP_MAX_PCH; i++) {
        snprintf(text, sizeof text, "#include <cuda/std/header%d>\n", i);
        comp_job j = job_of(text);
        comp_pch *p = comp_pch_find(s, &j);
        if (!p || p->state != COMP_PCH_ABSENT || p->asked)
            first = p;
    }
    ok(!first, "new ones take the places of the old");
    comp_job assemble = job_of("");
    assemble.compile = false;
    ok(!comp_pch_find(s, &assemble), "assembling needs none");
    s->max_bytes = 0;
    comp_job j = job_of("#include <mma.h>\n");
    ok(!comp_pch_find(s, &j), "none where they do not work");
}

int main(void)
{
    comp_toolkit t;
    comp_pch_store s;
    ws_err err = {0};
    test_prefix();
    test_keys();
    if (comp_toolkit_find(&t, &err) || comp_nvrtc_load(&t, &err)) {
        skip("compiling", err.msg);
        return tap_done();
    }
    comp_pch_open(&s);
    if (!s.max_bytes) {
        skip("precompiled headers", "the kernel has no Landlock");
        return tap_done();
    }
    test_use(&t, &s);
    test_damage(&t, &s);
    test_places(&s);
    return tap_done();
}
