/* tune_candidate: the tune command in a process of its own, on files of its own. */
#include "agent/mcp/tools.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "harness/timing/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct files {
    char dir[256], source[280], tuned[280];
} files;

static ws_status make_files(files *f, const char *source, ws_err *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%.200s/warpsmith-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(f->dir)) {
        f->dir[0] = '\0';
        return ws_fail_errno(err, WS_EENV, "cannot make a directory for the source");
    }
    snprintf(f->source, sizeof f->source, "%s/kernel.cu", f->dir);
    snprintf(f->tuned, sizeof f->tuned, "%s/tuned.cu", f->dir);
    return ws_write_file(f->source, source, strlen(source), err);
}

static void remove_files(const files *f)
{
    if (!f->dir[0])
        return;
    unlink(f->source);
    unlink(f->tuned);
    rmdir(f->dir);
}

/* Its JSON document, the caller's; the command's error is ours. */
static ws_status run_tune(const mcp_context *c, const cJSON *args, const files *f, cJSON **out,
                          ws_err *err)
{
    const mcp_tool *t = &mcp_tune_candidate;
    char points[24], timeout[24];
    ws_proc p;
    ws_proc_result r;
    ws_buf text = {0};
    snprintf(points, sizeof points, "%lld", (long long)mcp_integer(t, args, "max_points"));
    snprintf(timeout, sizeof timeout, "%g", c->wall_seconds);
    const char *argv[] = {ws_proc_self(), "tune",
                          "--json",       "-q",
                          "--max-points", points,
                          "--timeout",    timeout,
                          "--gpu",        mcp_string(t, args, "gpu"),
                          "--arch",       mcp_string(t, args, "arch"),
                          "--output",     f->tuned,
                          "--",           mcp_string(t, args, "spec"),
                          f->source,      NULL};
    ws_status st = ws_proc_spawn(&(ws_proc_options){.argv = argv, .keep_output = true}, &p, err);
    if (!st)
        st = ws_proc_wait(&p, 0, &text, &r, err);
    if (!st && r.how != WS_PROC_EXITED)
        st = ws_fail(err, WS_EBUG, "the tuner died of signal %d", r.code);
    if (!st && !(*out = cJSON_Parse(ws_buf_z(&text)))) {
        static const char prefix[] = "warpsmith: ";
        ws_str said = ws_str_trim((ws_str){ws_buf_z(&text), text.n});
        if (said.n > sizeof prefix && strncmp(said.p, prefix, sizeof prefix - 1) == 0)
            said = (ws_str){said.p + sizeof prefix - 1, said.n - sizeof prefix + 1};
        st = ws_fail(err, WS_EINPUT, "%.*s", WS_STR_ARG(said));
    }
    ws_buf_release(&text);
    return st;
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static void write_text(const cJSON *o, const char *tuned, ws_buf *out)
{
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(o, "best"), *v;
    const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(o, "verdict");
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(verdict, "text"));
    const char *gpu = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "gpu"));
    ws_buf_printf(out, "%.0f of %.0f points judged\n", number(o, "judged"), number(o, "space"));
    if (!cJSON_IsObject(best)) {
        ws_buf_printf(out, "none is right: %s\n", said ? said : "none can be used");
        return;
    }
    ws_buf_adds(out, "best: ");
    ws_json_print(cJSON_GetObjectItemCaseSensitive(best, "tune"), false, out);
    ws_buf_printf(out, ", %.2f us modelled on %s; %s\n", number(best, "modelled_s") * 1e6,
                  gpu ? gpu : "?", said ? said : "");
    ws_buf_adds(out, "best time at each value, over the best of all:\n");
    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(o, "sensitivity"))
    {
        ws_buf_printf(out, "  %s ", v->string);
        ws_json_print(v, false, out);
        ws_buf_addc(out, '\n');
    }
    ws_buf_printf(out, "the source with these values as defaults:\n\n```cuda\n%s\n```\n", tuned);
}

static ws_status call_tune(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    const mcp_tool *t = &mcp_tune_candidate;
    files f = {0};
    cJSON *o = NULL;
    ws_buf tuned = {0};
    const char *gpu = mcp_string(t, args, "gpu");
    if (!tim_gpu_find(gpu))
        return ws_fail(err, WS_EUSAGE, "'gpu': the cost model does not know '%s'", gpu);
    ws_status st = make_files(&f, mcp_string(t, args, "source"), err);
    if (!st)
        st = run_tune(c, args, &f, &o, err);
    if (!st && cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(o, "best")))
        st = ws_read_file(f.tuned, 2 << 20, &tuned, err);
    remove_files(&f);
    if (!st) {
        cJSON_DeleteItemFromObjectCaseSensitive(o, "table"); /* every point: of use to no reader */
        if (tuned.n)
            cJSON_AddStringToObject(o, "tuned_source", ws_buf_z(&tuned));
        write_text(o, ws_buf_z(&tuned), &r->text);
        r->structured = o;
    } else {
        cJSON_Delete(o);
    }
    ws_buf_release(&tuned);
    return st;
}

static const mcp_arg tune_args[] = {
    {.name = "spec",
     .type = MCP_STRING,
     .required = true,
     .help = "name of the operation as list_specs gives it, or a path of a spec in JSON"},
    {.name = "source",
     .type = MCP_STRING,
     .required = true,
     .help = "a CUDA text whose launch plan has 'tune' with the values of its tunables"},
    {.name = "gpu",
     .type = MCP_STRING,
     .fallback = "h100",
     .help = "GPU whose time is modelled: a100, h100, h200, l40s, rtx4090, b200, ..."},
    {.name = "arch",
     .type = MCP_STRING,
     .fallback = "sm_90",
     .help = "architecture to compile for"},
    {.name = "max_points",
     .type = MCP_INTEGER,
     .otherwise = 64,
     .min = 1,
     .max = 2000,
     .help = "how many choices of the tunables to judge at most"},
    {0}};

const mcp_tool mcp_tune_candidate = {
    .name = "tune_candidate",
    .title = "Tune a kernel",
    .description =
        "Searches the choices of a kernel's tunables for the fastest one that is right, and gives "
        "the source with that choice as default, its modelled time, and what each value of each "
        "tunable costs. Let constants that nobody can guess (block sizes, vector widths, tiles) "
        "be tunables, and call this instead of submitting one variant after the other.",
    .arg = tune_args,
    .idempotent = true,
    .call = call_tune};
