/* The counters against values computed by hand: the PTX files of tests/ptx/counters say what they are and why. On every
 * kind of CPU's code that this CPU executes, with and without checks; and what must hold for any kernel. */
#include "base/file.h"
#include "harness/ptx/case.h"
#include "harness/ptx/variant.h"
#include "tests/tap.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_FILES = 40 };

typedef struct way {
    const char *engine; /* NULL: the best */
    bool checks;
} way;
static const way ways[] = {{NULL, false}, {NULL, true}, {"avx2", false}, {"baseline", false}};

static void print_comment(const ws_buf *text)
{
    for (const char *p = ws_buf_z(text); *p; p += strcspn(p, "\n") + 1)
        printf("# %.*s\n", (int)strcspn(p, "\n"), p);
}

static bool runs_here(const char *engine)
{
    const char *name = "";
    bool yes = true;
    for (int k = 0; engine && strcmp(name, engine) != 0; k++)
        if (!ptx_variant_at(k, &name, &yes))
            return false;
    return yes;
}

/* ---- what holds for any kernel ---- */

static void expect(const char *what, uint64_t got, uint64_t want, ws_buf *out)
{
    if (got != want)
        ws_buf_printf(out, "  %s: %llu, not %llu\n", what, (unsigned long long)got, (unsigned long long)want);
}

static void check_sums(const ptx_counters *c, ws_buf *out)
{
    expect("units add up to instructions",
           c->f32 + c->f64 + c->f16 + c->i32 + c->imul + c->sfu + c->cvt + c->cmp_sel + c->branch + c->tensor +
               c->mem_insns + c->barrier_insns + c->shuffle_vote + c->other_insns,
           c->warp_insns, out);
    expect("lanes, idle or not", c->thread_insns + c->idle_lanes, 32 * c->warp_insns, out);
    expect("shared requests", c->shared_ld_requests + c->shared_st_requests + c->shared_atomic_requests,
           c->shared_requests, out);
    expect("local requests", c->local_ld_requests + c->local_st_requests, c->local_requests, out);
    if (c->l2_ld_sectors + c->l2_atomic_sectors)
        expect("L2 has it or DRAM does", c->l2_hit_sectors + c->dram_ld_bytes / 32,
               c->l2_ld_sectors + c->l2_atomic_sectors, out);
}

/* The table of lines against the counters. */
static void check_lines(const ptx_report *r, ws_buf *out)
{
    const ptx_counters *c = &r->counters;
    ptx_line_row sum = {0};
    for (int i = 0; i < r->lines->n; i++) {
        const ptx_line_row *l = &r->lines->line[i];
        sum.warp_insns += l->warp_insns;
        sum.thread_insns += l->thread_insns;
        sum.global_requests += l->global_requests;
        sum.sectors += l->sectors;
        sum.ideal_sectors += l->ideal_sectors;
        sum.l1_hits += l->l1_hits;
        sum.dram_sectors += l->dram_sectors;
        sum.shared_requests += l->shared_requests;
        sum.wavefronts += l->wavefronts;
        sum.conflicts += l->conflicts;
        sum.divergent_branches += l->divergent_branches;
        sum.atomic_passes += l->atomic_passes;
        sum.local_requests += l->local_requests;
    }
    expect("lines: warp instructions", sum.warp_insns, c->warp_insns, out);
    expect("lines: thread instructions", sum.thread_insns, c->thread_insns, out);
    expect("lines: global requests", sum.global_requests,
           c->global_ld_requests + c->global_st_requests + c->global_atomic_requests, out);
    expect("lines: sectors", sum.sectors, c->global_ld_sectors + c->global_st_sectors + c->global_atomic_sectors,
           out);
    expect("lines: L1 hits", sum.l1_hits, c->l1_hit_sectors, out);
    expect("lines: DRAM", 32 * sum.dram_sectors, c->dram_ld_bytes, out);
    expect("lines: shared requests", sum.shared_requests, c->shared_requests, out);
    expect("lines: wavefronts", sum.wavefronts, c->shared_wavefronts, out);
    expect("lines: conflicts", sum.conflicts, c->shared_bank_conflicts, out);
    expect("lines: divergent branches", sum.divergent_branches, c->divergent_branch, out);
    expect("lines: atomic passes", sum.atomic_passes, c->global_atomic_passes + c->shared_atomic_passes, out);
    expect("lines: local requests", sum.local_requests, c->local_requests, out);
}

