/* NVRTC through dlopen. */
#include "harness/compile/api.h"
#include "harness/compile/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef comp_nvrtc_program program;

static comp_nvrtc_api api;
static int version[2]; /* major, minor */

static const ws_symbol rows[] = {
#define X(member, symbol, optional, params) WS_SYMBOL(comp_nvrtc_api, member, symbol, optional),
    COMP_NVRTC_LIST(X)
#undef X
    WS_SYMBOL(comp_nvrtc_api, error_string, nvrtcGetErrorString, false),
};
const ws_symbols comp_nvrtc_symbols = {"NVRTC", rows, WS_COUNT(rows)};

static bool heap_in_memory; /* see fopen */
static int heap_fd = -1;

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
             slash ? (int)(slash + 1 - t->nvrtc) : 0, t->nvrtc, version[0], version[1]);
    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
        comp_nvrtc_run(t, &j, -1, &log, &ptx, &p);
    ws_buf_release(&log);
    ws_buf_release(&ptx);
}

ws_status comp_nvrtc_load(const comp_toolkit *t, ws_err *err)
{
    void *lib = dlopen(t->nvrtc, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return ws_fail(err, WS_EENV, "cannot load NVRTC: %s", dlerror());
    const char *missing = ws_symbols_take(lib, &comp_nvrtc_symbols, &api);
    if (missing)
        return ws_fail(err, WS_EENV, "'%s' is not a usable NVRTC: it has no %s", t->nvrtc, missing);
    if (api.version(&version[0], &version[1]) || version[0] < 12)
        return ws_fail(err, WS_EENV,
                       "NVRTC %d.%d in '%s' is too old: 12.0 is the first that serves", version[0],
                       version[1], t->nvrtc);
    load_builtins(t);
    return WS_OK;
}

/* Using a precompiled header, NVRTC keeps its heap in a file, $TMPDIR/edg<number>_<process>, which
 * it deletes at once. A sandboxed child can make no file. This function, which the dynamic linker
 * finds before the C library's, gives it memory instead; to everybody else it is fopen(). */
FILE *fopen(const char *path, const char *mode)
{
    const char *slash = strrchr(path, '/');
    if (!heap_in_memory || mode[0] != 'w' || strncmp(slash ? slash + 1 : path, "edg", 3) != 0)
        return fopen64(path, mode);
    int fd = memfd_create("nvrtc-heap", MFD_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, mode) : NULL;
    if (!f && fd >= 0)
        close(fd);
    heap_fd = f ? fd : -1;
    return f;
}

/* It then maps pieces of that file, private and writable, each of whose pages would be one of the
 * file and a copy of it. They are zeros: memory without a file does. */
void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    if (heap_in_memory && fd >= 0 && fd == heap_fd && flags == (MAP_PRIVATE | MAP_FIXED))
        return mmap64(at, bytes, prot, flags | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return mmap64(at, bytes, prot, flags, fd, offset);
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
    options o = {WS_ARENA_NEW(a, const char *, 20), 0};
    add(&o, ws_arena_printf(a, "--gpu-architecture=compute_%s", j->arch + strlen("sm_")));
    add(&o, "--std=c++17");
    add(&o,
        "-default-device"); /* helpers without __device__ are device code, as models write them */
    add(&o, "--device-int128");
    add(&o, "-lineinfo"); /* always: it changes no instruction, and one compile serves both uses */
    add(&o, j->fmad ? "--fmad=true" : "--fmad=false");
    add(&o, ws_arena_printf(a, "--pre-include=%s", comp_prelude_name()));
    if (version[0] > 12 || version[1] >= 9)
        add(&o, "-no-cache"); /* NVRTC's own goes through libcuda.so.1 */
    for (int i = 0; i < t->n_includes; i++)
        add(&o, ws_arena_printf(a, "-I%s", t->include[i]));
    if (l.runtime)
        add(&o, "--minimal");
    if (l.std)
        add(&o, "-DWARPSMITH_NO_STD");
    return o;
}

/* The macros come after the prelude and the prefix, not as -D: a tunable called N must not meet a
 * template parameter. They stand in front of the source, which #line puts back to where it was, and
 * whose own includes of the prefix then add nothing. */
static const char *full_source(ws_arena *a, const comp_job *j, bool prefix)
{
    ws_buf b = {0};
    if (prefix)
        comp_prefix(j->source, &b);
    for (uint32_t i = 0; i < j->n_defines; i++)
        ws_buf_printf(&b, "#define %s\n", j->define[i]);
    if (b.n)
        ws_buf_adds(&b, "#line 1\n");
    ws_buf_add(&b, j->source.p, j->source.n);
    const char *text = ws_arena_strdup(a, ws_buf_z(&b));
    ws_buf_release(&b);
    return text;
}

static void take(comp_nvrtc_result (*size)(program, size_t *),
                 comp_nvrtc_result (*get)(program, char *), program p, ws_buf *out)
{
    size_t n = 0;
    if (size(p, &n) || n <= 1)
        return;
    char *text = ws_malloc(n);
    if (get(p, text) == COMP_NVRTC_OK)
        ws_buf_add(out, text, n - 1); /* n counts the NUL */
    free(text);
}

/* How a source is compiled. */
typedef struct manner {
    lean lean;
    bool prefix; /* the prefix stands before the macros */
    int pch;     /* of the prefix, -1: none */
} manner;

/* Takes what NVRTC says about a precompiled header off the head of the log; true: it was used. */
static bool take_message(ws_buf *log)
{
    const char *z = ws_buf_z(log), *end = strchr(z, '\n');
    const char *used = strstr(z, ": using precompiled header");
    const bool message = end && (memmem(z, (size_t)(end - z), "precompiled header", 18) != NULL);
    if (!message)
        return false;
    while (*end == '\n')
        end++;
    const size_t rest = log->n - (size_t)(end - z);
    memmove(log->p, end, rest + 1);
    log->n = rest;
    return used && used < end;
}

static bool run(const comp_toolkit *t, const comp_job *j, manner m, ws_buf *log, ws_buf *ptx,
                comp_phase *out)
{
    const comp_headers *h = comp_headers_get();
    ws_arena a = {0};
    program p = NULL;
    bool used = false;
    options o = make_options(&a, t, j, m.lean);
    heap_in_memory = m.pch >= 0;
    if (m.pch >= 0) {
        add(&o, ws_arena_printf(&a, "--use-pch=/proc/self/fd/%d", m.pch));
        add(&o, "--pch-messages=true");
    }
    int rc = api.create(&p, full_source(&a, j, m.prefix), j->file, h->n, h->text, h->name);
    if (rc == COMP_NVRTC_OK) {
        rc = api.compile(p, o.n, o.item);
        take(api.log_size, api.log, p, log);
        used = m.pch >= 0 && take_message(log);
        if (rc == COMP_NVRTC_OK)
            take(api.ptx_size, api.ptx, p, ptx);
        api.destroy(&p);
    }
    out->outcome = rc == COMP_NVRTC_OK               ? COMP_DONE
                   : rc == COMP_NVRTC_COMPILATION    ? COMP_REJECTED
                   : rc == COMP_NVRTC_OUT_OF_MEMORY  ? COMP_MEMORY
                   : rc == COMP_NVRTC_INVALID_OPTION ? COMP_BAD_ARCH
                                             : COMP_BROKEN;
    out->code = rc;
    if (rc != COMP_NVRTC_OK && rc != COMP_NVRTC_COMPILATION)
        ws_buf_printf(log, "%s\n", api.error_string(rc));
    out->log = (ws_str){ws_buf_z(log), log->n};
    out->output = (ws_str){ws_buf_z(ptx), ptx->n};
    ws_arena_release(&a);
    return used;
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

void comp_nvrtc_describe(const comp_job *j, ws_buf *out)
{
    const lean l = lean_for(j->source);
    ws_buf_printf(out, "%s %d %d %d\n", j->arch, j->fmad, l.runtime, l.std);
}

/* Compiles `text` into a new precompiled header. */
static bool precompile(const char *text, const char *file, options *o, ws_arena *a,
                       const char *path)
{
    const comp_headers *h = comp_headers_get();
    program p = NULL;
    heap_in_memory = true;
    add(o, ws_arena_printf(a, "--create-pch=%s", path));
    add(o, "--pch-messages=false");
    bool made = api.create(&p, text, file, h->n, h->text, h->name) == COMP_NVRTC_OK &&
                api.compile(p, o->n, o->item) == COMP_NVRTC_OK &&
                api.pch_status(p) == COMP_NVRTC_OK;
    if (p)
        api.destroy(&p);
    return made;
}

/* NVRTC chooses the place of its heap when it first needs it. */
bool comp_nvrtc_reserve(size_t bytes, const char *path)
{
    ws_arena a = {0};
    options o = {WS_ARENA_NEW(&a, const char *, 4), 0};
    add(&o, "--minimal");
    bool good = api.set_pch_heap && api.pch_status && api.set_pch_heap(bytes) == COMP_NVRTC_OK &&
                precompile("\n", "reserve.cu", &o, &a, path);
    ws_arena_release(&a);
    return good;
}

bool comp_nvrtc_precompile(const comp_toolkit *t, const comp_job *j, const char *path)
{
    ws_arena a = {0};
    ws_buf text = {0};
    options o = make_options(&a, t, j, lean_for(j->source));
    comp_prefix(j->source, &text);
    ws_buf_addc(&text, '\n');
    bool made = precompile(ws_buf_z(&text), j->file, &o, &a, path);
    ws_buf_release(&text);
    ws_arena_release(&a);
    return made;
}

/* Whether the compile as it stands could say anything else than this one, which was rejected. */
static bool may_differ(const comp_job *j, const manner *m, const ws_buf *log)
{
    ws_buf prefix = {0}, place = {0};
    comp_prefix(j->source, &prefix);
    ws_buf_printf(&place, "%s(", j->file);
    bool differ = m->lean.runtime || m->lean.std;
    const char *error = strstr(ws_buf_z(log), ": error");
    if (!differ && prefix.n) { /* an error in a header, or about one */
        const char *line = error;
        while (line && line > log->p && line[-1] != '\n')
            line--;
        differ = !line || strncmp(line, ws_buf_z(&place), place.n) != 0;
    }
    ws_buf_release(&prefix);
    ws_buf_release(&place);
    return differ;
}

/* A small kernel then compiles in two thirds of the time, to the same PTX. What is not compiled so
 * is compiled in full and as it stands, for its errors too. */
bool comp_nvrtc_run(const comp_toolkit *t, const comp_job *j, int pch, ws_buf *log, ws_buf *ptx,
                    comp_phase *out)
{
    const manner m = {lean_for(j->source), true, pch};
    const bool used = run(t, j, m, log, ptx, out);
    if (out->outcome == COMP_DONE || out->outcome == COMP_MEMORY ||
        (out->outcome == COMP_REJECTED && !may_differ(j, &m, log)))
        return used;
    ws_buf_reset(log);
    ws_buf_reset(ptx);
    return run(t, j, (manner){{false, false}, false, -1}, log, ptx, out);
}
