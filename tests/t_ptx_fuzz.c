/* Random CUDA kernels, compiled by NVRTC and run by the PTX engine, against the same text compiled
 * by the host's compiler and run thread by thread. Results must agree bit for bit, and nothing may
 * be found.
 *
 *   build/tests/t_ptx_fuzz [SEED [SECONDS]]      files of a disagreement stay in build/fuzz/
 *
 * A kernel is a row of segments, functions over the thread's own variables (struct LANE of lane.h)
 * with loops, branches and early returns, and of steps between them that exchange values (host.h,
 * device.h). */
#include "base/clock.h"
#include "base/file.h"
#include "base/philox.h"
#include "harness/compile/compile.h"
#include "harness/ptx/ptx.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNELS = 4, BLOCKS = 3, MAX_THREADS = 128, WORDS = 20, INPUTS = 61 * 8, MAX_DEPTH = 3 };

static const struct {
    const char *ret, *name, *params;
} ops[] = {
#define OP(r, n, p, e) {#r, #n, #p},
#include "tests/fuzz/ops.h"
#undef OP
};

typedef struct gen {
    uint64_t seed, at;
    ws_buf out;
    int loops, n_loops, segment;
    bool has_loop[8]; /* loop variables in scope */
} gen;

static int threads_of(uint64_t seed)
{
    return 32 * (1 + (int)(seed % 4));
}

static uint32_t pick(gen *g, uint32_t n)
{
    return (uint32_t)(ws_philox_u64(g->seed, 0, g->at++) % n);
}

/* ---- expressions ---- */

static void expression(gen *g, char type, int depth);

static void literal(gen *g, char type)
{
    static const char *const ints[] = {
        "0",          "1",      "-1",    "2",          "31",
        "255",        "-128",   "65535", "0x7fffffff", "(-0x7fffffff - 1)",
        "0x12345678", "1000003"};
    static const char *const floats[] = {"0.0f",  "-0.0f",  "1.0f",       "-2.5f", "3.1415927f",
                                         "1e30f", "1e-40f", "8388609.0f", "0.1f",  "65504.0f"};
    switch (type) {
    case 'I':
        ws_buf_adds(&g->out, ints[pick(g, WS_COUNT(ints))]);
        break;
    case 'U':
        ws_buf_printf(&g->out, "%uu", pick(g, 3) ? pick(g, 300) : pick(g, UINT32_MAX));
        break;
    case 'Q':
        ws_buf_printf(&g->out, "%lldll",
                      (long long)(ws_philox_u64(g->seed, 1, g->at++) >> (1 + pick(g, 62))));
        break;
    case 'F':
        ws_buf_adds(&g->out, floats[pick(g, WS_COUNT(floats))]);
        break;
    case 'D':
        ws_buf_printf(&g->out, "%u.%u", pick(g, 1000), pick(g, 1000));
        break;
    default:
        ws_buf_adds(&g->out, pick(g, 2) ? "b_odd(L->a0)" : "(tid & 4)");
    }
}

static void variable(gen *g, char type)
{
    switch (type) {
    case 'I':
        for (int l = 0; l < 8; l++)
            if (g->has_loop[l] && pick(g, 4) == 0) {
                ws_buf_printf(&g->out, "j%d", l);
                return;
            }
        if (pick(g, 6) == 0)
            ws_buf_adds(&g->out, "tid");
        else
            ws_buf_printf(&g->out, "L->a%u", pick(g, 4));
        break;
    case 'U':
        ws_buf_printf(&g->out, "L->u%u", pick(g, 3));
        break;
    case 'Q':
        ws_buf_printf(&g->out, "L->q%u", pick(g, 2));
        break;
    case 'F':
        ws_buf_printf(&g->out, "L->f%u", pick(g, 3));
        break;
    case 'D':
        ws_buf_printf(&g->out, "L->d%u", pick(g, 2));
        break;
    default:
        literal(g, 'B');
    }
}

