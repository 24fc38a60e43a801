/* warpsmith ptx run: PTX cases on the engine or a GPU, with findings as compute-sanitizer prints
 * them. */
#include "agent/cli.h"
#include "agent/cmd/ptx_counters.h"
#include "base/json.h"
#include "harness/case_driver.h"
#include "harness/ptx/sanitizer.h"
#include "harness/timing/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *tool, *schedule, *device, *mma_model, *gpu;
    int64_t seed, threads, max_insns;
    bool no_check, leaks, unused, counters, lines;
} options;

static const ws_opt option_table[] = {
    {.name = "tool",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, tool),
     .fallback = "all",
     .choices = "all|memcheck|racecheck|initcheck|synccheck",
     .arg = "TOOL",
     .help = "whose findings to print; bounds, alignment and barriers are always checked",
     .group = "Checks"},
    {.name = "no-check",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, no_check),
     .help = "neither races nor uninitialised memory",
     .group = "Checks"},
    {.name = "leak-check",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, leaks),
     .help = "tell what kernels allocated and did not free",
     .group = "Checks"},
    {.name = "track-unused-memory",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, unused),
     .help = "tell which bytes of buffers nobody wrote",
     .group = "Checks"},
    {.name = "counters",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, counters),
     .help = "print what was executed and which memory traffic it made: docs/profile.md",
     .group = "Counters"},
    {.name = "lines",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, lines),
     .help = "the same by source lines, as far as the PTX has .loc",
     .group = "Counters"},
    {.name = "gpu",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, gpu),
     .arg = "NAME",
     .help = "count what the caches of this GPU do, too, which takes two to six times as long",
     .group = "Counters"},
    {.name = "schedule",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, schedule),
     .fallback = "order",
     .choices = "order|reverse|random",
     .arg = "ORDER",
     .help = "in which order blocks and warps run",
     .group = "Engine"},
    {.name = "seed",
     .type = WS_OPT_INT,
     .offset = offsetof(options, seed),
     .fallback = "1",
     .arg = "N",
     .help = "of --schedule random",
     .group = "Engine"},
    {.name = "threads",
     .type = WS_OPT_INT,
     .offset = offsetof(options, threads),
     .fallback = "0",
     .max = 64,
     .arg = "N",
     .help = "host threads; 0: one a core",
     .group = "Engine"},
    {.name = "max-insns",
     .type = WS_OPT_INT,
     .offset = offsetof(options, max_insns),
     .fallback = "200M",
     .arg = "N",
     .help = "end a launch after so many warp instructions; 0: never",
     .group = "Engine"},
    {.name = "mma-model",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, mma_model),
     .fallback = "target",
     .choices = CLI_MMA_MODELS,
     .arg = "MODEL",
     .help = "how sums of mma round: as the PTX's .target, on that GPU, or exactly",
     .group = "Engine"},
    {.name = "device",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, device),
     .fallback = "engine",
     .choices = "engine|cpu|gpu",
     .arg = "WHERE",
     .help = "the engine itself, the CPU driver over it, or a GPU, where values are compared",
     .group = "Engine"},
    CLI_COMMON_OPTIONS};

typedef struct job {
    const options *o;
    ptx_options engine;
    int tools;
    cu_device *device; /* NULL: the engine itself */
    cJSON *rows;       /* NULL: text */
    int good, bad, skipped;
} job;

static int tools_of(const char *name)
{
    const ptx_tool t = ptx_tool_named(name, strlen(name));
    return t ? (int)t : PTX_TOOL_ALL;
}

static ptx_options engine_options(const options *o, int tools)
{
    ptx_options e = PTX_OPTIONS_CHECKED;
    e.max_warp_insns = (uint64_t)o->max_insns;
    e.threads = (int)o->threads;
    e.seed = (uint64_t)o->seed;
    e.mma_model = cli_mma_model(o->mma_model);
    e.schedule = o->schedule[0] == 'o'   ? PTX_SCHED_ROUND_ROBIN
                 : o->schedule[2] == 'v' ? PTX_SCHED_REVERSE
                                         : PTX_SCHED_RANDOM;
    e.check_race = !o->no_check && tools & PTX_TOOL_RACECHECK;
    e.check_init = !o->no_check && tools & PTX_TOOL_INITCHECK;
    e.count = o->counters || o->lines;
    e.lines = o->lines;
    if (o->gpu)
        e.cache = tim_cache_of(tim_gpu_find(o->gpu));
    return e;
}

/* ---- one file ---- */