/* ---- files ---- */

static bool run(const ptx_case *c, const way *w, int threads, ptx_case_outcome *o, ws_buf *out)
{
    ws_err err = {0};
    if (w->engine ? setenv("WARPSMITH_ENGINE", w->engine, 1) : unsetenv("WARPSMITH_ENGINE"))
        ws_bug("no memory for an environment variable");
    ptx_options opt = {.max_warp_insns = 5000000, .deadline_ms = 20000, .threads = threads,
                       .check_init = w->checks, .check_race = w->checks, .count = true, .lines = true};
    if (threads == 1)
        opt.cache = c->cache;
    if (ptx_case_run(c, &opt, o, &err))
        ws_buf_printf(out, "  %s\n", err.msg);
    else if (o->report.n_faults)
        ws_buf_printf(out, "  %s\n", o->report.fault[0].text);
    return !err.status && !o->report.n_faults;
}

static void check_file(const char *path)
{
    static ptx_case_outcome o, two;
    ptx_case c;
    ws_err err = {0};
    ws_buf wrong = {0};
    if (ptx_case_load(path, &c, &err))
        ws_buf_printf(&wrong, "  %s\n", err.msg);
    if (!err.status && !c.n_counts)
        ws_buf_printf(&wrong, "  no counter is expected\n");
    for (size_t k = 0; k < WS_COUNT(ways) && !err.status; k++) {
        if (!runs_here(ways[k].engine))
            continue;
        if (run(&c, &ways[k], 1, &o, &wrong)) {
            ptx_case_judge_counters(&c, &o.report.counters, &wrong);
            check_sums(&o.report.counters, &wrong);
            check_lines(&o.report, &wrong);
        }
        if (!k && !c.cache.sms && run(&c, &ways[k], 2, &two, &wrong))
            ptx_case_judge_runs(&two.report, &o.report, &wrong);
        ptx_case_outcome_release(&o);
        ptx_case_outcome_release(&two);
    }
    ok(!wrong.n, "%s", path);
    print_comment(&wrong);
    ptx_case_release(&c);
    ws_buf_release(&wrong);
}

/* docs/profile.md has a row for each. */
static void check_docs(void)
{
    static const char *const names[] = {
#define X(name, metric, says) #name,
#include "harness/ptx/counters.def"
#undef X
    };
    ws_buf text = {0}, missing = {0};
    ws_err err = {0};
    if (ws_read_file("docs/profile.md", 1 << 20, &text, &err))
        ws_buf_printf(&missing, "%s", err.msg);
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        char row[64];
        snprintf(row, sizeof row, "\n| `%s` |", names[i]);
        if (!strstr(ws_buf_z(&text), row))
            ws_buf_printf(&missing, "%s ", names[i]);
    }
    ok(!missing.n, "docs/profile.md has every counter: %s", ws_buf_z(&missing));
    ws_buf_release(&text);
    ws_buf_release(&missing);
}

int main(void)
{
    glob_t files = {0};
    if (glob("tests/ptx/counters/*.ptx", 0, NULL, &files))
        files.gl_pathc = 0;
    for (size_t i = 0; i < files.gl_pathc; i++)
        check_file(files.gl_pathv[i]);
    ok(files.gl_pathc >= LEAST_FILES, "there are %d files", (int)files.gl_pathc);
    globfree(&files);
    check_docs();
    return tap_done();
}
