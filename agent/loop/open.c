/* Opening: a new run, or one of the archive with all that it has so far. A run keeps its options,
 * so that after a break it goes on as it would have. */
#include "agent/loop/state.h"

#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- options as JSON ---- */

char *loop_config_json(loop_state *s)
{
    const loop_options *o = s->o;
    char seed[24];
    ws_buf text = {0};
    cJSON *j = cJSON_CreateObject();
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed); /* 64 bits do not fit a JSON number */
    cJSON_AddStringToObject(j, "seed", seed);
    cJSON_AddBoolToObject(j, "stream", !o->no_stream);
    ws_json_add_int(j, "max_tokens", o->max_tokens);
    cJSON_AddNumberToObject(j, "temperature", o->temperature);
    if (o->reasoning_effort)
        cJSON_AddStringToObject(j, "reasoning_effort", o->reasoning_effort);
    if (o->prompts)
        cJSON_AddStringToObject(j, "prompts", o->prompts);
    ws_json_add_int(j, "rounds", o->budget.rounds);
    ws_json_add_int(j, "token_budget", o->budget.tokens);
    ws_json_add_int(j, "call_budget", o->budget.calls);
    cJSON_AddNumberToObject(j, "time_budget_seconds", o->budget.seconds);
    ws_json_add_int(j, "tune_max", o->tune_max);
    cJSON_AddNumberToObject(j, "spent_seconds", loop_spent_seconds(s));
    ws_json_print(j, false, &text);
    cJSON_Delete(j);
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

double loop_spent_seconds(const loop_state *s)
{
    return s->seconds_before + ws_seconds_since(s->start_ns);
}

static void read_int(const cJSON *config, const char *key, int64_t *out)
{
    int64_t v;
    if (ws_json_whole(cJSON_GetObjectItemCaseSensitive(config, key), &v))
        *out = v;
}

static void read_number(const cJSON *config, const char *key, double *out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(config, key);
    if (cJSON_IsNumber(v))
        *out = v->valuedouble;
}

static void read_text(const cJSON *config, const char *key, ws_arena *a, const char **out)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, key));
    if (z)
        *out = ws_arena_strdup(a, z);
}

ws_status loop_options_of_run(const db_run *r, ws_arena *a, loop_options *o, ws_err *err)
{
    cJSON *config = NULL;
    const char *text = r->config_json ? r->config_json : "{}";
    if (ws_json_parse(text, strlen(text), &config, err))
        return ws_wrap(err, "options of run '%s'", r->name);
    const cJSON *stream = cJSON_GetObjectItemCaseSensitive(config, "stream");
    o->model = r->model;
    o->base_url = r->base_url;
    o->gpu = r->gpu;
    o->arch = r->arch;
    o->scripted = r->scripted;
    if (cJSON_IsBool(stream))
        o->no_stream = cJSON_IsFalse(stream);
    read_int(config, "max_tokens", &o->max_tokens);
    read_number(config, "temperature", &o->temperature);
    read_text(config, "reasoning_effort", a, &o->reasoning_effort);
    read_text(config, "prompts", a, &o->prompts);
    read_int(config, "rounds", &o->budget.rounds);
    read_int(config, "token_budget", &o->budget.tokens);
    read_int(config, "call_budget", &o->budget.calls);
    read_number(config, "time_budget_seconds", &o->budget.seconds);
    read_int(config, "tune_max", &o->tune_max);
    cJSON_Delete(config);
    return WS_OK;
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
    read_number(config, "spent_seconds", &s->seconds_before);
    cJSON_Delete(config);
    return st ? ws_wrap(err, "run '%s'", s->run.name) : WS_OK;
}

/* ---- a new run ---- */

static void name_run(loop_state *s, uint64_t seed)
{
    char when[16];
    time_t t = time(NULL);
    struct tm tm;
    const char *slash = strrchr(s->spec->name, '/');
    gmtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    snprintf(s->run.name, sizeof s->run.name, "%.30s-%.15s-%04x", slash ? slash + 1 : s->spec->name,
             when, (unsigned)(seed & 0xffff));
}

static ws_status begin_run(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    ws_buf json = {0};
    if (spec_find(o->spec, &s->spec, err) || db_open(o->archive, false, &s->db, err))
        return err->status;
    if (getrandom(&s->seed, sizeof s->seed, 0) != sizeof s->seed)
        return ws_fail_errno(err, WS_EENV, "cannot read random bytes");
    name_run(s, s->seed);
    if (o->seed)
        s->seed = (uint64_t)o->seed;
    ws_json_print(s->spec->root, false, &json);
    s->run.spec_name = s->spec->name;
    s->run.spec_sha256 = s->spec->sha256;
    s->run.spec_json = ws_arena_strdup(&s->arena, ws_buf_z(&json));
    s->run.model = o->model;
    s->run.base_url = o->base_url;
    s->run.strategy = s->strategy->name;
    s->run.gpu = o->gpu;
    s->run.arch = o->arch;
    s->run.device = "cpu";
    s->run.status = "running";
    s->run.scripted = o->scripted;
    s->run.config_json = loop_config_json(s);
    ws_buf_release(&json);
    if (db_run_begin(s->db, &s->run, &s->run.id, err))
        return err->status;
    return db_run_lock(s->db, s->run.id, err);
}

/* ---- a run of the archive ---- */

static ws_status resume_run(loop_state *s, ws_err *err)
{
    db_totals totals;
    db_run *r = &s->run;
    if (db_open(s->o->archive, false, &s->db, err) ||
        db_run_find(s->db, s->o->resume, &s->arena, r, err))
        return err->status;
    if (db_run_lock(s->db, r->id, err)) {
        ws_wrap(err, "run '%s'", r->name);
        r->id = 0; /* its end is not ours to record */
        return err->status;
    }
    if (spec_from_text(r->spec_json, strlen(r->spec_json), r->spec_name, &s->spec, err) ||
        read_state(s, err) || db_run_reopen(s->db, r->id, err) || loop_load_attempts(s, err) ||
        db_call_list(s->db, r->id, &s->arena, &s->call, &s->n_calls, err) ||
        db_run_totals(s->db, r->id, &totals, err))
        return err->status;
    s->tokens = totals.prompt_tokens + totals.completion_tokens;
    s->requests = totals.attempts;
    /* A session that was killed told nothing: then at least its calls and verdicts count. */
    if (s->seconds_before < totals.model_seconds + totals.judge_seconds)
        s->seconds_before = totals.model_seconds + totals.judge_seconds;
    r->model = s->o->model;
    r->base_url = s->o->base_url;
    r->config_json = loop_config_json(s);
    return db_run_configure(s->db, r->id, r->config_json, r->model, r->base_url, err);
}

ws_status loop_open_run(loop_state *s, ws_err *err)
{
    return s->o->resume ? resume_run(s, err) : begin_run(s, err);
}
