#include "agent/cli.h"
#include "agent/evidence/findings.h"
#include "agent/version.h"
#include "base/file.h"
#include "base/json.h"
#include "verifier/packet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *arch, *gpu, *mma_model, *depth, *packet;
    int64_t seed, choices;
    double timeout;
    bool explain, no_field;
} options;

static const ws_opt option_table[] = {
    {.name = "arch", .type = WS_OPT_STRING, .offset = offsetof(options, arch), .fallback = "sm_90",
     .arg = "ARCH", .help = "compile for this architecture", .group = "Device"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = offsetof(options, gpu), .fallback = "h100",
     .arg = "NAME", .help = "GPU of the cost model when none is there", .group = "Device"},
    {.name = "seed", .type = WS_OPT_INT, .offset = offsetof(options, seed), .fallback = "0",
     .arg = "N", .help = "seed of the inputs; 0 takes a fresh one", .group = "Checks"},
    {.name = "timeout", .type = WS_OPT_SECONDS, .offset = offsetof(options, timeout),
     .fallback = "25s", .arg = "TIME", .help = "processor time of one run", .group = "Checks"},
    {.name = "depth", .type = WS_OPT_CHOICE, .offset = offsetof(options, depth), .fallback = "full",
     .choices = "quick|full", .arg = "DEPTH",
     .help = "full: all that docs/verify.md lists; quick: what every candidate of a run meets",
     .group = "Checks"},
    {.name = "choices", .type = WS_OPT_INT, .offset = offsetof(options, choices), .fallback = "12",
     .max = 4096,
     .arg = "N", .help = "other choices of the plan's tunables to check, at most",
     .group = "Checks"},
    {.name = "mma-model", .type = WS_OPT_CHOICE, .offset = offsetof(options, mma_model),
     .fallback = "target",
     .choices = CLI_MMA_MODELS, .arg = "MODEL",
     .help = "how sums of mma round: as of --arch, on that GPU, or exactly", .group = "Checks"},
    {.name = "no-field", .type = WS_OPT_FLAG, .offset = offsetof(options, no_field),
     .help = "leave out level 3, which runs the kernel over prime fields", .group = "Checks"},
    {.name = "packet", .type = WS_OPT_STRING, .offset = offsetof(options, packet), .arg = "FILE",
     .help = "write all that was checked and seen; 'warpsmith recheck FILE' repeats it",
     .group = "Output"},
    {.name = "explain", .type = WS_OPT_FLAG, .offset = offsetof(options, explain),
     .help = "print what a model is told: what usually helps, or what would make it faster"},
    CLI_COMMON_OPTIONS};

static const char *base_name(const char *path)
{
    const char *name = path;
    for (const char *p = path; *p; p++)
        if (*p == '/')
            name = p + 1;
    return name;
}

/* The verdict as the loop's prompts put it. */
static void explain(const options *o, const spec *s, const char *source, const vfy_verdict *v)
{
    ws_buf verdict = {0}, text = {0};
    cJSON *json = vfy_verdict_json(v);
    ws_json_print(json, false, &verdict);
    cJSON_Delete(json);
    db_candidate c = {.source = source, .reason = hx_reason_name(v->reason), .level = v->level,
                      .modelled_s = v->has_model ? v->model.seconds : (double)NAN,
                      .measured_s = (double)NAN, .gpu = o->gpu};
    findings_subject subject = {.spec = s, .gpu = o->gpu, .candidate = &c,
                                .verdict_json = ws_buf_z(&verdict)};
    if (o->common.json) {
        cli_print_json(findings_json(&subject));
    } else {
        findings_write(&subject, 0, &text);
        fputs(ws_buf_z(&text), stdout);
    }
    ws_buf_release(&verdict);
    ws_buf_release(&text);
}

static ws_status verify_to_packet(const options *o, const spec *s, const ws_buf *source,
                                  const vfy_options *vo, comp_service *comp, vfy_verdict *v,
                                  ws_err *err)
{
    vfy_packet_request q = {.spec = s, .source = ws_buf_z(source), .n = source->n, .file = vo->file,
                            .arch = vo->arch, .gpu = vo->gpu, .tool_version = WARPSMITH_VERSION,
                            .mma_model = vo->mma_model, .depth = vo->depth,
                            .field = vo->max_level >= VFY_ALGEBRAIC, .choices = (int)o->choices,
                            .seed = vo->seed, .wall_seconds = vo->wall_seconds};
    cJSON *packet = NULL;
    ws_buf text = {0};
    if (vfy_packet_make(&q, comp, v, &packet, err))
        return err->status;
    ws_json_print(packet, true, &text);
    ws_buf_addc(&text, '\n');
    ws_status st = ws_write_file(o->packet, text.p, text.n, err);
    ws_buf_release(&text);
    cJSON_Delete(packet);
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    spec *s = NULL;
    comp_service *comp = NULL;
    vfy_session *session = NULL;
    ws_buf source = {0};
    vfy_verdict v;
    (void)nargs;
    vfy_options vo = {.arch = o->arch, .gpu = o->gpu, .seed = (uint64_t)o->seed,
                      .mma_model = cli_mma_model(o->mma_model),
                      .depth = strcmp(o->depth, "full") == 0 ? VFY_FULL : VFY_QUICK,
                      .wall_seconds = o->timeout,
                      .max_level = o->no_field ? VFY_EMULATED : VFY_ALGEBRAIC,
                      .survey = o->explain, .file = base_name(args[1])};
    ws_status st = cli_check_gpu(o->gpu, err);
    if (!st)
        st = spec_find(args[0], &s, err);
    if (!st)
        st = ws_read_file(args[1], 1 << 20, &source, err);
    if (!st)
        st = comp_service_open(&(comp_service_options){0}, &comp, err);
    if (!st && o->packet)
        st = verify_to_packet(o, s, &source, &vo, comp, &v, err);
    else if (!st)
        st = vfy_session_open(s, comp, &session, err);
    if (!st && !o->packet)
        st =
            vfy_verify_choices(session, ws_buf_z(&source), source.n, &vo, (int)o->choices, &v, err);
    if (!st) {
        if (o->explain) {
            explain(o, s, ws_buf_z(&source), &v);
        } else if (o->common.json) {
            cli_print_json(vfy_verdict_json(&v));
        } else {
            ws_buf text = {0};
            vfy_verdict_print(&v, &text);
            fputs(ws_buf_z(&text), stdout);
            ws_buf_release(&text);
        }
        *exit_code = v.reason != HX_PASS;
    }
    vfy_session_close(session);
    comp_service_close(comp);
    ws_buf_release(&source);
    spec_free(s);
    return st;
}

const cli_command cmd_verify = {
    .doc = {.name = "verify",
            .summary = "judge a CUDA source with its launch plan against a spec",
            .usage = "SPEC FILE.cu [options]",
            .details =
            "Levels 0 to 3 of the ladder: policy, compilation, and execution of every check "
                       "shape on the CPU\nengine with bounds, initialisation, race and barrier "
                       "checks, with the "
                       "first choice of the plan's\ntunables and then with others. Exit code 1 "
                       "means rejected.",
            .examples =
            "warpsmith verify softmax softmax.cu\nwarpsmith verify softmax softmax.cu --json",
            .options = option_table,
            .min_args = 2,
            .max_args = 2},
    .values_size = sizeof(options),
    .run = run,
};
