#include "agent/serve/endpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const serve_endpoint *const serve_endpoints[] = {&serve_reward, &serve_get_reward, &serve_evaluate,
                                                 &serve_run_code, NULL};

/* ---- reading ---- */

const cJSON *serve_get(const serve_call *c, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(c->body, key);
    return cJSON_IsNull(v) ? NULL : v;
}

ws_status serve_text(const serve_call *c, const char *key, const char **out, ws_err *err)
{
    const cJSON *v = serve_get(c, key);
    if (!v)
        return ws_fail(err, WS_EINPUT, "missing '%s'", key);
    if (!cJSON_IsString(v))
        return ws_fail(err, WS_EINPUT, "'%s': expected a string", key);
    *out = v->valuestring;
    return WS_OK;
}

ws_status serve_number(const serve_call *c, const char *key, double min, double max, double *out,
                       ws_err *err)
{
    const cJSON *v = serve_get(c, key);
    if (!v)
        return WS_OK;
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= min && v->valuedouble <= max))
        return ws_fail(err, WS_EINPUT, "'%s': expected a number from %g to %g", key, min, max);
    *out = v->valuedouble;
    return WS_OK;
}

ws_status serve_flag(const serve_call *c, const char *key, bool *out, ws_err *err)
{
    const cJSON *v = serve_get(c, key);
    if (v && !cJSON_IsBool(v))
        return ws_fail(err, WS_EINPUT, "'%s': expected true or false", key);
    if (v)
        *out = cJSON_IsTrue(v);
    return WS_OK;
}

ws_status serve_refuse(const char *key, const char *why, ws_err *err)
{
    return ws_fail(err, WS_EUSAGE, "'%s': %s", key, why);
}

/* A string, or a list of them, each equal to `want`. */
static bool all_are(const cJSON *v, const char *want)
{
    const cJSON *item;
    if (cJSON_IsString(v))
        return strcmp(v->valuestring, want) == 0;
    bool same = cJSON_IsArray(v);
    cJSON_ArrayForEach(item, v) same = same && cJSON_IsString(item) && all_are(item, want);
    return same;
}

ws_status serve_check_columns(const serve_call *c, ws_err *err)
{
    const struct {
        const char *key, *want;
    } columns[] = {{"gpu", c->options->gpu}, {"arch", c->options->arch}};
    for (size_t i = 0; i < WS_COUNT(columns); i++) {
        const cJSON *v = serve_get(c, columns[i].key);
        if (v && !all_are(v, columns[i].want))
            return ws_fail(err, WS_EUSAGE, "'%s': this server judges for '%s' (serve --%s)",
                           columns[i].key, columns[i].want, columns[i].key);
    }
    const cJSON *sha = serve_get(c, "spec_sha256");
    for (int i = 0; sha && i < c->n; i++) {
        const cJSON *v = cJSON_IsArray(sha) ? cJSON_GetArrayItem(sha, i) : sha;
        if (!v || !all_are(v, c->sample[i].spec->spec->sha256))
            return ws_fail(err, WS_EUSAGE,
                           "'spec_sha256': the server's spec '%s' is another version, %.12s...",
                           c->sample[i].spec->spec->name, c->sample[i].spec->spec->sha256);
    }
    return WS_OK;
}

static ws_status add_owned(serve_call *c, const char *name, char *reply, ws_err *err)
{
    serve_spec *s = c->n < SERVE_MAX_SAMPLES ? serve_specs_find(c->specs, name, err) : NULL;
    if (!s) {
        free(reply);
        return c->n < SERVE_MAX_SAMPLES
                   ? err->status
                   : ws_fail(err, WS_EUSAGE, "more than %d samples in one request",
                             SERVE_MAX_SAMPLES);
    }
    c->sample = ws_realloc(c->sample, ((size_t)c->n + 1) * sizeof *c->sample);
    c->sample[c->n++] = (serve_sample){.spec = s, .reply = reply};
    return WS_OK;
}

