/* The reader of cubins, on what the assembler makes for every architecture: as its lines of "-v"
 * say, and as the sources say. The program is its own compiler's worker. */
#include "base/mem.h"
#include "harness/compile/compile.h"
#include "harness/profile/cubin.h"
#include "harness/ptx/ptx.h"
#include "tests/cubin_sources.h"
#include "tests/tap.h"

#include <stdlib.h>

static comp_service *service;

static bool compile(const char *source, const char *arch, ws_arena *a, comp_result *out)
{
    ws_err err = {0};
    const comp_request q = {.source = source, .source_bytes = strlen(source), .file = "k.cu",
                            .arch = arch, .want_cubin = true, .fmad = true};
    return ok(!comp_compile(service, &q, a, out, &err) && out->ok, "compiled for %s%s%s", arch,
              err.msg, out->diag.text);
}

static bool agrees(const comp_kernel *want, const cubin_kernel *k)
{
    return k && k->registers == want->registers && k->shared_bytes == want->shared_bytes &&
           k->stack_bytes == want->stack_bytes && k->barriers == want->barriers &&
           k->n_params == want->n_params;
}

static bool uses(const cubin_kernel *k, const char *function)
{
    for (int i = 0; i < k->n_external; i++)
        if (strcmp(k->external[i], function) == 0)
            return true;
    return false;
}

static int64_t variable(const cubin *c, const char *name)
{
    for (int i = 0; i < c->n_variables; i++)
        if (strstr(c->variable[i].name, name))
            return c->variable[i].bytes;
    return -1;
}

static void test_params(const cubin_kernel *k)
{
    /* pointer, pointer, int, double, struct of 32 bytes, char */
    static const cubin_param want[] = {{0, 8}, {8, 8}, {16, 4}, {24, 8}, {32, 24}, {56, 1}};
    bool same = k->n_params == (int)WS_COUNT(want);
    for (int i = 0; same && i < k->n_params; i++)
        same = k->param[i].offset == want[i].offset && k->param[i].bytes == want[i].bytes;
    ok(same && k->param_bytes == 57, "the layout of parameters");
}

static void test_arch(const char *arch, int number)
{
    static const char *const names[] = {"mixed", "local", "talks", "params"};
    ws_arena a = {0};
    ws_err err = {0};
    comp_result r = {0};
    cubin c = {0};
    const cubin_kernel *k[4];
    if (!compile(cubin_source, arch, &a, &r) ||
        !ok(!cubin_read(r.cubin, r.cubin_bytes, &a, &c, &err), "%s is read %s", arch, err.msg)) {
        ws_arena_release(&a);
        return;
    }
    is_int(c.arch, number, "its architecture");
    is_int(c.n_kernels, (long long)WS_COUNT(names), "its kernels");
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        const comp_kernel *want = NULL;
        for (int j = 0; j < r.n_kernels; j++)
            want = strcmp(r.kernel[j].name, names[i]) == 0 ? &r.kernel[j] : want;
        k[i] = cubin_find(&c, names[i]);
        if (!ok(want && agrees(want, k[i]), "%s: as ptxas -v says of '%s'", arch, names[i])) {
            if (want && k[i])
                printf("# %d %lld %lld %d %d, ptxas: %d %d %d %d %d\n", k[i]->registers,
                       (long long)k[i]->shared_bytes, (long long)k[i]->stack_bytes, k[i]->barriers,
                       k[i]->n_params, want->registers, want->shared_bytes, want->stack_bytes,
                       want->barriers, want->n_params);
            goto out;
        }
    }
    test_params(k[0]);
    is_int(k[0]->max_threads, 256, "__launch_bounds__");
    is_int(k[0]->barriers, 4, "barriers 0 to 3");
    ok(k[1]->local_loads >= 100 && k[1]->local_stores && !k[0]->local_loads && !k[0]->local_stores,
       "loads and stores of local memory: %d and %d", (int)k[1]->local_loads,
       (int)k[1]->local_stores);
    ok(uses(k[2], "malloc") && uses(k[2], "vprintf") && !k[1]->n_external,
       "who calls malloc and printf");
    ok(k[3]->n_params == 3 && k[3]->param[1].bytes == 9000 && k[3]->param[2].offset == 9008,
       "parameters of more than 4 KiB");
    ok(variable(&c, "table") == 64 && variable(&c, "counter") == 4 && c.n_variables == 2,
       "variables that kernels write");
    is_int(c.constant_bytes, 16, "constants");
out:
    ws_arena_release(&a);
}

static void test_cluster(void)
{
    ws_arena a = {0};
    ws_err err = {0};
    comp_result r = {0};
    cubin c = {0};
    if (compile(cubin_cluster_source, "sm_90a", &a, &r) &&
        ok(!cubin_read(r.cubin, r.cubin_bytes, &a, &c, &err), "a kernel of clusters %s", err.msg))
        ok(c.n_kernels == 1 && c.kernel[0].cluster[0] == 2 && c.kernel[0].cluster[1] == 1,
           "the dimensions of a cluster");
    ws_arena_release(&a);
}

static void test_refused(void)
{
    ws_arena a = {0};
    ws_err err = {0};
    comp_result r = {0};
    cubin c;
    ok(cubin_read("PTX", 3, &a, &c, &err) == WS_EINPUT, "what is no cubin is refused");
    has_str(err.msg, "no ELF file", "as such");
    if (!compile(cubin_source, "sm_90", &a, &r))
        return;
    unsigned char *copy = ws_arena_alloc(&a, r.cubin_bytes);
    size_t cuts = 0, read = 0;
    memcpy(copy, r.cubin, r.cubin_bytes);
    /* The table of sections stands near the end, before that of program headers. */
    for (size_t n = 0; n < r.cubin_bytes - r.cubin_bytes / 8; n += 97, cuts++)
        read += !cubin_read(copy, n, &a, &c, &(ws_err){0});
    ok(cuts > 50 && !read, "none of %zu cut ones is read", cuts);
    copy[18] = 62; /* e_machine: x86-64 */
    ok(cubin_read(copy, r.cubin_bytes, &a, &c, &err) == WS_EINPUT,
       "an ELF file of another machine");
    has_str(err.msg, "machine 62", "is refused as such");
    ws_arena_release(&a);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *arch;
        int number;
    } archs[] = {{"sm_75", 75}, {"sm_80", 80}, {"sm_86", 86},    {"sm_89", 89},
                 {"sm_90", 90}, {"sm_90a", 90}, {"sm_100", 100}, {"sm_120", 120}};
    ws_err err = {0};
    char version[64];
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return comp_worker_main();
    if (comp_version(version, sizeof version, &err)) {
        skip("cubins", err.msg);
        return tap_done();
    }
    setenv("WARPSMITH_EXE", argv[0], 1);
    if (ok(!comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err),
           "a compiler %s", err.msg)) {
        for (size_t i = 0; i < WS_COUNT(archs); i++)
            test_arch(archs[i].arch, archs[i].number);
        test_cluster();
        test_refused();
    }
    comp_service_close(service);
    return tap_done();
}
