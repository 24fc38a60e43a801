/* The PTX files of tests/ptx (see ptx_case.h) on the engine: in every schedule, with one thread and
 * two. */
#include "harness/ptx/ptx.h"
#include "tests/ptx_case.h"
#include "tests/tap.h"

#include <glob.h>

typedef struct outcome {
    ptx_report report;
    char printed[1 << 14];
    uint64_t ptr[CASE_BUFFERS];
    uint8_t *data[CASE_BUFFERS];
} outcome;

typedef struct way {
    const char *name;
    ptx_schedule schedule;
    uint64_t seed;
    int threads;
    bool plain; /* all checks off */
} way;
static const way ways[] = {
    {"in order", PTX_SCHED_ROUND_ROBIN, 0, 1, false},
    {"in reverse", PTX_SCHED_REVERSE, 0, 1, false},
    {"at random", PTX_SCHED_RANDOM, 1, 1, false},
    {"at random 2", PTX_SCHED_RANDOM, 2, 1, false},
    {"by two threads", PTX_SCHED_ROUND_ROBIN, 0, 2, false},
    {"without checks", PTX_SCHED_ROUND_ROBIN, 0, 1, true},
};

/* ---- running ---- */

static bool set_buffers(const ptx_case *c, ptx_memory *mem, outcome *o)
{
    bool good = true;
    for (int b = 0; b < c->n_buffers; b++) {
        o->ptr[b] = ptx_memory_alloc(mem, c->buffer[b].bytes, c->buffer[b].name);
        good &=
            o->ptr[b] && (!c->buffer[b].init ||
                          ptx_memory_write(mem, o->ptr[b], c->buffer[b].init, c->buffer[b].bytes));
    }
    return good;
}

static ws_status pack_params(const case_launch *l, const ptx_kernel_info *k, const outcome *o,
                             uint8_t *out, ws_err *err)
{
    if (!k)
        return ws_fail(err, WS_EINPUT, "no kernel '%s'", l->kernel);
    if (k->n_params != l->n_args)
        return ws_fail(err, WS_EINPUT, "%s has %d parameters, not %d", l->kernel, k->n_params,
                       l->n_args);
    for (int p = 0; p < k->n_params; p++) {
        const case_arg *a = &l->arg[p];
        uint64_t ptr = a->buffer >= 0 ? o->ptr[a->buffer] + a->offset : 0;
        if (k->param[p].size != a->bytes)
            return ws_fail(err, WS_EINPUT, "parameter %d of %s has %u bytes", p, l->kernel,
                           k->param[p].size);
        memcpy(out + k->param[p].offset, a->buffer >= 0 ? (const void *)&ptr : a->value, a->bytes);
    }
    return WS_OK;
}

static ws_status run_launches(const ptx_case *c, ptx_module *m, ptx_memory *mem, const way *w,
                              outcome *o, ws_err *err)
{
    for (int n = 0; n < c->n_launches; n++) {
        const case_launch *l = &c->launch[n];
        uint64_t params[64] = {0};
        ws_status st = pack_params(l, ptx_module_find(m, l->kernel), o, (uint8_t *)params, err);
        if (st)
            return st;
        ptx_options opt = {.max_warp_insns = 5000000,
                           .deadline_ms = 20000,
                           .threads = w->threads,
                           .schedule = w->schedule,
                           .seed = w->seed,
                           .check_init = !w->plain,
                           .check_race = !w->plain,
                           .count = !w->plain,
                           .sample_blocks = l->sample};
        ptx_launch_args args = {.kernel = l->kernel,
                                .dynamic_shared_bytes = l->shared,
                                .params = params,
                                .cooperative = l->cooperative};
        memcpy(args.grid, l->grid, sizeof args.grid);
        memcpy(args.block, l->block, sizeof args.block);
        if (!ptx_launch(m, mem, &args, &opt, &o->report))
            break;
    }
    return WS_OK;
}

static ws_status run_case(const ptx_case *c, const way *w, outcome *o, ws_err *err)
{
    memset(o, 0, sizeof *o);
    ptx_memory *mem = ptx_memory_new();
    ptx_module *m = NULL;
    ws_status st = ptx_module_load(c->text.p, c->text.n, mem, &m, err);
    if (!st && !set_buffers(c, mem, o))
        st = ws_fail(err, WS_ELIMIT, "no memory");
    if (!st)
        st = run_launches(c, m, mem, w, o, err);
    for (int b = 0; !st && b < c->n_buffers; b++) {
        o->data[b] = ws_malloc(c->buffer[b].bytes + 1);
        ptx_memory_read(mem, o->data[b], o->ptr[b], c->buffer[b].bytes);
    }
    o->printed[ptx_take_printf(mem, o->printed, sizeof o->printed - 1)] = 0;
    ptx_module_free(m);
    ptx_memory_free(mem);
    return st;
}