static void judge(const job *j, const ptx_case *c, const ptx_case_outcome *o, ws_buf *wrong)
{
    bool in_order = j->engine.schedule == PTX_SCHED_ROUND_ROBIN;
    bool refused =
        j->device && o->report.n_faults && o->report.fault[0].reason == HX_INVALID_LAUNCH;
    bool gpu = j->device && !cu_is_engine(j->device);
    if (!gpu)
        ptx_case_judge_fault(c, &j->engine, &o->report, in_order && !refused, wrong);
    if (!o->report.n_faults)
        ptx_case_judge_buffers(c, o, wrong);
    if (!o->report.n_faults && !j->device)
        ptx_case_judge_rest(c, o, wrong);
    if (!gpu && in_order)
        ptx_case_judge_printed(c, o, wrong);
    if (!gpu && !o->report.n_faults && j->engine.check_race && j->engine.check_init)
        ptx_case_judge_counters(c, &o->report.counters, wrong);
}

static cJSON *finding_json(const ptx_fault *f)
{
    cJSON *o = cJSON_CreateObject();
    ws_buf text = {0};
    ptx_sanitizer_fault(f, &text);
    cJSON_AddStringToObject(o, "tool", ptx_tool_name(ptx_tool_of(f)));
    cJSON_AddStringToObject(o, "reason", hx_reason_name(f->reason));
    cJSON_AddStringToObject(o, "severity", f->severity == PTX_SEV_WARNING ? "warning" : "error");
    cJSON_AddStringToObject(o, "kernel", f->kernel);
    cJSON_AddStringToObject(o, "file", f->file);
    cJSON_AddNumberToObject(o, "line", f->line);
    cJSON_AddNumberToObject(o, "ptx_line", f->ptx_line);
    cJSON_AddStringToObject(o, "instruction", f->insn);
    cJSON *thread = cJSON_AddArrayToObject(o, "thread"),
          *block = cJSON_AddArrayToObject(o, "block");
    for (int d = 0; d < 3; d++) {
        cJSON_AddItemToArray(thread, cJSON_CreateNumber(f->thread[d]));
        cJSON_AddItemToArray(block, cJSON_CreateNumber(f->block[d]));
    }
    cJSON_AddNumberToObject(o, "count", (double)(1 + f->count));
    cJSON_AddStringToObject(o, "text", f->text);
    cJSON_AddStringToObject(o, "report", ws_buf_z(&text));
    ws_buf_release(&text);
    return o;
}

static void counted_json(const job *j, const ptx_report *r, cJSON *row)
{
    if (j->o->counters)
        cJSON_AddItemToObject(row, "counters", ptx_counters_json(&r->counters));
    if (j->o->lines && r->lines) {
        cJSON_AddItemToObject(row, "lines", ptx_lines_json(r->lines));
        cJSON_AddBoolToObject(row, "lines_full", r->lines->full);
    }
}

static void add_row(job *j, const char *path, const char *verdict, const ptx_report *r,
                    const ws_buf *wrong)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "file", path);
    cJSON_AddStringToObject(row, "verdict", verdict);
    cJSON_AddStringToObject(row, "unexpected", ws_buf_z(wrong));
    cJSON *findings = cJSON_AddArrayToObject(row, "findings");
    for (int n = 0; r && n < r->n_faults; n++)
        if (!ptx_tool_of(&r->fault[n]) || (int)ptx_tool_of(&r->fault[n]) & j->tools)
            cJSON_AddItemToArray(findings, finding_json(&r->fault[n]));
    if (r)
        counted_json(j, r, row);
    cJSON_AddItemToArray(j->rows, row);
}

static void print_row(const job *j, const char *path, const char *verdict,
                      const ptx_case_outcome *o, const ws_buf *wrong)
{
    ws_buf text = {0};
    printf("%s: %s\n", path, verdict);
    if (o && o->printed[0])
        printf("%s%s", o->printed, o->printed[strlen(o->printed) - 1] == '\n' ? "" : "\n");
    if (o && o->report.n_faults) {
        ptx_sanitizer_report(&o->report, j->tools, &text);
        fputs(ws_buf_z(&text), stdout);
    }
    ws_buf counted = {0};
    if (o && j->o->counters)
        ptx_counters_text(&o->report.counters, &counted);
    if (o && j->o->counters && !o->report.counters.l2_ld_sectors && !o->report.counters.l2_st_sectors)
        ws_buf_adds(&counted, "  caches: not counted; --gpu h100 does\n");
    if (o && j->o->lines && o->report.lines)
        ptx_lines_text(o->report.lines, &counted);
    fputs(ws_buf_z(&counted), stdout);
    ws_buf_release(&counted);
    if (o && j->o->leaks)
        fputs(ws_buf_z(&o->leaks), stdout);
    if (o && j->o->unused)
        fputs(ws_buf_z(&o->unused), stdout);
    fputs(ws_buf_z(wrong), stdout);
    ws_buf_release(&text);
}

static void tell(job *j, const char *path, const char *verdict, const ptx_case_outcome *o,
                 const ws_buf *wrong)
{
    if (j->rows)
        add_row(j, path, verdict, o ? &o->report : NULL, wrong);
    else if (!j->o->common.quiet || wrong->n || j->o->counters || j->o->lines)
        print_row(j, path, verdict, o, wrong);
}

