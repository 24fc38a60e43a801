/* Tools that judge a source: verify_candidate, and profile_candidate, which tells the same verdict
 * by where the time goes. */
#include "agent/mcp/tools.h"

#include "agent/evidence/findings.h"
#include "agent/mcp/keep.h"
#include "base/mem.h"
#include "harness/timing/model.h"
#include "reference/emit.h"
#include "verifier/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCE = 1 << 20, FINDING_LINES = 120 };

typedef struct judgement {
    spec *spec;
    comp_service *comp;
    vfy_session *session;
    vfy_options options;
    vfy_verdict verdict;
    char *verdict_json;
    double baseline_s;  /* of the plain translation; NaN: not known */
    ws_buf translation; /* when it was judged in this call, */
    vfy_verdict *first; /* with its verdict; NULL: an earlier call did */
    int64_t run;        /* in which submissions are kept, 0: none yet */
} judgement;

static void release(judgement *j)
{
    vfy_session_close(j->session);
    comp_service_close(j->comp);
    spec_free(j->spec);
    ws_buf_release(&j->translation);
    free(j->first);
    free(j->verdict_json);
}

/* Judges the plain translation, once for all calls, and once more for the run that begins with it.
 * What is wrong with it shows where a kernel is compared with it: nothing is. */
static ws_status know_translation(judgement *j, const mcp_context *c, bool keeps, mcp_result *r,
                                  ws_err *err)
{
    ref_graph *g = NULL;
    ws_buf key = {0};
    ws_status st = WS_OK;
    ws_buf_printf(&key, "%s %s %s %s", j->spec->name, j->spec->sha256, j->options.gpu,
                  j->options.arch);
    for (int i = 0; i < c->n_known; i++)
        if (strcmp(c->known[i].key, ws_buf_z(&key)) == 0 && (c->known[i].run || !keeps)) {
            j->baseline_s = c->known[i].baseline_s;
            j->run = c->known[i].run;
            ws_buf_release(&key);
            return WS_OK;
        }
    j->first = ws_calloc(1, sizeof *j->first);
    if (!(st = ref_graph_new(j->spec, &g, err)) && !(st = ref_emit(g, &j->translation, err)))
        st = vfy_verify(j->session, ws_buf_z(&j->translation), j->translation.n, &j->options,
                        j->first, err);
    if (!st && j->first->reason == HX_PASS && j->first->has_model)
        j->baseline_s = j->first->model.seconds;
    if (!st)
        r->known = (mcp_known){ws_buf_take(&key), j->baseline_s, 0};
    ref_graph_free(g);
    ws_buf_release(&key);
    return st;
}

static ws_status judge(judgement *j, const mcp_context *c, const mcp_tool *t, const cJSON *args,
                       mcp_result *r, ws_err *err)
{
    const char *source = mcp_string(t, args, "source");
    size_t n = strlen(source);
    ws_status st;
    *j = (judgement){.options = {.survey = true,
                                 .depth = VFY_FULL,
                                 .max_level = VFY_ALGEBRAIC,
                                 .arch = mcp_string(t, args, "arch"),
                                 .gpu = mcp_string(t, args, "gpu"),
                                 .wall_seconds = c->wall_seconds,
                                 .file = "kernel.cu"},
                     .baseline_s = (double)NAN};
    if (n > MAX_SOURCE)
        return ws_fail(err, WS_EINPUT, "'source' has more than 1 MiB");
    if (!tim_gpu_find(j->options.gpu))
        return ws_fail(err, WS_EUSAGE, "'gpu': the cost model does not know '%s'", j->options.gpu);
    if ((st = spec_find(mcp_string(t, args, "spec"), &j->spec, err)) ||
        (st = comp_service_open(&(comp_service_options){0}, &j->comp, err)) ||
        (st = vfy_session_open(j->spec, j->comp, &j->session, err)) ||
        (st = vfy_verify_choices(j->session, source, n, &j->options,
                                 (int)mcp_integer(t, args, "choices"), &j->verdict, err)))
        return st;
    cJSON *v = vfy_verdict_json(&j->verdict);
    j->verdict_json = cJSON_PrintUnformatted(v);
    cJSON_Delete(v);
    bool keeps = c->keep && t->submits;
    return keeps || j->verdict.reason == HX_PASS ? know_translation(j, c, keeps, r, err) : WS_OK;
}

/* The judged source and the plain translation as the findings take them. */
static db_candidate as_candidate(const judgement *j, const char *source)
{
    return (db_candidate){.id = 2,
                          .round = 1,
                          .origin = "submitted",
                          .source = source,
                          .reason = hx_reason_name(j->verdict.reason),
                          .level = j->verdict.level,
                          .modelled_s =
                              j->verdict.has_model ? j->verdict.model.seconds : (double)NAN,
                          .measured_s = (double)NAN,
                          .gpu = j->options.gpu};
}

