/* Tools over the archive: what earlier runs found. */
#include "agent/mcp/tools.h"

#include "base/file.h"
#include "results/archive.h"

#include <inttypes.h>
#include <math.h>

static ws_status open_archive(const mcp_context *c, db_archive **db, ws_err *err)
{
    if (!ws_file_exists(c->archive)) {
        ws_fail(err, WS_EINPUT, "there is no archive '%s'", c->archive);
        return ws_hint(err, "'warpsmith optimize' makes one; 'warpsmith mcp --archive FILE' names "
                            "another");
    }
    return db_open(c->archive, true, db, err);
}

static double seconds_of(double measured, double modelled)
{
    return isnan(measured) ? modelled : measured;
}

/* ---- archive_search ---- */

static cJSON *json_kernel(const db_kernel *k)
{
    cJSON *o = cJSON_CreateObject();
    double s = seconds_of(k->candidate.measured_s, k->candidate.modelled_s);
    ws_json_add_int(o, "id", k->candidate.id);
    cJSON_AddStringToObject(o, "spec", k->spec_name);
    cJSON_AddStringToObject(o, "run", k->run_name);
    cJSON_AddStringToObject(o, "origin", k->candidate.origin);
    cJSON_AddStringToObject(o, "gpu", k->candidate.gpu ? k->candidate.gpu : "");
    cJSON_AddStringToObject(o, "level", vfy_level_name((vfy_level)k->candidate.level));
    if (isfinite(s)) {
        cJSON_AddNumberToObject(o, "seconds", s);
        cJSON_AddStringToObject(o, "kind",
                                isnan(k->candidate.measured_s) ? "modelled" : "measured");
    }
    if (isfinite(k->first_s / s))
        cJSON_AddNumberToObject(o, "speedup_over_translation", k->first_s / s);
    if (k->candidate.tune_json)
        cJSON_AddItemToObject(o, "tune", cJSON_Parse(k->candidate.tune_json));
    if (k->candidate.note)
        cJSON_AddStringToObject(o, "note", k->candidate.note);
    return o;
}

static void write_kernel(const db_kernel *k, ws_buf *out)
{
    double s = seconds_of(k->candidate.measured_s, k->candidate.modelled_s);
    ws_buf_printf(out, "#%" PRId64 " %s on %s: ", k->candidate.id, k->spec_name,
                  k->candidate.gpu ? k->candidate.gpu : "?");
    if (isfinite(s))
        ws_buf_printf(out, "%.2f us %s", s * 1e6,
                      isnan(k->candidate.measured_s) ? "modelled" : "measured");
    else
        ws_buf_adds(out, "not timed");
    if (isfinite(k->first_s / s))
        ws_buf_printf(out, ", %.2f times as fast as the plain translation", k->first_s / s);
    ws_buf_printf(out, "; %s, level %s%s%s", k->candidate.origin,
                  vfy_level_name((vfy_level)k->candidate.level), k->candidate.tune_json ? ", " : "",
                  k->candidate.tune_json ? k->candidate.tune_json : "");
    ws_buf_printf(out, "\n%s%s%s", k->candidate.note ? "   " : "",
                  k->candidate.note ? k->candidate.note : "", k->candidate.note ? "\n" : "");
}

static ws_status call_search(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    const mcp_tool *t = &mcp_archive_search;
    ws_arena a = {0};
    db_archive *db = NULL;
    db_kernel *k = NULL;
    int n = 0;
    ws_status st = open_archive(c, &db, err);
    if (!st)
        st = db_kernel_list(db, mcp_string(t, args, "query"), mcp_string(t, args, "spec"),
                            mcp_string(t, args, "gpu"), (int)mcp_integer(t, args, "limit"), &a, &k,
                            &n, err);
    if (!st) {
        r->structured = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(r->structured, "kernels");
        for (int i = 0; i < n; i++) {
            write_kernel(&k[i], &r->text);
            cJSON_AddItemToArray(list, json_kernel(&k[i]));
        }
        if (!n)
            ws_buf_adds(&r->text, "no kernel that passes fits the search\n");
    }
    db_close(db);
    ws_arena_release(&a);
    return st;
}

static const mcp_arg search_args[] = {
    {.name = "query",
     .type = MCP_STRING,
     .fallback = "",
     .help = "words that all stand in the operation's name, the author's note or what the source "
             "uses, such as \"softmax float4\"; a word may end in *"},
    {.name = "spec", .type = MCP_STRING, .fallback = "", .help = "part of an operation's name"},
    {.name = "gpu", .type = MCP_STRING, .fallback = "", .help = "only kernels timed on this GPU"},
    {.name = "limit",
     .type = MCP_INTEGER,
     .otherwise = 20,
     .min = 1,
     .max = 500,
     .help = "how many kernels to list at most"},
    {0}};

const mcp_tool mcp_archive_search = {
    .name = "archive_search",
    .title = "Search earlier kernels",
    .description = "Kernels of earlier runs that passed, by operation and words, the fastest of "
                   "each first, with time, speed-up over the plain translation and the author's "
                   "note. get_candidate gives the source of one.",
    .arg = search_args,
    .idempotent = true,
    .call = call_search};

/* ---- get_candidate ---- */

static ws_status call_get(const mcp_context *c, const cJSON *args, mcp_result *r, ws_err *err)
{
    ws_arena a = {0};
    db_archive *db = NULL;
    db_candidate k;
    const char *verdict = NULL;
    ws_status st = open_archive(c, &db, err);
    if (!st)
        st = db_candidate_get(db, mcp_integer(&mcp_get_candidate, args, "id"), &a, &k, err);
    if (!st)
        st = db_verdict_json(db, k.id, &a, &verdict, err);
    if (!st) {
        double s = seconds_of(k.measured_s, k.modelled_s);
        ws_buf_printf(&r->text, "#%" PRId64 ", %s, round %d: %s, level %s", k.id, k.origin, k.round,
                      k.reason, vfy_level_name((vfy_level)k.level));
        if (isfinite(s))
            ws_buf_printf(&r->text, ", %.2f us %s on %s", s * 1e6,
                          isnan(k.measured_s) ? "modelled" : "measured", k.gpu ? k.gpu : "?");
        ws_buf_printf(&r->text, "\n%s%s\n```cuda\n%s\n```\n", k.note ? k.note : "",
                      k.tune_json ? k.tune_json : "", k.source);
        r->structured = cJSON_CreateObject();
        ws_json_add_int(r->structured, "id", k.id);
        cJSON_AddStringToObject(r->structured, "source", k.source);
        if (k.tune_json)
            cJSON_AddItemToObject(r->structured, "tune", cJSON_Parse(k.tune_json));
        cJSON_AddItemToObject(r->structured, "verdict", cJSON_Parse(verdict));
    }
    db_close(db);
    ws_arena_release(&a);
    return st;
}

static const mcp_arg get_args[] = {{.name = "id",
                                    .type = MCP_INTEGER,
                                    .required = true,
                                    .min = 1,
                                    .max = INT64_C(1) << 53,
                                    .help = "number of the kernel, as archive_search gives it"},
                                   {0}};

const mcp_tool mcp_get_candidate = {
    .name = "get_candidate",
    .title = "Get an earlier kernel",
    .description = "Source, tunables and whole verdict of one kernel of the archive.",
    .arg = get_args,
    .idempotent = true,
    .call = call_get};
