/* Opening: a new run, or one of the archive with all that it has so far. A run keeps its options,
 * so that after a break it goes on as it would have. */
#include "agent/loop/state.h"

#include "agent/evidence/memory.h"
#include "agent/llm/provider.h"
#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options as JSON ---- */

/* What a run keeps of its options, so that it goes on as it began. */
typedef enum kept_type { KEPT_INT, KEPT_NUMBER, KEPT_TEXT, KEPT_FLAG, KEPT_SMALL } kept_type;
#define KEPT(key, type, field)                                                                     \
    {                                                                                              \
        key, type, offsetof(loop_options, field)                                                   \
    }
static const struct {
    const char *key;
    kept_type type;
    size_t offset;
} kept[] = {
    KEPT("max_tokens", KEPT_INT, max_tokens),
    KEPT("temperature", KEPT_NUMBER, temperature),
    KEPT("reasoning_effort", KEPT_TEXT, reasoning_effort),
    KEPT("no_stream", KEPT_FLAG, no_stream),
    KEPT("prompts", KEPT_TEXT, prompts),
    KEPT("strategy", KEPT_TEXT, strategy),
    KEPT("lanes", KEPT_INT, lanes),
    KEPT("slack", KEPT_INT, slack),
    KEPT("repairs", KEPT_SMALL, strategy_options.repairs),
    KEPT("patience", KEPT_SMALL, strategy_options.patience),
    KEPT("stagnation", KEPT_SMALL, strategy_options.stagnation),
    KEPT("barren", KEPT_SMALL, strategy_options.barren),
    KEPT("islands", KEPT_SMALL, strategy_options.islands),
    KEPT("migrate_every", KEPT_SMALL, strategy_options.migrate_every),
    KEPT("keep", KEPT_SMALL, strategy_options.keep),
    KEPT("diagnose", KEPT_FLAG, strategy_options.diagnose),
    KEPT("rounds", KEPT_INT, budget.most.replies),
    KEPT("call_budget", KEPT_INT, budget.most.requests),
    KEPT("token_budget", KEPT_INT, budget.most.tokens),
    KEPT("candidate_budget", KEPT_INT, budget.most.candidates),
    KEPT("max_cost_usd", KEPT_NUMBER, budget.most.usd),
    KEPT("time_budget_seconds", KEPT_NUMBER, budget.seconds),
    KEPT("target_speedup", KEPT_NUMBER, target_speedup),
    KEPT("target_roofline", KEPT_NUMBER, target_roofline),
    KEPT("value_usd_per_gpu_hour", KEPT_NUMBER, value_usd_per_gpu_hour),
    KEPT("expected_calls", KEPT_NUMBER, expected_calls),
    KEPT("allow_unknown_price", KEPT_FLAG, allow_unknown_price),
    KEPT("prices", KEPT_TEXT, prices),
    KEPT("no_memory", KEPT_FLAG, no_memory),
    KEPT("tune_max", KEPT_INT, tune_max),
};
#undef KEPT

static void put_kept(const loop_options *o, size_t i, cJSON *j)
{
    const char *at = (const char *)o + kept[i].offset, *key = kept[i].key;
    const char *text;
    switch (kept[i].type) {
    case KEPT_INT:
        ws_json_add_int(j, key, *(const int64_t *)(const void *)at);
        break;
    case KEPT_SMALL:
        cJSON_AddNumberToObject(j, key, *(const int *)(const void *)at);
        break;
    case KEPT_NUMBER:
        cJSON_AddNumberToObject(j, key, *(const double *)(const void *)at);
        break;
    case KEPT_FLAG:
        cJSON_AddBoolToObject(j, key, *(const bool *)(const void *)at);
        break;
    case KEPT_TEXT:
        text = *(const char *const *)(const void *)at;
        if (text)
            cJSON_AddStringToObject(j, key, text);
        break;
    }
}

static void take_kept(const cJSON *j, size_t i, ws_arena *a, loop_options *o)
{
    char *at = (char *)o + kept[i].offset;
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(j, kept[i].key);
    int64_t n;
    bool whole = ws_json_whole(v, &n);
    switch (kept[i].type) {
    case KEPT_INT:
        if (whole)
            *(int64_t *)(void *)at = n;
        break;
    case KEPT_SMALL:
        if (whole && n >= 0 && n <= INT_MAX)
            *(int *)(void *)at = (int)n;
        break;
    case KEPT_NUMBER:
        if (cJSON_IsNumber(v))
            *(double *)(void *)at = v->valuedouble;
        break;
    case KEPT_FLAG:
        if (cJSON_IsBool(v))
            *(bool *)(void *)at = cJSON_IsTrue(v);
        break;
    case KEPT_TEXT:
        if (cJSON_IsString(v))
            *(const char **)(void *)at = ws_arena_strdup(a, v->valuestring);
        break;
    }
}

