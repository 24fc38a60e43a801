#include "agent/cli.h"
#include "agent/cmd/profile_print.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *arch, *gpu, *depth;
    int64_t seed, tier;
    double timeout;
    bool explain;
} options;

static const ws_opt option_table[] = {
    {.name = "gpu",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, gpu),
     .fallback = "h100",
     .arg = "NAME",
     .help = "GPU whose limits and peaks are taken, any of the cost model's",
     .group = "Device"},
    {.name = "arch",
     .type = WS_OPT_STRING,
     .offset = offsetof(options, arch),
     .arg = "ARCH",
     .help = "compile for this architecture; without, for that of --gpu",
     .group = "Device"},
    {.name = "tier",
     .type = WS_OPT_INT,
     .offset = offsetof(options, tier),
     .fallback = "2",
     .arg = "N",
     .help = "performance counters of the GPU, where there is one: 13, 21 or 31 in 1, 3 or 6 "
             "passes; 0: "
             "none",
     .group = "Device",
     .min = 0,
     .max = PROF_TIERS},
    {.name = "depth",
     .type = WS_OPT_CHOICE,
     .offset = offsetof(options, depth),
     .fallback = "quick",
     .choices = "quick|full",
     .arg = "DEPTH",
     .help = "how much of 'warpsmith verify' comes first: a wrong kernel has no findings",
     .group = "Checks"},
    {.name = "seed",
     .type = WS_OPT_INT,
     .offset = offsetof(options, seed),
     .fallback = "0",
     .arg = "N",
     .help = "seed of the inputs; 0 takes a fresh one",
     .group = "Checks"},
    {.name = "timeout",
     .type = WS_OPT_SECONDS,
     .offset = offsetof(options, timeout),
     .fallback = "25s",
     .arg = "TIME",
     .help = "processor time of one run",
     .group = "Checks"},
    {.name = "explain",
     .type = WS_OPT_FLAG,
     .offset = offsetof(options, explain),
     .help = "take the modelled time apart: each term with its formula, inputs and constants",
     .group = "Output"},
    CLI_COMMON_OPTIONS};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print(const profile_report *r, bool json)
{
    ws_buf text = {0};
    if (json) {
        cli_print_json(profile_print_json(r));
        return;
    }
    profile_print_text(r, &text);
    fputs(ws_buf_z(&text), stdout);
    ws_buf_release(&text);
}

/* The verdict, and what can be said without running anything. */
static ws_status profile(const options *o, vfy_session *session, const ws_buf *source,
                         profile_report *r, ws_arena *a, int *exit_code, ws_err *err)
{
    vfy_profile p;
    vfy_counted counted = {0};
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    ptx_lines *lines = ws_calloc(1, sizeof *lines);
    const ws_env env = spec_env(r->spec, -1);
    ref_graph *g = NULL;
    const vfy_options vo = {.arch = r->arch, .gpu = o->gpu, .seed = (uint64_t)o->seed,
                            .depth = strcmp(o->depth, "full") == 0 ? VFY_FULL : VFY_QUICK,
                            .device = "cpu", .wall_seconds = o->timeout, .max_level = VFY_EMULATED,
                            .file = r->file, .survey = true,
                            /* The sample runs the PTX, which has its lines; registers come after. */
                            .lines = lines, .assemble_below = (double)INFINITY};
    r->source = ws_buf_z(source);
    r->p = &p;
    r->v = v;
    r->counted = &counted;
    r->lines = lines;
    ws_status st = ref_graph_new(r->spec, &g, err);
    if (!st)
        st = ref_cost_at(g, &env, &r->cost, err);
    if (!st)
        st = vfy_profile_make(session, r->source, source->n, r->file, r->arch, r->gpu, a, &p, err);
    if (!st)
        st = vfy_verify(session, r->source, source->n, &vo, v, err);
    if (!st && v->reason == HX_PASS)
        st = vfy_profile_count(session, &p, (int)o->tier, v->seed, &counted, err);
    if (!st) {
        print(r, o->common.json);
        *exit_code = v->reason != HX_PASS;
    }
    ref_graph_free(g);
    free(lines);
    free(v);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    ws_buf source = {0};
    ws_arena a = {0};
    profile_report r = {.file = base_name(args[1])};
    (void)nargs;
    ws_status st = cli_check_gpu(o->gpu, err);
    if (!st)
        st = spec_find(args[0], &s, err);
    if (!st)
        st = ws_read_file(args[1], 1 << 20, &source, err);
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st)
        st = vfy_session_open(s, comp, &session, err);
    if (!st) {
        r.spec = s;
        r.gpu = tim_gpu_find(o->gpu);
        r.explain = o->explain;
        r.arch = o->arch ? o->arch : r.gpu->arch;
        st = profile(o, session, &source, &r, &a, exit_code, err);
        if (st == WS_EUSAGE && !o->arch)
            ws_hint(err, "name another architecture with --arch: that of '%s' is %s", o->gpu,
                    r.arch);
    }
    vfy_session_close(session);
    comp_service_close(comp);
    ws_buf_release(&source);
    ws_arena_release(&a);
    spec_free(s);
    return st;
}

const cli_command cmd_profile = {
    .doc = {.name = "profile",
            .summary =
                "where a kernel's time goes: resources, occupancy, roofline, ranked findings",
            .usage = "SPEC FILE.cu [options]",
            .details =
                "What the compiled kernel takes of a GPU (registers, shared memory, spills, "
                "code, how many blocks fit\non an SM and what keeps more out), the operation "
                "on the GPU's roofline, what the CPU engine counted,\nand findings: each with "
                "its rule, the numbers behind it, source lines and one change to make.\n"
                "Times are modelled; with a GPU its performance counters come beside them. Exit "
                "code 1: the kernel is\nwrong, or does not compile. See docs/profile.md.",
            .examples = "warpsmith profile softmax mine.cu\n"
                        "warpsmith profile softmax mine.cu --explain\n"
                        "warpsmith profile softmax mine.cu --gpu l40s --json",
            .options = option_table,
            .min_args = 2,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run,
};
