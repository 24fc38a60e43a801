/* "economics": what a call is worth where the operation serves tokens, so that time becomes cost a
 * token: a call serves `tokens` tokens, and a forward pass of `model` makes `calls` calls. */
#include "specs/load.h"

#include "base/json.h"

#include <string.h>

static const char *const phases[] = {"prefill", "decode", "both"};

static ws_status load_count(spec_loader *l, const cJSON *o, const char *key, const ws_expr **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    const char *where = ws_arena_printf(&l->s->arena, "economics.%s", key);
    ws_env env = spec_env(l->s, -1);
    int64_t n = 0;
    if (!v)
        return ws_fail(l->err, WS_EINPUT, "economics: missing '%s'", key);
    if (spec_load_expr(l, v, where, 0, out))
        return l->err->status;
    if (ws_expr_eval(*out, &env, &n, l->err))
        return ws_wrap(l->err, "%s", where);
    return n > 0 ? WS_OK : spec_load_fail(l, where, "not above 0 at the benchmark shape");
}

ws_status spec_load_economics(spec_loader *l)
{
    static const char *const known[] = {"model", "phase", "tokens", "calls", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(l->s->root, "economics");
    if (!o)
        return WS_OK;
    if (!cJSON_IsObject(o))
        return spec_load_fail(l, "economics", "expected an object");
    spec_economics *e = WS_ARENA_NEW(&l->s->arena, spec_economics, 1);
    if (ws_json_only(o, "economics", known, l->err) ||
        ws_json_string(o, "economics", "model", &e->model, l->err) ||
        ws_json_string(o, "economics", "phase", &e->phase, l->err) ||
        load_count(l, o, "tokens", &e->tokens) || load_count(l, o, "calls", &e->calls))
        return l->err->status;
    l->s->economics = e;
    for (size_t i = 0; i < WS_COUNT(phases); i++)
        if (strcmp(phases[i], e->phase) == 0)
            return WS_OK;
    return spec_load_fail(l, "economics.phase", "expected prefill, decode or both");
}