static void outcome_release(outcome *o)
{
    for (int b = 0; b < CASE_BUFFERS; b++)
        free(o->data[b]);
}

/* ---- comparing; each adds what is wrong to `out` ---- */

static bool is_nan(const char *type, const uint8_t *p)
{
    uint64_t v = 0, exp;
    memcpy(&v, p, case_type_bytes(type));
    if (type[0] != 'f' && type[0] != 'b')
        return false;
    exp = strcmp(type, "f64") == 0   ? 0x7ffull << 52
          : strcmp(type, "f32") == 0 ? 0xffull << 23
          : type[0] == 'b'           ? 0xffull << 7
                                     : 0x1full << 10;
    uint64_t mantissa = (exp & (~exp + 1)) - 1;
    return (v & exp) == exp && v & mantissa;
}

static void print_element(ws_buf *out, const char *type, const uint8_t *p)
{
    size_t n = case_type_bytes(type);
    uint64_t v = 0;
    double d = 0;
    float f;
    memcpy(&v, p, n);
    memcpy(&f, p, 4 < n ? 4 : n);
    if (n == 8)
        memcpy(&d, p, 8);
    else if (n == 4)
        d = (double)f;
    else if (n == 2)
        d = type[0] == 'b' ? ws_bf16_to_f64((uint16_t)v) : ws_f16_to_f64((uint16_t)v);
    if (type[0] == 'f' || type[0] == 'b')
        ws_buf_printf(out, "%.17g (0x%llx)", d, (unsigned long long)v);
    else
        ws_buf_printf(out, type[0] == 's' ? "%lld" : "%llu",
                      type[0] == 's' ? (long long)(v << (64 - 8 * n)) >> (64 - 8 * n)
                                     : (long long)v);
}

static void compare_buffers(const ptx_case *c, const outcome *o, ws_buf *out)
{
    for (int b = 0; b < c->n_buffers; b++) {
        const case_buffer *x = &c->buffer[b];
        size_t n = case_type_bytes(x->type), bad = 0;
        for (size_t i = 0; x->want && i < x->count; i++) {
            const uint8_t *got = o->data[b] + i * n, *want = x->want + i * n;
            if (memcmp(got, want, n) == 0 || (is_nan(x->type, got) && is_nan(x->type, want)))
                continue;
            if (bad++ < 4) {
                ws_buf_printf(out, "#   %s[%zu] is ", x->name, i);
                print_element(out, x->type, got);
                ws_buf_adds(out, ", not ");
                print_element(out, x->type, want);
                ws_buf_adds(out, "\n");
            }
        }
        if (bad > 4)
            ws_buf_printf(out, "#   %zu elements of %s are wrong\n", bad, x->name);
    }
}

static bool fits(const int64_t want[3], const uint32_t got[3])
{
    return want[0] < 0 || (want[0] == got[0] && want[1] == got[1] && want[2] == got[2]);
}

static void compare_fault(const ptx_case *c, const outcome *o, const way *w, ws_buf *out)
{
    const ptx_fault *f = &o->report.fault[0];
    bool in_order = w == &ways[0], found = o->report.n_faults > 0;
    const char *name = found ? hx_reason_name(f->reason) : "";
    const char *want =
        w->plain && (strstr(c->reason, "race") || strstr(c->reason, "uninit")) ? "" : c->reason;
    if (w->plain && !want[0])
        return;
    bool good = strcmp(name, want) == 0;
    if (good && found && in_order)
        good = fits(c->thread, f->thread) && fits(c->block, f->block) &&
               fits(c->other_thread, f->other_thread) && fits(c->other_block, f->other_block) &&
               (!c->line || c->line == f->line) && (!c->ptx_line || c->ptx_line == f->ptx_line) &&
               (!c->other_line || c->other_line == f->other_line) &&
               (!c->space[0] || strcmp(c->space, f->space) == 0) && strstr(f->text, c->part);
    if (good)
        return;
    if (!found)
        ws_buf_printf(out, "#   no fault, but %s is due\n", want);
    else
        ws_buf_printf(out,
                      "#   %s, line %d (PTX %d), other line %d, space '%s', wanted %s line %d (PTX "
                      "%d) other %d\n#   %s\n",
                      name, f->line, f->ptx_line, f->other_line, f->space, want[0] ? want : "none",
                      c->line, c->ptx_line, c->other_line, f->text);
}