static void element(gen *g, int depth)
{
    static const struct {
        const char *name;
        int mask;
    } arrays[] = {{"arr", 7}, {"c8", 7}, {"h16", 3}};
    uint32_t a = pick(g, WS_COUNT(arrays));
    ws_buf_printf(&g->out, "L->%s[", arrays[a].name);
    expression(g, 'I', depth - 1);
    ws_buf_printf(&g->out, " & %d]", arrays[a].mask);
}

static void call(gen *g, char type, int depth)
{
    size_t o;
    do {
        o = pick(g, WS_COUNT(ops));
    } while (ops[o].ret[0] != type);
    ws_buf_printf(&g->out, "%s(", ops[o].name);
    for (const char *p = ops[o].params; p; p = strchr(p + 1, ',')) {
        if (*p == ',')
            ws_buf_adds(&g->out, ", ");
        expression(g, *p == ',' ? p[2] : p[1], depth - 1);
    }
    ws_buf_adds(&g->out, ")");
}

static void expression(gen *g, char type, int depth)
{
    uint32_t kind = pick(g, 10);
    if (depth <= 0 || kind < 2)
        kind < 1 ? literal(g, type) : variable(g, type);
    else if (type == 'I' && kind == 2)
        element(g, depth);
    else
        call(g, type, depth);
}

/* ---- statements ---- */

static void statements(gen *g, int depth, int n);

static void condition(gen *g, const char *head)
{
    ws_buf_printf(&g->out, "%s (", head);
    expression(g, 'B', 2);
    ws_buf_adds(&g->out, ") ");
}

static void assignment(gen *g)
{
    static const char types[] = "IIIUUQFFD";
    char type = types[pick(g, sizeof types - 1)];
    if (pick(g, 6) == 0) {
        element(g, 2);
        type = 'I';
    } else {
        bool loop[8];
        memcpy(loop, g->has_loop, sizeof loop);
        memset(g->has_loop, 0, sizeof g->has_loop);
        size_t before;
        do { /* `tid` is no place to assign to */
            before = g->out.n;
            variable(g, type);
            if (strcmp(g->out.p + before, "tid") != 0)
                break;
            g->out.n = before;
            g->out.p[before] = 0;
        } while (true);
        memcpy(g->has_loop, loop, sizeof loop);
    }
    ws_buf_adds(&g->out, " = ");
    expression(g, type, 3);
    ws_buf_adds(&g->out, ";\n");
}

static void loop(gen *g, int depth)
{
    int j = g->n_loops++ % 8;
    if (g->has_loop[j] || g->loops == 2) {
        assignment(g);
        return;
    }
    g->loops++;
    bool counted = pick(g, 3) == 0;
    ws_buf_printf(&g->out, "%sfor (int j%d = 0; j%d < ", pick(g, 2) ? "\n#pragma unroll 1\n" : "",
                  j, j);
    if (counted)
        ws_buf_printf(&g->out, "%u", 2 + pick(g, 6));
    else
        ws_buf_adds(&g->out, "("), expression(g, 'I', 2), ws_buf_adds(&g->out, " & 7)");
    ws_buf_printf(&g->out, "; j%d++) {\n", j);
    g->has_loop[j] = true;
    statements(g, depth - 1, 1 + (int)pick(g, 3));
    if (pick(g, 2)) {
        condition(g, "if");
        ws_buf_adds(&g->out, pick(g, 2) ? "break;\n" : "continue;\n");
        statements(g, depth - 1, 1);
    }
    g->has_loop[j] = false;
    ws_buf_adds(&g->out, "}\n");
    g->loops--;
}

static void choice(gen *g, int depth)
{
    ws_buf_adds(&g->out, "switch (");
    expression(g, 'I', 2);
    ws_buf_adds(&g->out, " & 7) {\n");
    for (uint32_t c = 0; c < 6; c++) {
        ws_buf_printf(&g->out, "case %u:\n", c);
        statements(g, depth - 1, 1);
        if (pick(g, 4))
            ws_buf_adds(&g->out, "break;\n");
    }
    ws_buf_adds(&g->out, "default:\n");
    assignment(g);
    ws_buf_adds(&g->out, "}\n");
}

