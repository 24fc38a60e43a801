/* NVRTC through dlopen. The few declarations that we need are written out (NVRTC's C interface has
 * been stable since 7.0), so that the build needs no toolkit. */
#include "harness/compile/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct nvrtc_program *program;
enum { RC_OK, RC_OUT_OF_MEMORY, RC_INVALID_OPTION = 5, RC_COMPILATION = 6 };

static struct {
    int (*version)(int *major, int *minor);
    const char *(*error_string)(int);
    int (*create)(program *, const char *source, const char *name, int n,
                  const char *const *headers, const char *const *names);
    int (*destroy)(program *);
    int (*compile)(program, int n, const char *const *options);
    int (*ptx_size)(program, size_t *);
    int (*ptx)(program, char *);
    int (*log_size)(program, size_t *);
    int (*log)(program, char *);
    int major, minor;
} api;

/* dlsym gives an object pointer; POSIX says that it converts. */
static bool symbol(void *lib, const char *name, void *slot)
{
    void *p = dlsym(lib, name);
    memcpy(slot, &p, sizeof p);
    return p != NULL;
}

/* NVRTC loads this one at its first compile; inside the sandbox it could not. Where it is not
 * beside NVRTC, a compile shows NVRTC where to find it. */
static void load_builtins(const comp_toolkit *t)
{
    char path[PATH_MAX + 64];
    const char *slash = strrchr(t->nvrtc, '/');
    comp_job j = {.arch = "sm_90", .file = "k.cu", .source = ws_str_of("__global__ void k() {}\n")};
    ws_buf log = {0}, ptx = {0};
    comp_phase p = {0};
    snprintf(path, sizeof path, "%.*slibnvrtc-builtins.so.%d.%d",
             slash ? (int)(slash + 1 - t->nvrtc) : 0, t->nvrtc, api.major, api.minor);
    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
        comp_nvrtc_run(t, &j, &log, &ptx, &p);
    ws_buf_release(&log);
    ws_buf_release(&ptx);
}