cJSON *loop_options_json(const loop_options *o)
{
    cJSON *j = cJSON_CreateObject();
    for (size_t i = 0; i < WS_COUNT(kept); i++)
        put_kept(o, i, j);
    return j;
}

static cJSON *config_of(loop_state *s)
{
    cJSON *j = loop_options_json(s->o);
    ws_json_add_seed(j, "seed", s->seed);
    /* In force, not as given: a strategy's own number may change with a version. */
    cJSON_DeleteItemFromObjectCaseSensitive(j, "strategy");
    cJSON_AddStringToObject(j, "strategy", s->strategy->name);
    cJSON_ReplaceItemInObjectCaseSensitive(j, "lanes", cJSON_CreateNumber(s->lanes));
    cJSON_ReplaceItemInObjectCaseSensitive(j, "slack", cJSON_CreateNumber(s->slack));
    return j;
}

static char *print_kept(loop_state *s, cJSON *j)
{
    ws_buf text = {0};
    ws_json_print(j, false, &text);
    cJSON_Delete(j);
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

/* Where it is recorded to: a killed run left answers there that are paid for. And whether all that
 * left is there: not when an earlier session lost calls that may not have been asked again. */
static void add_recording(const loop_state *s, cJSON *j)
{
    char *path = s->o->record ? realpath(s->o->record, NULL) : NULL;
    if (path) {
        cJSON_AddStringToObject(j, "record", path);
        cJSON_AddBoolToObject(j, "all_recorded", s->cassette && !s->unrecorded_lost);
    }
    free(path);
}

char *loop_config_json(loop_state *s)
{
    cJSON *j = config_of(s);
    cJSON_AddNumberToObject(j, "spent_seconds", loop_spent_seconds(s));
    add_recording(s, j);
    if (s->lessons && *s->lessons)
        cJSON_AddStringToObject(j, "lessons", s->lessons);
    if (s->related && *s->related)
        cJSON_AddStringToObject(j, "related", s->related);
    return print_kept(s, j);
}

/* What a request to the model looks like follows from these. */
static cJSON *server_of(loop_state *s, int i)
{
    const loop_model *m = &s->o->model[i];
    cJSON *o = cJSON_CreateObject();
    char *quirks = loop_quirks(s, m);
    cJSON_AddStringToObject(o, "model", m->name);
    cJSON_AddStringToObject(o, "provider", m->provider ? m->provider : "");
    cJSON_AddStringToObject(o, "base_url", m->base_url ? m->base_url : "");
    cJSON_AddStringToObject(o, "wire", llm_wire_name(m->wire));
    cJSON_AddStringToObject(o, "quirks", quirks ? quirks : "");
    free(quirks);
    return o;
}

/* A recording tells with what it was made, so that a replay without options is the same run. */
char *loop_recording_json(loop_state *s)
{
    const loop_options *o = s->o;
    cJSON *j = config_of(s);
    cJSON_AddStringToObject(j, "spec", o->spec);
    cJSON *servers = cJSON_AddArrayToObject(j, "servers");
    for (int i = 0; i < o->n_models; i++)
        cJSON_AddItemToArray(servers, server_of(s, i));
    cJSON_AddStringToObject(j, "gpu", o->gpu);
    cJSON_AddStringToObject(j, "arch", o->arch);
    cJSON_AddStringToObject(j, "lessons", s->lessons);
    cJSON_AddStringToObject(j, "related", s->related);
    return print_kept(s, j);
}

double loop_spent_seconds(const loop_state *s)
{
    return s->seconds_before + ws_seconds_since(s->start_ns);
}

void loop_options_of_json(const cJSON *config, ws_arena *a, loop_options *o)
{
    for (size_t i = 0; i < WS_COUNT(kept); i++)
        take_kept(config, i, a, o);
}

ws_status loop_options_of_run(const db_run *r, ws_arena *a, loop_options *o, ws_err *err)
{
    cJSON *config = NULL;
    const char *text = r->config_json ? r->config_json : "{}";
    if (ws_json_parse(text, strlen(text), &config, err))
        return ws_wrap(err, "options of run '%s'", r->name);
    const cJSON *stream = cJSON_GetObjectItemCaseSensitive(config, "stream"); /* of old runs */
    const cJSON *record = cJSON_GetObjectItemCaseSensitive(config, "record");
    o->models = r->model;
    o->base_url = r->base_url;
    o->gpu = r->gpu;
    o->arch = r->arch;
    o->scripted = r->scripted;
    o->record = cJSON_IsString(record) ? ws_arena_strdup(a, record->valuestring) : NULL;
    if (cJSON_IsBool(stream))
        o->no_stream = cJSON_IsFalse(stream);
    loop_options_of_json(config, a, o);
    cJSON_Delete(config);
    return WS_OK;
}

static const char *text_of(loop_state *s, const cJSON *config, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(config, key);
    return cJSON_IsString(v) ? ws_arena_strdup(&s->arena, v->valuestring) : "";
}

/* The earlier sessions recorded to the file that is recorded to now. */
static bool was_recorded(const loop_state *s, const cJSON *config)
{
    const char *old =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "record"));
    char *path = old && s->o->record ? realpath(s->o->record, NULL) : NULL;
    bool same = path && strcmp(path, old) == 0;
    free(path);
    return same && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "all_recorded"));
}

