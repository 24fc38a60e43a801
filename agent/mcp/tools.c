#include "agent/mcp/tools.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const mcp_tool *const mcp_tools[] = {
    &mcp_list_specs,     &mcp_get_spec,       &mcp_verify_candidate, &mcp_profile_candidate,
    &mcp_tune_candidate, &mcp_archive_search, &mcp_get_candidate,    NULL};

const mcp_tool *mcp_tool_find(const char *name)
{
    for (int i = 0; mcp_tools[i]; i++)
        if (strcmp(mcp_tools[i]->name, name) == 0)
            return mcp_tools[i];
    return NULL;
}

/* ---- schemas ---- */

static cJSON *arg_schema(const mcp_arg *a)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", a->type == MCP_STRING ? "string" : "integer");
    cJSON_AddStringToObject(o, "description", a->help);
    if (a->type == MCP_STRING) {
        if (a->fallback)
            cJSON_AddStringToObject(o, "default", a->fallback);
        return o;
    }
    if (!a->required)
        ws_json_add_int(o, "default", a->otherwise);
    ws_json_add_int(o, "minimum", a->min);
    ws_json_add_int(o, "maximum", a->max);
    return o;
}

static cJSON *input_schema(const mcp_tool *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", "object");
    cJSON *properties = cJSON_AddObjectToObject(o, "properties");
    cJSON *required = cJSON_CreateArray();
    for (const mcp_arg *a = t->arg; a->name; a++) {
        cJSON_AddItemToObject(properties, a->name, arg_schema(a));
        if (a->required)
            cJSON_AddItemToArray(required, cJSON_CreateString(a->name));
    }
    if (cJSON_GetArraySize(required))
        cJSON_AddItemToObject(o, "required", required);
    else
        cJSON_Delete(required);
    cJSON_AddBoolToObject(o, "additionalProperties", false);
    return o;
}

cJSON *mcp_tools_json(const mcp_context *c)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; mcp_tools[i]; i++) {
        const mcp_tool *t = mcp_tools[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", t->name);
        cJSON_AddStringToObject(o, "title", t->title);
        cJSON_AddStringToObject(o, "description", t->description);
        cJSON_AddItemToObject(o, "inputSchema", input_schema(t));
        cJSON *hints = cJSON_AddObjectToObject(o, "annotations");
        cJSON_AddBoolToObject(hints, "readOnlyHint", !(c->keep && t->submits));
        cJSON_AddBoolToObject(hints, "destructiveHint", false);
        cJSON_AddBoolToObject(hints, "idempotentHint", t->idempotent);
        cJSON_AddBoolToObject(hints, "openWorldHint", false);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

/* ---- arguments ---- */

static const mcp_arg *find_arg(const mcp_tool *t, const char *name)
{
    for (const mcp_arg *a = t->arg; a->name; a++)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static bool unknown_arg(const mcp_tool *t, const char *name, char *why, int size)
{
    const char *names[16] = {0};
    int n = 0;
    for (const mcp_arg *a = t->arg; a->name && n < 15; a++)
        names[n++] = a->name;
    const char *near = ws_nearest(name, names);
    snprintf(why, (size_t)size, "%s has no argument '%s'%s%s%s", t->name, name,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return false;
}

bool mcp_check_args(const mcp_tool *t, const cJSON *args, char *why, int size)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, args)
    {
        const mcp_arg *a = find_arg(t, v->string);
        int64_t whole;
        if (!a)
            return unknown_arg(t, v->string, why, size);
        if (a->type == MCP_STRING && !cJSON_IsString(v)) {
            snprintf(why, (size_t)size, "argument '%s': expected a string", a->name);
            return false;
        }
        if (a->type == MCP_INTEGER &&
            (!ws_json_whole(v, &whole) || whole < a->min || whole > a->max)) {
            snprintf(why, (size_t)size,
                     "argument '%s': expected an integer from %" PRId64 " to %" PRId64, a->name,
                     a->min, a->max);
            return false;
        }
    }
    for (const mcp_arg *a = t->arg; a->name; a++)
        if (a->required && !cJSON_GetObjectItemCaseSensitive(args, a->name)) {
            snprintf(why, (size_t)size, "%s needs the argument '%s': %s", t->name, a->name,
                     a->help);
            return false;
        }
    return true;
}

const char *mcp_string(const mcp_tool *t, const cJSON *args, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(args, name);
    return v ? v->valuestring : find_arg(t, name)->fallback;
}

int64_t mcp_integer(const mcp_tool *t, const cJSON *args, const char *name)
{
    int64_t n = 0;
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(args, name);
    return v && ws_json_whole(v, &n) ? n : find_arg(t, name)->otherwise;
}

/* ---- results ---- */

static cJSON *text_block(const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", "text");
    cJSON_AddStringToObject(o, "text", text);
    return o;
}

cJSON *mcp_failure(const char *text)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "content"), text_block(text));
    cJSON_AddBoolToObject(o, "isError", true);
    return o;
}

/* The structured content stands a second time as text, for clients that know only that
 * (specification, server/tools, structured content). */
cJSON *mcp_tool_run(const mcp_context *c, const mcp_tool *t, const cJSON *args)
{
    mcp_result r = {0};
    ws_err err = {0};
    if (t->call(c, args, &r, &err)) {
        ws_buf_reset(&r.text);
        ws_buf_adds(&r.text, err.msg);
        if (err.hint[0])
            ws_buf_printf(&r.text, "\nhint: %s", err.hint);
        cJSON_Delete(r.structured);
        r.structured = NULL;
        r.is_error = true;
    }
    cJSON *o = cJSON_CreateObject(), *content = cJSON_AddArrayToObject(o, "content");
    cJSON_AddItemToArray(content, text_block(ws_buf_z(&r.text)));
    if (r.structured) {
        ws_buf json = {0};
        ws_json_print(r.structured, false, &json);
        cJSON_AddItemToArray(content, text_block(ws_buf_z(&json)));
        cJSON_AddItemToObject(o, "structuredContent", r.structured);
        ws_buf_release(&json);
    }
    cJSON_AddBoolToObject(o, "isError", r.is_error);
    if (r.known.key) {
        cJSON *k = cJSON_AddObjectToObject(o, "known");
        cJSON_AddStringToObject(k, "key", r.known.key);
        ws_json_add_int(k, "run", r.known.run);
        if (isfinite(r.known.baseline_s))
            cJSON_AddNumberToObject(k, "seconds", r.known.baseline_s);
    }
    free(r.known.key);
    ws_buf_release(&r.text);
    return o;
}