ws_status serve_add_sample(serve_call *c, const char *name, const char *reply, ws_err *err)
{
    return add_owned(c, name, ws_strdup(reply), err);
}

/* Of a string, or of a list of parts with a text each. */
static void add_content(const cJSON *v, ws_buf *out)
{
    const cJSON *part;
    if (cJSON_IsString(v))
        ws_buf_adds(out, v->valuestring);
    else if (cJSON_IsArray(v))
        cJSON_ArrayForEach(part, v)
            add_content(cJSON_GetObjectItemCaseSensitive(part, "text"), out);
}

ws_status serve_reply_text(const cJSON *v, const char *where, char **out, ws_err *err)
{
    ws_buf text = {0};
    if (cJSON_IsString(v)) {
        *out = ws_strdup(v->valuestring);
        return WS_OK;
    }
    const cJSON *last = cJSON_IsArray(v) && cJSON_GetArraySize(v)
                            ? cJSON_GetArrayItem(v, cJSON_GetArraySize(v) - 1)
                            : NULL;
    const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(last, "role"));
    if (!role || strcmp(role, "assistant") != 0)
        return ws_fail(err, WS_EINPUT,
                       "%s: expected a string, or messages of which the last is the assistant's",
                       where);
    add_content(cJSON_GetObjectItemCaseSensitive(last, "content"), &text);
    ws_buf_addc(&text, '\0');
    *out = ws_buf_take(&text);
    return WS_OK;
}

/* ---- writing ---- */

bool serve_compiled(const serve_result *r)
{
    return r->judged && r->level >= VFY_COMPILES;
}

bool serve_correct(const serve_result *r)
{
    return r->judged && r->reason == HX_PASS && r->level >= VFY_EMULATED && r->depth == VFY_FULL;
}

cJSON *serve_reward_number(const serve_result *r)
{
    if (r->judged && !r->reward.known)
        return cJSON_CreateNull();
    return cJSON_CreateNumber(r->judged ? r->reward.total : 0);
}

static cJSON *verdict_json(const serve_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "accepted", r->reason == HX_PASS);
    cJSON_AddStringToObject(o, "reason", hx_reason_name(r->reason));
    cJSON_AddNumberToObject(o, "level", r->level);
    cJSON_AddStringToObject(o, "level_name", vfy_level_name(r->level));
    cJSON_AddStringToObject(o, "text", r->text);
    if (r->line)
        cJSON_AddNumberToObject(o, "line", r->line);
    if (r->shape[0])
        cJSON_AddStringToObject(o, "shape", r->shape);
    if (r->source_sha256[0])
        cJSON_AddStringToObject(o, "source_sha256", r->source_sha256);
    return o;
}

cJSON *serve_result_json(const serve_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "spec", r->spec->spec->name);
    cJSON_AddBoolToObject(o, "judged", r->judged);
    cJSON_AddBoolToObject(o, "compiled", serve_compiled(r));
    cJSON_AddBoolToObject(o, "correct", serve_correct(r));
    if (!r->judged) {
        cJSON_AddStringToObject(o, "why", r->text);
        return o;
    }
    cJSON_AddItemToObject(o, "reward", vfy_reward_json(&r->reward, r->scheme));
    cJSON_AddItemToObject(o, "verdict", verdict_json(r));
    if (isfinite(r->seconds)) {
        cJSON_AddNumberToObject(o, "seconds", r->seconds);
        cJSON_AddStringToObject(o, "time_kind", "modelled");
    }
    if (isfinite(r->spec->baseline_s))
        cJSON_AddNumberToObject(o, "baseline_seconds", r->spec->baseline_s);
    if (r->spec->flawed)
        cJSON_AddStringToObject(o, "flaw", r->spec->flaw);
    cJSON_AddNumberToObject(o, "judge_seconds", r->judge_seconds);
    return o;
}