/* What a file wants counted is, with the caches that it names. */
static ws_status run_case(const job *j, const ptx_case *c, ptx_case_outcome *o, ws_err *err)
{
    ptx_options engine = j->engine;
    engine.count |= c->n_counts > 0;
    if (c->cache.sms && !j->o->gpu)
        engine.cache = c->cache;
    if (!c->n_launches) {
        ws_fail(err, WS_EINPUT, "%s: no '// launch:' line", c->path);
        ws_hint(err, "launches, buffers and expectations stand in the file's comments: "
                     "// launch: KERNEL grid 2 block 64 (NAME, s32 5)");
        return err->status;
    }
    return j->device ? case_driver_run(j->device, c, &engine, o, err)
                     : ptx_case_run(c, &engine, o, err);
}

static ws_status run_file(job *j, const char *path, ws_err *err)
{
    ptx_case c;
    ptx_case_outcome *o = ws_calloc(1, sizeof *o);
    ws_buf wrong = {0};
    ws_status st = ptx_case_load(path, &c, err);
    const char *why = !st && j->device ? case_driver_skips(j->device, &c) : NULL;
    if (st) {
        st = ws_wrap(err, "%s", path);
    } else if (why) {
        ws_buf_printf(&wrong, "  skipped: %s\n", why);
        tell(j, path, "skipped", NULL, &wrong);
        j->skipped++;
    } else if (!(st = run_case(j, &c, o, err))) {
        judge(j, &c, o, &wrong);
        *(wrong.n ? &j->bad : &j->good) += 1;
        tell(j, path, wrong.n ? "not as expected" : "as expected", o, &wrong);
    }
    ptx_case_outcome_release(o);
    ptx_case_release(&c);
    ws_buf_release(&wrong);
    free(o);
    return st;
}

/* ---- the command ---- */

static void sum_up(job *j, int *exit_code)
{
    if (j->rows) {
        cJSON *all = cJSON_CreateObject();
        cJSON_AddNumberToObject(all, "schema", 1);
        cJSON_AddNumberToObject(all, "as_expected", j->good);
        cJSON_AddNumberToObject(all, "not_as_expected", j->bad);
        cJSON_AddNumberToObject(all, "skipped", j->skipped);
        cJSON_AddItemToObject(all, "files", j->rows);
        cli_print_json(all);
    } else {
        printf("%d as expected, %d not, %d skipped\n", j->good, j->bad, j->skipped);
    }
    *exit_code = j->bad != 0;
}

static ws_status check_counting(const options *o, ws_err *err)
{
    if ((o->counters || o->lines) && strcmp(o->device, "gpu") == 0)
        return ws_fail(err, WS_EUSAGE, "--counters and --lines are of the engine, not of --device gpu");
    if (o->gpu && !o->counters && !o->lines)
        return ws_fail(err, WS_EUSAGE, "--gpu is for --counters and --lines");
    return o->gpu ? cli_check_gpu(o->gpu, err) : WS_OK;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    job j = {.o = o, .tools = tools_of(o->tool)};
    ws_status st = check_counting(o, err);
    if (st)
        return st;
    j.engine = engine_options(o, j.tools);
    if (strcmp(o->device, "engine") != 0)
        st = cu_open(o->device, &j.device, err);
    j.rows = !st && o->common.json ? cJSON_CreateArray() : NULL;
    for (int n = 0; n < nargs && !st; n++)
        st = run_file(&j, args[n], err);
    if (!st)
        sum_up(&j, exit_code);
    else
        cJSON_Delete(j.rows);
    if (j.device)
        cu_close(j.device);
    return st;
}

const cli_command cmd_ptx_run = {
    .doc = {.name = "ptx run",
            .summary = "run PTX files with the launches and expectations in their comments",
            .usage = "FILE.ptx... [options]",
            .details = "A file says in comments which buffers its kernels get, how they are "
                       "launched, and what should "
                       "come of it:\n\n"
                       "    // buffer: out s32[64] = 0\n"
                       "    // launch: k grid 2 block 32 (out, s32 5)\n"
                       "    // want: out = i * 2\n"
                       "    // fault: out_of_bounds thread 3 block 0\n\n"
                       "Every access is checked for bounds, alignment, initialisation and races, "
                       "every barrier for its "
                       "threads; findings are printed as compute-sanitizer prints them. Exit code "
                       "0: all is as expected.",
            .examples = "warpsmith ptx run tests/ptx/*.ptx -q\n"
                        "warpsmith ptx run --tool racecheck --schedule random --seed 7 "
                        "tests/ptx/race_tree.ptx\n"
                        "warpsmith ptx run --counters --lines --gpu h100 tests/ptx/counters/cache_rereads.ptx\n"
                        "warpsmith ptx run --device gpu tests/ptx/*.ptx",
            .options = option_table,
            .min_args = 1,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