static void statement(gen *g, int depth)
{
    switch (depth > 0 ? pick(g, 12) : 0) {
    case 8:
    case 9:
        condition(g, "if");
        ws_buf_adds(&g->out, "{\n");
        statements(g, depth - 1, 1 + (int)pick(g, 3));
        if (pick(g, 2)) {
            ws_buf_adds(&g->out, "} else {\n");
            statements(g, depth - 1, 1 + (int)pick(g, 3));
        }
        ws_buf_adds(&g->out, "}\n");
        break;
    case 10:
        loop(g, depth);
        break;
    case 11:
        choice(g, depth);
        break;
    case 7:
        if (pick(g, 4) == 0) {
            condition(g, "if");
            ws_buf_adds(&g->out, "return;\n");
            break;
        } /* falls through */
    default:
        assignment(g);
    }
}

static void statements(gen *g, int depth, int n)
{
    for (int k = 0; k < n; k++)
        statement(g, depth);
}

/* ---- kernels ---- */

static void step(gen *g)
{
    static const char *const kinds[] = {"", "up_", "down_", "xor_"};
    static const int odd[] = {1, 3, 5, 7, 9, 63};
    uint32_t to = pick(g, 4), from = pick(g, 4);
    switch (pick(g, 9)) {
    case 0:
        ws_buf_printf(&g->out, "SHARED_SWAP(a%u, a%u, %d, %u)\n", to, from, odd[pick(g, 6)],
                      pick(g, 64));
        break;
    case 1:
        ws_buf_printf(&g->out, "HISTOGRAM(u%u, a%u)\n", to % 3, from);
        break;
    case 2:
        ws_buf_printf(&g->out, "TREE(a%u, a%u)\n", to, from);
        break;
    case 3:
        ws_buf_printf(&g->out, "SHUFFLE_SIDES(a%u, a%u, %u)\n", to, from, 1 + pick(g, 30));
        break;
    case 4:
        ws_buf_printf(&g->out, "BALLOT(u%u, a%u)\n", to % 3, from);
        break;
    case 5:
        ws_buf_printf(&g->out, "MATCH(u%u, a%u)\n", to % 3, from);
        break;
    case 6:
        ws_buf_printf(&g->out, "REDUX(u%u, a%u)\n", to % 3, from);
        break;
    case 7:
        ws_buf_printf(&g->out, "COUNT(a%u, a%u)\n", to, from);
        break;
    default:
        ws_buf_printf(&g->out, "SHUFFLE(%s, a%u, a%u, %u)\n", kinds[pick(g, 4)], to, from,
                      pick(g, 32));
    }
}

static void kernel(gen *g, int k)
{
    int n = 2 + (int)pick(g, 3);
    for (int s = 0; s < n; s++) {
        ws_buf_printf(&g->out, "%s void k%d_s%d(LANE *L, int tid)\n{\n",
                      pick(g, 2) ? "INLINED" : "CALLED", k, s);
        statements(g, MAX_DEPTH, 3 + (int)pick(g, 4));
        ws_buf_adds(&g->out, "}\n");
    }
    ws_buf_printf(&g->out, "KERNEL(k%d)\n{\nBEGIN\n", k);
    for (int s = 0; s < n; s++) {
        ws_buf_printf(&g->out, "RUN(k%d_s%d)\n", k, s);
        for (uint32_t t = pick(g, 3); t; t--)
            step(g);
    }
    ws_buf_adds(&g->out, "END\n}\n");
}

/* Everything behind the definitions of one side. In host.h, `L` is a macro: parameters come before.
 */