#define COUNTERS(X)                                                                                \
    X(launches)                                                                                    \
    X(blocks) X(warps) X(threads) X(warp_insns) X(thread_insns) X(f32) X(f64) X(f16) X(i32)        \
        X(imul) X(sfu) X(cvt) X(cmp_sel) X(branch) X(divergent_branch) X(tensor) X(mem_insns)      \
            X(barrier_waits) X(shuffle_vote) X(f32_fma_lanes) X(f64_fma_lanes) X(f16_fma_lanes)    \
                X(global_ld_requests) X(global_st_requests) X(global_ld_sectors)                   \
                    X(global_st_sectors) X(global_ld_bytes) X(global_st_bytes)                     \
                        X(global_atomic_requests) X(global_atomic_lanes) X(unique_ld_sectors)      \
                            X(unique_st_sectors) X(shared_requests) X(shared_wavefronts)           \
                                X(shared_atomic_lanes) X(local_requests)                          \
                                    X(max_block_warp_insns) X(max_warp_insns)
#define ROW(name) {#name, offsetof(ptx_counters, name)},
static const struct {
    const char *name;
    size_t offset;
} counters[] = {COUNTERS(ROW)};

static void compare_counters(const ptx_case *c, const outcome *o, ws_buf *out)
{
    for (int k = 0; k < c->n_counts; k++) {
        const uint64_t *v = NULL;
        for (size_t n = 0; n < WS_COUNT(counters); n++)
            if (strcmp(counters[n].name, c->count[k].name) == 0)
                v = (const uint64_t *)(const void *)((const char *)&o->report.counters +
                                                     counters[n].offset);
        if (!v)
            ws_buf_printf(out, "#   there is no counter %s\n", c->count[k].name);
        else if (*v != c->count[k].value)
            ws_buf_printf(out, "#   %s is %llu, not %llu\n", c->count[k].name,
                          (unsigned long long)*v, (unsigned long long)c->count[k].value);
    }
}

/* What one thread counted, two count. */
static void compare_runs(const outcome *one, const outcome *two, ws_buf *out)
{
    for (size_t n = 0; n < WS_COUNT(counters) && !one->report.n_faults; n++) {
        const char *a = (const char *)&one->report.counters + counters[n].offset;
        const char *b = (const char *)&two->report.counters + counters[n].offset;
        if (memcmp(a, b, sizeof(uint64_t)) != 0)
            ws_buf_printf(out, "#   %s differs from one thread's\n", counters[n].name);
    }
    const ptx_fault *f = &one->report.fault[0], *g = &two->report.fault[0];
    if (one->report.n_faults && two->report.n_faults &&
        (f->reason != g->reason || f->line != g->line ||
         memcmp(f->block, g->block, sizeof f->block) != 0))
        ws_buf_printf(out, "#   found %s\n#   one thread %s\n", g->text, f->text);
}

static void check_way(const ptx_case *c, const way *w, const outcome *first, outcome *o,
                      ws_buf *out)
{
    ws_err err = {0};
    if (run_case(c, w, o, &err)) {
        ws_buf_printf(out, "#   %s\n", err.msg);
        return;
    }
    compare_fault(c, o, w, out);
    if (!o->report.n_faults)
        compare_buffers(c, o, out);
    if (w->schedule == PTX_SCHED_ROUND_ROBIN && w->threads == 1 && c->wants_printed &&
        strcmp(o->printed, ws_buf_z(&c->printed)) != 0)
        ws_buf_printf(out, "#   printed '%s'\n#   wanted  '%s'\n", o->printed,
                      ws_buf_z(&c->printed));
    if (!w->plain && !o->report.n_faults)
        compare_counters(c, o, out);
    if (w->threads > 1 && !c->any_order)
        compare_runs(first, o, out);
}

static void check_file(const char *path)
{
    ptx_case c;
    ws_err err = {0};
    ws_buf all = {0};
    outcome *first = ws_calloc(1, sizeof *first), *o = ws_calloc(1, sizeof *o);
    if (case_load(path, &c, &err))
        ws_buf_printf(&all, "#   %s\n", err.msg);
    for (size_t w = 0; !err.msg[0] && w < WS_COUNT(ways); w++) {
        ws_buf wrong = {0};
        outcome *to = w ? o : first;
        check_way(&c, &ways[w], first, to, &wrong);
        if (wrong.n)
            ws_buf_printf(&all, "# run %s:\n%s", ways[w].name, wrong.p);
        ws_buf_release(&wrong);
        if (w)
            outcome_release(o);
    }
    outcome_release(first);
    if (!ok(!all.n, "%s", path))
        fputs(ws_buf_z(&all), stdout);
    ws_buf_release(&all);
    case_release(&c);
    free(first);
    free(o);
}

int main(int argc, char **argv)
{
    glob_t g = {0};
    for (int k = 1; k < argc; k++)
        check_file(argv[k]);
    if (argc > 1)
        return tap_done();
    if (glob("tests/ptx/*.ptx", 0, NULL, &g))
        return ok(false, "tests/ptx/*.ptx are there"), tap_done();
    for (size_t k = 0; k < g.gl_pathc; k++)
        check_file(g.gl_pathv[k]);
    globfree(&g);
    return tap_done();
}
