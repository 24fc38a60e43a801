/* The reader of cubins agrees with the assembler for the right kernels of tests/kernels: one of
 * eight by their names, or all with EVERY=1. The program is its own compiler's worker. */
#include "base/file.h"
#include "harness/compile/compile.h"
#include "harness/plan/plan.h"
#include "harness/profile/cubin.h"
#include "harness/ptx/ptx.h"
#include "specs/spec.h"
#include "tests/tap.h"
#include "verifier/names.h"

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHARE = 8 };

typedef struct subject {
    ws_buf text;
    char spec_name[128], arch[32];
    spec *spec;
    ref_graph *graph;
    ws_arena arena;
    comp_result compiled;
} subject;

/* "// spec: basics/argmax  expect: PASS  arch: sm_90a" */
static bool read_head(const char *path, subject *s, ws_err *err)
{
    const char *at;
    snprintf(s->arch, sizeof s->arch, "sm_90");
    if (ws_read_file(path, 1 << 20, &s->text, err) ||
        sscanf(ws_buf_z(&s->text), "// spec: %127s", s->spec_name) != 1)
        return false;
    const char *end = strchr(s->text.p, '\n');
    if ((at = strstr(s->text.p, "arch: ")) && at < end)
        sscanf(at, "arch: %31s", s->arch);
    return !spec_find(s->spec_name, &s->spec, err);
}

static bool compile(subject *s, comp_service *service, ws_err *err)
{
    hx_diag d = {0};
    plan *p = NULL;
    plan_bound *b = NULL;
    if (ref_graph_new(s->spec, &s->graph, err))
        return false;
    const plan_names names = vfy_plan_names(s->graph);
    bool bound = false;
    if (plan_parse(&s->arena, s->text.p, s->text.n, &names, &p, &d))
        for (int shape = s->spec->n_checks - 1; shape >= -1 && !bound; shape--) { /* -1: the benchmark's */
            const ws_env env = spec_env(s->spec, shape);
            bound = plan_bind(&s->arena, p, &env, NULL, &b, &d);
        }
    if (!bound) {
        ws_fail(err, WS_EINPUT, "%.900s", d.text);
        return false;
    }
    comp_macro *macro = WS_ARENA_NEW(&s->arena, comp_macro, b->n_macros + 1);
    for (size_t i = 0; i < b->n_macros; i++)
        macro[i] = (comp_macro){b->macro[i].name, b->macro[i].value};
    const comp_request q = {.source = s->text.p, .source_bytes = s->text.n, .file = "kernel.cu",
                            .arch = s->arch, .macro = macro, .n_macros = b->n_macros,
                            .want_cubin = true, .fmad = true};
    return !comp_compile(service, &q, &s->arena, &s->compiled, err) && s->compiled.ok;
}

/* What "ptxas -v" says of the PTX; -1: it cannot be asked. */
static int64_t shared_by_ptxas(const subject *s, const char *kernel)
{
    char path[] = "/tmp/warpsmith-cubin-XXXXXX", command[256], line[512];
    int64_t bytes = -1;
    bool mine = false;
    const int fd = mkstemp(path);
    if (fd < 0 || !ws_write_all(fd, s->compiled.ptx, s->compiled.ptx_bytes))
        return -1;
    close(fd);
    snprintf(command, sizeof command, "ptxas -arch=%s -v %s -o /dev/null 2>&1", s->arch, path);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *smem = strstr(line, " bytes smem"), *name = strstr(line, "entry function '");
        if (name)
            mine = strncmp(name + 16, kernel, strlen(kernel)) == 0 &&
                   name[16 + strlen(kernel)] == '\'';
        if (mine && strstr(line, "Used "))
            bytes = 0;
        while (smem && smem > line && smem[-1] != ' ')
            smem--;
        if (mine && smem)
            bytes = strtol(smem, NULL, 10);
    }
    if (f)
        pclose(f);
    unlink(path);
    return bytes;
}

/* nvJitLink's line about shared memory is at times a sum of variables where ptxas's is of the
 * memory as it is laid out: where they differ ptxas is asked. */
static bool agrees(const subject *s, const comp_kernel *want, const cubin_kernel *k)
{
    bool same = k && k->registers == want->registers && k->stack_bytes == want->stack_bytes &&
                k->barriers == want->barriers && k->n_params == want->n_params;
    /* ptxas begins the parameters behind a gap where one must be aligned more than the place in constant memory. */
    const uint32_t gap = same && want->n_params ? k->param[0].offset : 0;
    for (int j = 0; same && j < want->n_params; j++)
        same = k->param[j].offset - gap == want->param[j].offset && k->param[j].bytes == want->param[j].size;
    same = same && gap < 128;
    if (same && k->shared_bytes != want->shared_bytes) {
        const int64_t bytes = shared_by_ptxas(s, want->name);
        same = bytes < 0 || bytes == k->shared_bytes;
    }
    if (!same && k)
        printf("# %s: %d %lld %lld %d %d, ptxas %d %d %d %d %d\n", want->name, k->registers,
               (long long)k->shared_bytes, (long long)k->stack_bytes, k->barriers, k->n_params,
               want->registers, want->shared_bytes, want->stack_bytes, want->barriers,
               want->n_params);
    for (int j = 0; !same && k && j < want->n_params && j < k->n_params; j++)
        printf("# parameter %d: %u bytes at %u, in the PTX %u at %u\n", j, k->param[j].bytes, k->param[j].offset,
               want->param[j].size, want->param[j].offset);
    return same;
}

static int count_wrong(subject *s, ws_err *err)
{
    cubin c;
    int wrong = 0;
    if (cubin_read(s->compiled.cubin, s->compiled.cubin_bytes, &s->arena, &c, err))
        return 1;
    for (int i = 0; i < s->compiled.n_kernels; i++) {
        const comp_kernel *want = &s->compiled.kernel[i];
        wrong += !agrees(s, want, cubin_find(&c, want->name));
    }
    return wrong;
}

static bool is_chosen(const char *path)
{
    unsigned sum = 0;
    for (const char *p = path; *p; p++)
        sum = sum * 31 + (unsigned char)*p;
    return getenv("EVERY") || sum % SHARE == 0;
}

int main(int argc, char **argv)
{
    ws_err err = {0};
    comp_service *service = NULL;
    glob_t g = {0};
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return comp_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    if (!ok(!comp_service_open(&(comp_service_options){.wall_seconds = 100}, &service, &err) &&
                !glob("tests/kernels/honest/*.cu", 0, NULL, &g),
            "a compiler and kernels %s", err.msg))
        return tap_done();
    for (size_t i = 0; i < g.gl_pathc; i++) {
        subject s = {0};
        const char *path = g.gl_pathv[i];
        err = (ws_err){0};
        if (!is_chosen(path))
            continue;
        if (ok(read_head(path, &s, &err) && compile(&s, service, &err), "%s compiles %s%s", path,
               err.msg, s.compiled.diag.text))
            ok(s.compiled.n_kernels && !count_wrong(&s, &err), "%s: as ptxas -v says %s", path,
               err.msg);
        ref_graph_free(s.graph);
        spec_free(s.spec);
        ws_arena_release(&s.arena);
        ws_buf_release(&s.text);
    }
    globfree(&g);
    comp_service_close(service);
    return tap_done();
}