static ws_status program(uint64_t seed, const char *side, ws_buf *out, ws_err *err)
{
    gen g = {.seed = seed};
    char path[64];
    ws_buf_printf(out, "#define N %d\n#define WORDS %d\n", threads_of(seed), WORDS);
    snprintf(path, sizeof path, "tests/fuzz/%s.h", side);
    ws_status st = ws_read_file(path, 1 << 20, out, err);
    ws_buf_adds(
        out,
        "#define OP(r, n, p, e) DEV r n p { return e; }\n#pragma push_macro(\"L\")\n#undef L\n");
    st = st ? st : ws_read_file("tests/fuzz/ops.h", 1 << 20, out, err);
    st = st ? st : ws_read_file("tests/fuzz/lane.h", 1 << 20, out, err);
    for (int k = 0; k < KERNELS && !st; k++) {
        kernel(&g, k);
        char *entry = strstr(g.out.p, "KERNEL(");
        ws_buf_add(out, g.out.p, (size_t)(entry - g.out.p));
        ws_buf_printf(out, "#pragma pop_macro(\"L\")\n%s#pragma push_macro(\"L\")\n#undef L\n",
                      entry);
        ws_buf_reset(&g.out);
    }
    ws_buf_release(&g.out);
    return st;
}

/* ---- running ---- */

typedef void (*host_kernel)(const int *in, uint32_t *out, int block);

static ws_status build_host(uint64_t seed, void **out, ws_err *err)
{
    ws_buf text = {0};
    char c[64], so[64], command[512];
    snprintf(c, sizeof c, "build/fuzz/%llu.c", (unsigned long long)seed);
    snprintf(so, sizeof so, "build/fuzz/%llu.so", (unsigned long long)seed);
    ws_status st = program(seed, "host", &text, err);
    st = st ? st : ws_write_file(c, text.p, text.n, err);
    ws_buf_release(&text);
    snprintf(command, sizeof command,
             "gcc -std=gnu17 -O1 -w -fwrapv -fno-strict-aliasing -ffp-contract=off -shared -fPIC "
             "-o %s %s -lm",
             so, c);
    if (!st && system(command) != 0)
        st = ws_fail(err, WS_EENV, "gcc does not compile %s", c);
    char full[600];
    if (!st && (snprintf(full, sizeof full, "./%s", so), !(*out = dlopen(full, RTLD_NOW))))
        st = ws_fail(err, WS_EENV, "%s", dlerror());
    return st;
}

static void make_inputs(uint64_t seed, int32_t in[INPUTS])
{
    for (int i = 0; i < INPUTS; i++) {
        uint64_t r = ws_philox_u64(seed, 2, (uint64_t)i);
        in[i] = r & 3 ? (int32_t)(r >> 32) : (int32_t)(r >> 32) % 100;
    }
}

/* false: kernel k gave something else, or a finding. */
static bool run_kernel(ptx_module *m, ptx_memory *mem, void *host, int k, uint64_t seed,
                       const uint64_t ptr[2])
{
    static uint32_t got[BLOCKS * MAX_THREADS * WORDS], want[BLOCKS * MAX_THREADS * WORDS];
    const int threads = threads_of(seed), count = BLOCKS * threads * WORDS;
    const size_t bytes = (size_t)count * sizeof *got;
    int32_t in[INPUTS];
    char name[16];
    snprintf(name, sizeof name, "k%d", k);
    host_kernel run;
    *(void **)(void *)&run = dlsym(host, name);
    make_inputs(seed, in);
    for (int b = 0; b < BLOCKS; b++)
        run(in, want, b);
    ptx_options opt = PTX_OPTIONS_CHECKED;
    opt.schedule = (ptx_schedule)(seed % 3);
    opt.seed = seed;
    opt.threads = (int)(1 + seed % 2);
    ptx_launch_args args = {
        .kernel = name, .grid = {BLOCKS, 1, 1}, .block = {(uint32_t)threads, 1, 1}, .params = ptr};
    ptx_report r = {0};
    if (!ptx_memory_write(mem, ptr[0], in, sizeof in) ||
        !ptx_memory_mark_uninitialized(mem, ptr[1], bytes))
        return false;
    if (!ptx_launch(m, mem, &args, &opt, &r)) {
        printf("# seed %llu, %s: %s\n", (unsigned long long)seed, name, r.fault[0].text);
        return false;
    }
    if (!ptx_memory_read(mem, got, ptr[1], bytes))
        return false;
    for (int i = 0; i < count; i++)
        if (got[i] != want[i]) {
            printf("# seed %llu, %s: word %d of thread %d in block %d is %08x on the engine, %08x "
                   "on the host\n",
                   (unsigned long long)seed, name, i % WORDS, i / WORDS % threads,
                   i / WORDS / threads, got[i], want[i]);
            return false;
        }
    return true;
}