/* The seed, and the time that the run took so far as its last session told when it ended. */
static ws_status read_state(loop_state *s, ws_err *err)
{
    cJSON *config = NULL;
    const char *seed;
    ws_status st = ws_json_parse(s->run.config_json, strlen(s->run.config_json), &config, err);
    if (!st)
        st = ws_json_string(config, "config", "seed", &seed, err);
    if (!st && sscanf(seed, "%" SCNu64, &s->seed) != 1)
        st = ws_fail(err, WS_EINPUT, "the run's seed '%s' is not a number", seed);
    const cJSON *spent = cJSON_GetObjectItemCaseSensitive(config, "spent_seconds");
    if (cJSON_IsNumber(spent))
        s->seconds_before = spent->valuedouble;
    s->all_recorded = was_recorded(s, config);
    s->lessons = text_of(s, config, "lessons");
    s->related = text_of(s, config, "related");
    cJSON_Delete(config);
    return st ? ws_wrap(err, "run '%s'", s->run.name) : WS_OK;
}

/* ---- a new run ---- */

/* Kernels and lessons of other runs are fixed when a run begins, so that its prompts share their
 * beginning and a resumed or replayed run asks the same. */
static ws_status open_memory(loop_state *s, ws_err *err)
{
    enum { LESSONS = 12, KERNELS = 2 };
    const loop_options *o = s->o;
    ws_buf lessons = {0}, related = {0};
    ws_status st = WS_OK;
    s->lessons = o->lessons ? o->lessons : "";
    s->related = o->related ? o->related : "";
    if (o->no_memory || o->reply || o->lessons || o->related)
        return WS_OK;
    st = memory_lessons(s->db, s->spec, o->gpu, 0, LESSONS, &lessons, err);
    if (!st)
        st = memory_related(s->db, s->spec, o->gpu, 0, KERNELS, &related, err);
    s->lessons = ws_arena_strdup(&s->arena, ws_buf_z(&lessons));
    s->related = ws_arena_strdup(&s->arena, ws_buf_z(&related));
    ws_buf_release(&lessons);
    ws_buf_release(&related);
    return st;
}

static ws_status new_run(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    if (spec_find(o->spec, &s->spec, err) || db_open(o->archive, false, &s->db, err))
        return err->status;
    if (o->run_name)
        snprintf(s->run.name, sizeof s->run.name, "%s", o->run_name);
    else if (db_run_name(s->spec->name, s->run.name, err))
        return err->status;
    s->run.spec_name = s->spec->name;
    s->run.spec_sha256 = s->spec->sha256;
    s->run.spec_json = ws_json_text(s->spec->root, &s->arena);
    s->run.model = o->models;
    s->run.base_url = o->base_url;
    s->run.strategy = s->strategy->name;
    s->run.gpu = o->gpu;
    s->run.arch = o->arch;
    s->run.device = "cpu";
    s->run.status = "running";
    s->run.scripted = o->scripted;
    return open_memory(s, err);
}

/* ---- a run of the archive ---- */

static ws_status old_run(loop_state *s, ws_err *err)
{
    db_run *r = &s->run;
    if (db_open(s->o->archive, false, &s->db, err) ||
        db_run_find(s->db, s->o->resume, &s->arena, r, err))
        return err->status;
    if (db_run_lock(s->db, r->id, err))
        return ws_wrap(err, "run '%s'", r->name);
    if (spec_from_text(r->spec_json, strlen(r->spec_json), r->spec_name, &s->spec, err) ||
        read_state(s, err))
        return err->status;
    r->model = s->o->models;
    r->base_url = s->o->base_url;
    return loop_restore(s, err);
}

ws_status loop_open_run(loop_state *s, ws_err *err)
{
    return s->o->resume ? old_run(s, err) : new_run(s, err);
}

ws_status loop_begin_run(loop_state *s, ws_err *err)
{
    db_run *r = &s->run;
    r->config_json = loop_config_json(s);
    if (s->o->resume) {
        if (db_run_reopen(s->db, r->id, err) ||
            db_run_configure(s->db, r->id, r->config_json, r->model, r->base_url, err))
            return err->status;
    } else if (db_run_begin(s->db, r, &r->id, err) || db_run_lock(s->db, r->id, err)) {
        return err->status;
    }
    s->begun = true;
    return WS_OK;
}