ws_status comp_nvrtc_load(const comp_toolkit *t, ws_err *err)
{
    void *lib = dlopen(t->nvrtc, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return ws_fail(err, WS_EENV, "cannot load NVRTC: %s", dlerror());
    if (!symbol(lib, "nvrtcVersion", &api.version) ||
        !symbol(lib, "nvrtcGetErrorString", &api.error_string) ||
        !symbol(lib, "nvrtcCreateProgram", &api.create) ||
        !symbol(lib, "nvrtcDestroyProgram", &api.destroy) ||
        !symbol(lib, "nvrtcCompileProgram", &api.compile) ||
        !symbol(lib, "nvrtcGetPTXSize", &api.ptx_size) || !symbol(lib, "nvrtcGetPTX", &api.ptx) ||
        !symbol(lib, "nvrtcGetProgramLogSize", &api.log_size) ||
        !symbol(lib, "nvrtcGetProgramLog", &api.log))
        return ws_fail(err, WS_EENV, "'%s' is not a usable NVRTC: %s", t->nvrtc, dlerror());
    int rc = api.version(&api.major, &api.minor);
    if (rc || api.major < 12)
        return ws_fail(err, WS_EENV,
                       "NVRTC %d.%d in '%s' is too old: 12.0 is the first that serves", api.major,
                       api.minor, t->nvrtc);
    load_builtins(t);
    return WS_OK;
}

/* ---- one compile ---- */

typedef struct options {
    const char **item;
    int n;
} options;

static void add(options *o, const char *text)
{
    o->item[o->n++] = text;
}

/* What is left out, see lean_for. */
typedef struct lean {
    bool runtime, std;
} lean;

/* "sm_90a" -> "compute_90a": PTX only; the cubin comes from the stripped PTX. */
static options make_options(ws_arena *a, const comp_toolkit *t, const comp_job *j, lean l)
{
    options o = {WS_ARENA_NEW(a, const char *, 16), 0};
    add(&o, ws_arena_printf(a, "--gpu-architecture=compute_%s", j->arch + strlen("sm_")));
    add(&o, "--std=c++17");
    add(&o,
        "-default-device"); /* helpers without __device__ are device code, as models write them */
    add(&o, "--device-int128");
    add(&o, "-lineinfo"); /* always: it changes no instruction, and one compile serves both uses */
    add(&o, j->fmad ? "--fmad=true" : "--fmad=false");
    add(&o, ws_arena_printf(a, "--pre-include=%s", comp_prelude_name()));
    if (api.major > 12 || api.minor >= 9)
        add(&o, "-no-cache"); /* NVRTC's own goes through libcuda.so.1 */
    for (int i = 0; i < t->n_includes; i++)
        add(&o, ws_arena_printf(a, "-I%s", t->include[i]));
    if (l.runtime)
        add(&o, "--minimal");
    if (l.std)
        add(&o, "-DWARPSMITH_NO_STD");
    return o;
}

/* The macros come after the prelude, not as -D: a tunable called N must not meet a template
 * parameter. They stand in front of the source, which #line puts back to where it was. */
static const char *full_source(ws_arena *a, const comp_job *j)
{
    ws_buf b = {0};
    for (uint32_t i = 0; i < j->n_defines; i++)
        ws_buf_printf(&b, "#define %s\n", j->define[i]);
    if (j->n_defines)
        ws_buf_adds(&b, "#line 1\n");
    ws_buf_add(&b, j->source.p, j->source.n);
    const char *text = ws_arena_strdup(a, ws_buf_z(&b));
    ws_buf_release(&b);
    return text;
}

static void take(int (*size)(program, size_t *), int (*get)(program, char *), program p,
                 ws_buf *out)
{
    size_t n = 0;
    if (size(p, &n) || n <= 1)
        return;
    char *text = ws_malloc(n);
    if (get(p, text) == RC_OK)
        ws_buf_add(out, text, n - 1); /* n counts the NUL */
    free(text);
}

static void run(const comp_toolkit *t, const comp_job *j, lean l, ws_buf *log, ws_buf *ptx,
                comp_phase *out)
{
    const comp_headers *h = comp_headers_get();
    ws_arena a = {0};
    program p = NULL;
    options o = make_options(&a, t, j, l);
    int rc = api.create(&p, full_source(&a, j), j->file, h->n, h->text, h->name);
    if (rc == RC_OK) {
        rc = api.compile(p, o.n, o.item);
        take(api.log_size, api.log, p, log);
        if (rc == RC_OK)
            take(api.ptx_size, api.ptx, p, ptx);
        api.destroy(&p);
    }
    out->outcome = rc == RC_OK               ? COMP_DONE
                   : rc == RC_COMPILATION    ? COMP_REJECTED
                   : rc == RC_OUT_OF_MEMORY  ? COMP_MEMORY
                   : rc == RC_INVALID_OPTION ? COMP_BAD_ARCH
                                             : COMP_BROKEN;
    out->code = rc;
    if (rc != RC_OK && rc != RC_COMPILATION)
        ws_buf_printf(log, "%s\n", api.error_string(rc));
    out->log = (ws_str){ws_buf_z(log), log->n};
    out->output = (ws_str){ws_buf_z(ptx), ptx->n};
    ws_arena_release(&a);
}

/* One of `words` stands in the text, other than as the beginning of one of `but`. */
static bool speaks_of(ws_str text, const char *const *words, const char *const *but)
{
    const char *end = text.p + text.n;
    for (; *words; words++) {
        const char *p = text.p;
        for (; (p = memmem(p, (size_t)(end - p), *words, strlen(*words))); p++) {
            bool meant = true;
            for (const char *const *b = but; *b && meant; b++)
                meant = (size_t)(end - p) < strlen(*b) || memcmp(p, *b, strlen(*b)) != 0;
            if (meant)
                return true;
        }
    }
    return false;
}

/* What most kernels do without and every compile pays for: NVRTC's declarations for the CUDA
 * runtime, textures and surfaces (--minimal leaves them out; the headers named here need them), and
 * our std. */
static lean lean_for(ws_str source)
{
    static const char *const runtime[] = {"cuda",  "tex",  "surf", "cooperative_groups",
                                          "mma.h", "cub/", NULL};
    static const char *const not_runtime[] = {"cuda_runtime.h", "cuda_fp16.h", "cuda_bf16.h", NULL};
    static const char *const std[] = {"std",        "cuda_", "cooperative_groups", "cub/", "nv/",
                                      "include <c", NULL};
    static const char *const not_std[] = {"stdio.h",
                                          "stdint.h",
                                          "stdlib.h",
                                          "stddef.h",
                                          "stdbool.h",
                                          "cuda_runtime.h",
                                          "include <cuda_runtime.h",
                                          NULL};
    return (lean){!speaks_of(source, runtime, not_runtime), !speaks_of(source, std, not_std)};
}

/* A small kernel then compiles in two thirds of the time, to the same PTX. Whatever does not
 * compile so is compiled in full, for its errors too. */
void comp_nvrtc_run(const comp_toolkit *t, const comp_job *j, ws_buf *log, ws_buf *ptx,
                    comp_phase *out)
{
    const lean l = lean_for(j->source);
    run(t, j, l, log, ptx, out);
    if ((!l.runtime && !l.std) || out->outcome == COMP_DONE || out->outcome == COMP_MEMORY)
        return;
    ws_buf_reset(log);
    ws_buf_reset(ptx);
    run(t, j, (lean){false, false}, log, ptx, out);
}