static void write_findings(const judgement *j, const char *source, mcp_result *r)
{
    db_candidate c = as_candidate(j, source);
    db_candidate first = {.id = 1,
                          .origin = "emitted",
                          .reason = "pass",
                          .modelled_s = j->baseline_s,
                          .measured_s = (double)NAN};
    findings_subject s = {.spec = j->spec,
                          .gpu = j->options.gpu,
                          .candidate = &c,
                          .verdict_json = j->verdict_json,
                          .first = isnan(j->baseline_s) ? NULL : &first};
    findings_write(&s, FINDING_LINES, &r->text);
    r->structured = cJSON_CreateObject();
    cJSON_AddBoolToObject(r->structured, "accepted", j->verdict.reason == HX_PASS);
    cJSON_AddItemToObject(r->structured, "verdict", cJSON_Parse(j->verdict_json));
    cJSON *told = findings_json(&s);
    cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(told, "findings");
    if (list)
        cJSON_AddItemToObject(r->structured, "findings", list);
    cJSON_Delete(told);
    if (isfinite(j->baseline_s) && j->verdict.has_model) {
        cJSON_AddNumberToObject(r->structured, "baseline_seconds", j->baseline_s);
        cJSON_AddNumberToObject(r->structured, "speedup", j->baseline_s / j->verdict.model.seconds);
        cJSON_AddStringToObject(r->structured, "speedup_kind", "modelled");
    }
}

/* A verdict that cannot be kept is a verdict all the same. */
static void keep(const judgement *j, const mcp_context *c, const cJSON *args, mcp_result *r)
{
    mcp_kept kept;
    ws_err err = {0};
    mcp_submission s = {.spec = j->spec,
                        .gpu = j->options.gpu,
                        .arch = j->options.arch,
                        .client = *c->client ? c->client : NULL,
                        .source = mcp_string(&mcp_verify_candidate, args, "source"),
                        .note = mcp_string(&mcp_verify_candidate, args, "note"),
                        .verdict = &j->verdict,
                        .first_source = ws_buf_z(&j->translation),
                        .first = j->first};
    cJSON *o = cJSON_AddObjectToObject(r->structured, "kept");
    if (mcp_keep(c->archive, &s, j->run, &kept, &err)) {
        ws_buf_printf(&r->text, "\nnot kept: %s\n", err.msg);
        cJSON_AddStringToObject(o, "error", err.msg);
        return;
    }
    ws_buf_printf(&r->text, "\nkept as #%lld of run %s\n", (long long)kept.candidate,
                  kept.run_name);
    ws_json_add_int(o, "id", kept.candidate);
    cJSON_AddStringToObject(o, "run", kept.run_name);
    if (r->known.key)
        r->known.run = kept.run;
}

static ws_status call_verify(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    judgement j;
    ws_status st = judge(&j, c, &mcp_verify_candidate, args, r, err);
    if (!st) {
        vfy_verdict_print(&j.verdict, &r->text);
        ws_buf_addc(&r->text, '\n');
        write_findings(&j, mcp_string(&mcp_verify_candidate, args, "source"), r);
        if (c->keep)
            keep(&j, c, args, r);
    }
    release(&j);
    return st;
}

static ws_status call_profile(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    judgement j;
    ws_status st = judge(&j, c, &mcp_profile_candidate, args, r, err);
    if (!st) {
        if (j.verdict.reason != HX_PASS)
            ws_buf_adds(&r->text, "only a kernel that is right has a profile\n");
        write_findings(&j, mcp_string(&mcp_profile_candidate, args, "source"), r);
    }
    release(&j);
    return st;
}

#define COMMON_ARGS                                                                                \
    {.name = "spec",                                                                               \
     .type = MCP_STRING,                                                                           \
     .required = true,                                                                             \
     .help = "name of the operation as list_specs gives it, or a path of a spec in JSON"},         \
        {.name = "source",                                                                         \
         .type = MCP_STRING,                                                                       \
         .required = true,                                                                         \
         .help = "the CUDA text with its launch plan in the first comment, as get_spec says"},     \
        {.name = "gpu",                                                                            \
         .type = MCP_STRING,                                                                       \
         .fallback = "h100",                                                                       \
         .help = "GPU whose time is modelled: a100, h100, h200, l40s, rtx4090, b200, ..."},        \
    {                                                                                              \
        .name = "arch", .type = MCP_STRING, .fallback = "sm_90",                                   \
        .help = "architecture to compile for"                                                      \
    }

static const mcp_arg verify_args[] = {
    COMMON_ARGS,
    {.name = "choices",
     .type = MCP_INTEGER,
     .otherwise = 12,
     .min = 0,
     .max = 4096,
     .help = "how many other choices of the plan's tunables to check, at most"},
    {.name = "note",
     .type = MCP_STRING,
     .fallback = "",
     .help = "what the kernel does differently and why, in a sentence; kept with it when the "
             "server keeps submissions"},
    {0}};

static const mcp_arg profile_args[] = {
    COMMON_ARGS,
    {.name = "choices",
     .type = MCP_INTEGER,
     .otherwise = 0,
     .min = 0,
     .max = 4096,
     .help = "how many other choices of the plan's tunables to check, at most"},
    {0}};

const mcp_tool mcp_verify_candidate = {
    .name = "verify_candidate",
    .title = "Submit a kernel and get its verdict",
    .description =
        "Judges a CUDA source against an operation: policy, compilation, and execution on every "
        "check shape with bounds, initialisation, race and barrier checks against a "
        "double-precision reference. The verdict has a reason, a place and numbers; a kernel that "
        "passes also has a modelled time, its speed-up over the plain translation, and ranked "
        "findings with an action each. A rejected kernel is a result, not an error of the call.",
    .arg = verify_args,
    .submits = true,
    .call = call_verify};

const mcp_tool mcp_profile_candidate = {
    .name = "profile_candidate",
    .title = "Profile a kernel",
    .description =
        "Where a kernel's time goes: per launch the counters of the execution (instructions, DRAM "
        "and L2 bytes, bank conflicts, divergence), occupancy and resources, the modelled time of "
        "each part, the roofline's floor, and ranked findings with evidence and one action each.",
    .arg = profile_args,
    .call = call_profile};
