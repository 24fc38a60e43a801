/* The PTX files of tests/ptx (see harness/ptx/case.h) on the engine: in every schedule, with one
 * thread and two, and on every kind of CPU's code that this CPU executes. */
#include "harness/ptx/case.h"
#include "harness/ptx/variant.h"
#include "tests/tap.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

typedef struct way {
    const char *name;
    ptx_schedule schedule;
    uint64_t seed;
    int threads;
    bool plain; /* all checks off */
    const char *engine; /* NULL: the best */
} way;
static const way ways[] = {
    {"in order", PTX_SCHED_ROUND_ROBIN, 0, 1, false, NULL},
    {"in reverse", PTX_SCHED_REVERSE, 0, 1, false, NULL},
    {"at random", PTX_SCHED_RANDOM, 1, 1, false, NULL},
    {"at random 2", PTX_SCHED_RANDOM, 2, 1, false, NULL},
    {"by two threads", PTX_SCHED_ROUND_ROBIN, 0, 2, false, NULL},
    {"without checks", PTX_SCHED_ROUND_ROBIN, 0, 1, true, NULL},
    {"on the engine for AVX2", PTX_SCHED_ROUND_ROBIN, 0, 1, false, "avx2"},
    {"on the engine for any CPU", PTX_SCHED_ROUND_ROBIN, 0, 1, false, "baseline"},
};

/* The suite of planted faults and of correct kernels that no checker may complain about. */
enum { LEAST_FAULTS = 170, LEAST_SILENT = 220 };
static int n_faults, n_silent;

static void check_way(const ptx_case *c, const way *w, const ptx_case_outcome *first,
                      ptx_case_outcome *o, ws_buf *out)
{
    ws_err err = {0};
    if (w->engine ? setenv("WARPSMITH_ENGINE", w->engine, 1) : unsetenv("WARPSMITH_ENGINE"))
        ws_bug("no memory for an environment variable");
    ptx_options opt = {.max_warp_insns = 5000000,
                       .deadline_ms = 20000,
                       .threads = w->threads,
                       .schedule = w->schedule,
                       .seed = w->seed,
                       .check_init = !w->plain,
                       .check_race = !w->plain,
                       .count = !w->plain};
    if (ptx_case_run(c, &opt, o, &err)) {
        ws_buf_printf(out, "  %s\n", err.msg);
        return;
    }
    bool found = o->report.n_faults > 0;
    ptx_case_judge_fault(c, &opt, &o->report, w == &ways[0], out);
    if (!found) {
        ptx_case_judge_buffers(c, o, out);
        ptx_case_judge_rest(c, o, out);
    }
    if (w->schedule == PTX_SCHED_ROUND_ROBIN && w->threads == 1)
        ptx_case_judge_printed(c, o, out);
    if (!w->plain && !found && !(c->any_order && w->schedule == PTX_SCHED_RANDOM))
        ptx_case_judge_counters(c, &o->report.counters, out);
    if (w->threads > 1 && !c->any_order)
        ptx_case_judge_runs(&first->report, &o->report, out);
}

static void print_comment(const ws_buf *text)
{
    for (const char *p = ws_buf_z(text); *p; p += strcspn(p, "\n") + 1)
        printf("# %.*s\n", (int)strcspn(p, "\n"), p);
}

static bool runs_here(const way *w)
{
    const char *name = "";
    bool yes = true;
    for (int k = 0; w->engine && strcmp(name, w->engine) != 0; k++)
        if (!ptx_variant_at(k, &name, &yes))
            return false;
    return yes;
}

static void check_file(const char *path)
{
    ptx_case c;
    ws_err err = {0};
    ws_buf all = {0};
    ptx_case_outcome *first = ws_calloc(1, sizeof *first), *o = ws_calloc(1, sizeof *o);
    if (ptx_case_load(path, &c, &err))
        ws_buf_printf(&all, "  %s\n", err.msg);
    for (size_t w = 0; !err.msg[0] && w < WS_COUNT(ways); w++) {
        ws_buf wrong = {0};
        if (!runs_here(&ways[w]))
            continue;
        check_way(&c, &ways[w], first, w ? o : first, &wrong);
        if (wrong.n)
            ws_buf_printf(&all, "run %s:\n%s", ways[w].name, wrong.p);
        ws_buf_release(&wrong);
        if (w)
            ptx_case_outcome_release(o);
    }
    ptx_case_outcome_release(first);
    *(c.reason[0] ? &n_faults : &n_silent) += 1;
    if (!ok(!all.n, "%s", path))
        print_comment(&all);
    ws_buf_release(&all);
    ptx_case_release(&c);
    free(first);
    free(o);
}

static void check_engine_names(void)
{
    ptx_module *m = NULL;
    ws_err err = {0};
    setenv("WARPSMITH_ENGINE", "none", 1);
    ok(ptx_module_load("", 0, NULL, &m, &err) == WS_EENV && strstr(err.msg, "'none'") && !m,
       "an engine that there is not is an error");
    unsetenv("WARPSMITH_ENGINE");
}

int main(int argc, char **argv)
{
    glob_t g = {0};
    for (int k = 1; k < argc; k++)
        check_file(argv[k]);
    if (argc > 1)
        return tap_done();
    check_engine_names();
    if (glob("tests/ptx/*.ptx", 0, NULL, &g))
        return ok(false, "tests/ptx/*.ptx are there"), tap_done();
    for (size_t k = 0; k < g.gl_pathc; k++)
        check_file(g.gl_pathv[k]);
    ok(n_faults >= LEAST_FAULTS, "%d planted faults, at least %d", n_faults, LEAST_FAULTS);
    ok(n_silent >= LEAST_SILENT, "%d correct kernels, at least %d", n_silent, LEAST_SILENT);
    globfree(&g);
    return tap_done();
}
