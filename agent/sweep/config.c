/* A sweep's options as JSON: what the archive keeps, and what lies beside recordings. */
#include "agent/sweep/sweep.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts beside those of the loop (loop_options_json). */
#define TEXTS(X)                                                                                   \
    X("gpu", l.gpu) X("arch", l.arch) X("base_url", l.base_url) X("provider", wish.provider)       \
    X("wire", wish.wire)

static void add_text(cJSON *o, const char *key, const char *text)
{
    if (text)
        cJSON_AddStringToObject(o, key, text);
}

static void add_total(cJSON *j, const budget_limits *t)
{
    cJSON *o = cJSON_AddObjectToObject(j, "total");
    ws_json_add_int(o, "requests", t->most.requests);
    ws_json_add_int(o, "tokens", t->most.tokens);
    cJSON_AddNumberToObject(o, "usd", t->most.usd);
    cJSON_AddNumberToObject(o, "seconds", t->seconds);
}

static void add_arms(cJSON *j, const sweep_options *o)
{
    cJSON *list = cJSON_AddArrayToObject(j, "arms");
    for (int i = 0; i < o->n_arms; i++) {
        cJSON *arm = cJSON_CreateObject();
        add_text(arm, "model", o->arm[i].model);
        add_text(arm, "strategy", o->arm[i].strategy);
        cJSON_AddItemToArray(list, arm);
    }
}

char *sweep_config(const sweep *w, bool whole)
{
    const sweep_options *o = w->o;
    ws_buf text = {0};
    cJSON *j = loop_options_json(&o->l);
    cJSON_DeleteItemFromObjectCaseSensitive(j, "strategy"); /* an arm's */
    add_arms(j, o);
#define ADD(key, field) add_text(j, key, o->field);
    TEXTS(ADD)
#undef ADD
    add_total(j, &o->total);
    cJSON_AddBoolToObject(j, "memory", o->memory);
    cJSON_AddBoolToObject(j, "no_model", o->l.no_model);
    cJSON_AddBoolToObject(j, "replayed", o->replay != NULL);
    if (whole || o->l.seed)
        ws_json_add_seed(j, "seed", whole ? w->seed : (uint64_t)o->l.seed);
    if (whole) {
        add_text(j, "record", o->record);
        add_text(j, "replay", o->replay);
        cJSON_AddNumberToObject(j, "spent_seconds", w->start_ns ? sweep_seconds(w) : 0);
    }
    ws_json_print(j, false, &text);
    cJSON_Delete(j);
    return ws_buf_take(&text);
}

/* ---- reading ---- */

static const char *text_of(const cJSON *j, const char *key, ws_arena *a)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);
    return cJSON_IsString(v) && *v->valuestring ? ws_arena_strdup(a, v->valuestring) : NULL;
}

static double number_of(const cJSON *j, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, key);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

/* Limits that are given now replace those that were. */
static void read_total(const cJSON *j, budget_limits *t)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(j, "total");
    if (!t->most.requests)
        t->most.requests = (int64_t)number_of(o, "requests");
    if (!t->most.tokens)
        t->most.tokens = (int64_t)number_of(o, "tokens");
    if (!(t->most.usd > 0))
        t->most.usd = number_of(o, "usd");
    if (!(t->seconds > 0))
        t->seconds = number_of(o, "seconds");
}

static void read_arms(const cJSON *j, ws_arena *a, sweep_options *o)
{
    const cJSON *arm;
    o->n_arms = 0;
    cJSON_ArrayForEach(arm, cJSON_GetObjectItemCaseSensitive(j, "arms"))
        if (o->n_arms < SWEEP_MAX_ARMS)
            o->arm[o->n_arms++] =
                (sweep_arm){text_of(arm, "model", a), text_of(arm, "strategy", a)};
}

ws_status sweep_config_read(const char *config, ws_arena *a, sweep_options *o, ws_err *err)
{
    cJSON *j = NULL;
    loop_options old = o->l;
    if (ws_json_parse(config, strlen(config), &j, err))
        return ws_wrap(err, "the sweep's options");
    loop_options_of_json(j, a, &old);
    old.base_url = text_of(j, "base_url", a);
    run_options_keep(o->given, &old, &o->l);
    if (!o->given->gpu && text_of(j, "gpu", a))
        o->l.gpu = text_of(j, "gpu", a);
    if (!o->given->arch && text_of(j, "arch", a))
        o->l.arch = text_of(j, "arch", a);
    if (!o->wish.provider)
        o->wish.provider = text_of(j, "provider", a);
    if (!o->wish.base_url)
        o->wish.base_url = o->l.base_url;
    o->l.no_model = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "no_model"));
    o->memory = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "memory"));
    if (!o->record)
        o->record = text_of(j, "record", a);
    if (!o->replay)
        o->replay = text_of(j, "replay", a);
    if (o->replay)
        o->record = NULL;
    read_total(j, &o->total);
    read_arms(j, a, o);
    cJSON_Delete(j);
    return WS_OK;
}