static bool run_module(const comp_result *c, void *host, uint64_t seed)
{
    ws_err err = {0};
    ptx_memory *mem = ptx_memory_new();
    ptx_module *m = NULL;
    uint64_t ptr[2] = {ptx_memory_alloc(mem, INPUTS * 4, "in"),
                       ptx_memory_alloc(mem, BLOCKS * MAX_THREADS * WORDS * 4, "out")};
    bool good = ptr[0] && ptr[1] && !ptx_module_load(c->ptx, c->ptx_bytes, mem, &m, &err);
    if (!good)
        printf("# seed %llu: %s\n", (unsigned long long)seed, err.msg);
    for (int k = 0; k < KERNELS && good; k++)
        good = run_kernel(m, mem, host, k, seed, ptr);
    ptx_module_free(m);
    ptx_memory_free(mem);
    return good;
}

static comp_request device_request(uint64_t seed, ws_arena *a)
{
    ws_err err = {0};
    ws_buf text = {0};
    if (program(seed, "device", &text, &err))
        fprintf(stderr, "%s\n", err.msg);
    char *source = ws_arena_strndup(a, text.p, text.n);
    ws_buf_release(&text);
    return (comp_request){.source = source,
                          .source_bytes = strlen(source),
                          .file = "fuzz.cu",
                          .arch = "sm_90",
                          .line_info = true,
                          .fmad = false};
}

static bool run_seed(comp_service *service, uint64_t seed)
{
    ws_arena a = {0};
    ws_err err = {0};
    comp_result c = {0};
    void *host = NULL;
    char path[64];
    comp_request r = device_request(seed, &a);
    comp_prefetch(service, &r);
    bool good = !build_host(seed, &host, &err) && !comp_compile(service, &r, &a, &c, &err);
    if (!good || !c.ok)
        printf("# seed %llu: %s %s\n", (unsigned long long)seed, err.msg, c.ok ? "" : c.diag.text);
    good = good && c.ok && run_module(&c, host, seed);
    snprintf(path, sizeof path, "build/fuzz/%llu.cu", (unsigned long long)seed);
    if (!good && !ws_write_file(path, r.source, r.source_bytes, &err) && c.ptx) {
        snprintf(path, sizeof path, "build/fuzz/%llu.ptx", (unsigned long long)seed);
        if (ws_write_file(path, c.ptx, c.ptx_bytes, &err))
            printf("# %s\n", err.msg);
    }
    if (host)
        dlclose(host);
    snprintf(path, sizeof path, "build/fuzz/%llu.so", (unsigned long long)seed);
    unlink(path);
    snprintf(path, sizeof path, "build/fuzz/%llu.c", (unsigned long long)seed);
    if (good)
        unlink(path);
    ws_arena_release(&a);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    double seconds = argc > 2 ? atof(argv[2]) : 3;
    int64_t start = ws_now_ns();
    comp_service *service = NULL;
    ws_err err = {0};
    int n = 0, bad = 0;
    if (ws_make_dirs("build/fuzz", &err) ||
        comp_service_open(&(comp_service_options){.cache_dir = ""}, &service, &err)) {
        fprintf(stderr, "t_ptx_fuzz: %s\n", err.msg);
        return 3;
    }
    do {
        bad += !run_seed(service, seed++);
        n++;
    } while (ws_seconds_since(start) < seconds);
    printf("%sok 1 - %d random programs of %d kernels agree with the host, %d do not\n1..1\n",
           bad ? "not " : "", n, KERNELS, bad);
    comp_service_close(service);
    return bad != 0;
}
