/* Tools about operations: what there is, and what one asks for. */
#include "agent/mcp/tools.h"

#include "agent/strategy/prompt.h"
#include "base/mem.h"
#include "harness/timing/model.h"
#include "reference/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list_specs ---- */

typedef struct listing {
    const char *filter;
    int64_t limit, found, shown;
    ws_buf *text;
    cJSON *array;
} listing;

static bool contains(const char *text, const char *part)
{
    return text && strcasestr(text, part);
}

static void list_one(void *ud, const char *path)
{
    listing *l = ud;
    spec *s = NULL;
    ws_err err = {0};
    if (spec_load(path, &s, &err))
        return; /* `warpsmith spec list` says what is wrong with it */
    if (contains(s->name, l->filter) || contains(s->title, l->filter)) {
        l->found++;
        if (l->shown < l->limit) {
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "name", s->name);
            cJSON_AddStringToObject(o, "title", s->title ? s->title : "");
            cJSON_AddItemToArray(l->array, o);
            ws_buf_printf(l->text, "%-32s %s\n", s->name, s->title ? s->title : "");
            l->shown++;
        }
    }
    spec_free(s);
}

static ws_status call_list(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    (void)c;
    r->structured = cJSON_CreateObject();
    listing l = {.filter = mcp_string(&mcp_list_specs, args, "filter"),
                 .limit = mcp_integer(&mcp_list_specs, args, "limit"),
                 .text = &r->text,
                 .array = cJSON_AddArrayToObject(r->structured, "specs")};
    if (spec_catalogue(list_one, &l, err))
        return err->status;
    ws_json_add_int(r->structured, "found", l.found);
    if (!l.found)
        ws_buf_printf(&r->text, "no spec has '%s' in its name or title\n", l.filter);
    else if (l.shown < l.found)
        ws_buf_printf(&r->text, "and %lld more; narrow 'filter' or raise 'limit'\n",
                      (long long)(l.found - l.shown));
    return WS_OK;
}

static const mcp_arg list_args[] = {
    {.name = "filter",
     .type = MCP_STRING,
     .fallback = "",
     .help = "part of a name or title, such as \"softmax\" or \"level1\"; all when left out"},
    {.name = "limit",
     .type = MCP_INTEGER,
     .otherwise = 100,
     .min = 1,
     .max = 2000,
     .help = "how many to list at most"},
    {0}};

const mcp_tool mcp_list_specs = {
    .name = "list_specs",
    .title = "List operations",
    .description = "Names and titles of the tensor operations for which kernels can be written and "
                   "judged. Names go into the argument 'spec' of the other tools.",
    .arg = list_args,
    .idempotent = true,
    .call = call_list};

/* ---- get_spec ---- */

static const char how[] =
    "What the rules below call a reply's block is the argument 'source' of verify_candidate: the "
    "CUDA text alone, without the fence. Keep improving it by what the verdict and the findings "
    "say.\n\n";

static ws_status write_task(const spec *s, const char *gpu, const char *source, ws_buf *out,
                            ws_err *err)
{
    db_candidate c = {.origin = "emitted",
                      .reason = "pass",
                      .source = source,
                      .modelled_s = (double)NAN,
                      .measured_s = (double)NAN};
    strat_attempt attempt = {.candidate = &c, .verdict_json = "{}", .turn = -1, .same_as = -1};
    strat_view view = {.attempt = &attempt, .n_attempts = 1, .lanes = 1};
    strat_step step = {.purpose = "spec", .subject = 0};
    prompt_context p = {.spec = s, .gpu = gpu, .view = &view, .step = &step};
    prompt_text text;
    if (prompt_make(&p, &text, err))
        return err->status;
    ws_buf_adds(out, how);
    ws_buf_printf(out, "%s\n%s", text.system, text.user);
    prompt_release(&text);
    return WS_OK;
}

static ws_status call_get(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ws_buf source = {0};
    const char *gpu = mcp_string(&mcp_get_spec, args, "gpu");
    (void)c;
    if (!tim_gpu_find(gpu))
        return ws_fail(err, WS_EUSAGE, "'gpu': the cost model does not know '%s'", gpu);
    ws_status st = spec_find(mcp_string(&mcp_get_spec, args, "spec"), &s, err);
    if (!st)
        st = ref_graph_new(s, &g, err);
    if (!st)
        st = ref_emit(g, &source, err);
    if (!st)
        st = write_task(s, gpu, ws_buf_z(&source), &r->text, err);
    if (!st) {
        r->structured = cJSON_CreateObject();
        cJSON_AddStringToObject(r->structured, "name", s->name);
        cJSON_AddStringToObject(r->structured, "gpu", gpu);
        cJSON_AddItemToObject(r->structured, "spec", cJSON_Duplicate(s->root, true));
        cJSON_AddStringToObject(r->structured, "baseline_source", ws_buf_z(&source));
    }
    ws_buf_release(&source);
    ref_graph_free(g);
    spec_free(s);
    return st;
}

static const mcp_arg get_args[] = {
    {.name = "spec",
     .type = MCP_STRING,
     .required = true,
     .help = "name of the operation as list_specs gives it, or a path of a spec in JSON"},
    {.name = "gpu",
     .type = MCP_STRING,
     .fallback = "h100",
     .help = "GPU to write for: a100, h100, h200, l40s, rtx4090, b200, ..."},
    {0}};

const mcp_tool mcp_get_spec = {
    .name = "get_spec",
    .title = "Get an operation",
    .description = "The task of one operation: tensors with shapes, the graph, precision, the "
                   "shapes at which a kernel is checked and timed, the rules for a source and its "
                   "launch plan, and a plain CUDA translation that verifies, to start from.",
    .arg = get_args,
    .idempotent = true,
    .call = call_get};
