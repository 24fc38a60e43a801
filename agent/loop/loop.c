/* The controller: opens or resumes a run, judges the plain translation, then asks and judges until a
 * limit, and names the winner. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/sha256.h"
#include "reference/emit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

loop_history loop_history_of(const loop_state *s)
{
    return (loop_history){s->attempt, s->n_attempts, s->best};
}

/* ---- opening ---- */

static void name_run(loop_state *s, uint64_t seed)
{
    char when[16];
    time_t t = time(NULL);
    struct tm tm;
    const char *slash = strrchr(s->spec->name, '/');
    gmtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    snprintf(s->run.name, sizeof s->run.name, "%.30s-%.15s-%04x", slash ? slash + 1 : s->spec->name, when,
             (unsigned)(seed & 0xffff));
}

static char *config_json(loop_state *s)
{
    const loop_options *o = s->o;
    char seed[24];
    ws_buf text = {0};
    cJSON *j = cJSON_CreateObject();
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    cJSON_AddStringToObject(j, "seed", seed);
    cJSON_AddBoolToObject(j, "stream", !o->no_stream);
    ws_json_add_int(j, "max_tokens", o->max_tokens);
    ws_json_add_int(j, "rounds", o->budget.rounds);
    ws_json_add_int(j, "token_budget", o->budget.tokens);
    ws_json_add_int(j, "call_budget", o->budget.calls);
    cJSON_AddNumberToObject(j, "time_budget_seconds", o->budget.seconds);
    ws_json_add_int(j, "tune_max", o->tune_max);
    ws_json_print(j, false, &text);
    cJSON_Delete(j);
    char *copy = ws_arena_strdup(&s->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return copy;
}

static ws_status begin_run(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    ws_buf json = {0};
    if (spec_find(o->spec, &s->spec, err))
        return err->status;
    if (getrandom(&s->seed, sizeof s->seed, 0) != sizeof s->seed)
        return ws_fail_errno(err, WS_EENV, "cannot read random bytes");
    name_run(s, s->seed);
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
    s->run.config_json = config_json(s);
    ws_buf_release(&json);
    return db_run_begin(s->db, &s->run, &s->run.id, err);
}

static ws_status read_seed(loop_state *s, ws_err *err)
{
    cJSON *config = NULL;
    const char *seed;
    ws_status st = ws_json_parse(s->run.config_json, strlen(s->run.config_json), &config, err);
    if (!st)
        st = ws_json_string(config, "config", "seed", &seed, err);
    if (!st && sscanf(seed, "%" SCNu64, &s->seed) != 1)
        st = ws_fail(err, WS_EINPUT, "the run's seed '%s' is not a number", seed);
    cJSON_Delete(config);
    return st;
}

static ws_status resume_run(loop_state *s, ws_err *err)
{
    db_totals totals;
    if (db_run_find(s->db, s->o->resume, &s->arena, &s->run, err) ||
        spec_from_text(s->run.spec_json, strlen(s->run.spec_json), s->run.spec_name, &s->spec, err) ||
        read_seed(s, err) || db_run_reopen(s->db, s->run.id, err) || loop_load_attempts(s, err) ||
        db_call_list(s->db, s->run.id, &s->arena, &s->call, &s->n_calls, err) ||
        db_run_totals(s->db, s->run.id, &totals, err))
        return err->status;
    s->tokens = totals.prompt_tokens + totals.completion_tokens;
    s->requests = totals.calls;
    s->seconds_before = totals.model_seconds + totals.judge_seconds;
    return WS_OK;
}

static ws_status open_all(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    llm_client_options co = {.base_url = o->base_url, .api_key = o->api_key,
                             .allow_insecure = o->allow_insecure, .loopback_only = o->scripted,
                             .limits = o->limits};
    if (db_open(o->archive, false, &s->db, err) ||
        (o->resume ? resume_run(s, err) : begin_run(s, err)) ||
        comp_service_open(&(comp_service_options){0}, &s->comp, err) ||
        vfy_session_open(s->spec, s->comp, &s->session, err) ||
        llm_client_open(&co, &s->client, err))
        return err->status;
    return WS_OK;
}

static void close_all(loop_state *s)
{
    llm_client_close(s->client);
    vfy_session_close(s->session);
    comp_service_close(s->comp);
    db_close(s->db);
    spec_free(s->spec);
    free(s->attempt);
    ws_arena_release(&s->arena);
}

/* ---- running ---- */

static ws_status judge_generation_0(loop_state *s, ws_err *err)
{
    ref_graph *g = NULL;
    ws_buf source = {0};
    if (s->n_attempts)
        return WS_OK;
    ws_status st = ref_graph_new(s->spec, &g, err);
    if (!st)
        st = ref_emit(g, &source, err);
    if (!st)
        st = loop_judge(s, &(db_candidate){.origin = "emitted"}, ws_buf_z(&source), NULL, err);
    ws_buf_release(&source);
    ref_graph_free(g);
    return st;
}

static bool judged(const loop_state *s, const db_call *call)
{
    for (int i = 0; i < s->n_attempts; i++)
        if (s->attempt[i].candidate->call == call->id)
            return true;
    return false;
}

static void check_limits(loop_state *s)
{
    const loop_budget *b = &s->o->budget;
    const char *which = NULL;
    if (cli_interrupted) {
        s->stop = "interrupted";
        s->status = "interrupted";
        return;
    }
    if (b->rounds && s->turn >= b->rounds)
        s->stop = "all rounds done", s->status = "done";
    else if (b->tokens && s->tokens >= b->tokens)
        which = "token";
    else if (b->calls && s->requests >= b->calls)
        which = "call";
    else if (b->seconds > 0 && s->seconds_before + ws_seconds_since(s->start_ns) >= b->seconds)
        which = "time";
    if (which) {
        s->stop = ws_arena_printf(&s->arena, "the %s budget is spent", which);
        s->status = "limit";
    }
}

static void add_call(loop_state *s, const db_call *call)
{
    if (s->turn < s->n_calls) {
        s->call[s->turn] = *call;
        return;
    }
    db_call *grown = WS_ARENA_NEW(&s->arena, db_call, s->n_calls + 1);
    if (s->n_calls)
        memcpy(grown, s->call, (size_t)s->n_calls * sizeof *grown);
    grown[s->n_calls++] = *call;
    s->call = grown;
}

/* One turn: the stored reply of an earlier session, or a new one; then its verdict. */
static ws_status take_turn(loop_state *s, ws_err *err)
{
    loop_history h = loop_history_of(s);
    loop_step step = s->strategy->next(&h);
    db_call call;
    if (s->turn < s->n_calls && strcmp(s->call[s->turn].state, "done") == 0) {
        call = s->call[s->turn];
    } else {
        if (loop_ask(s, &step, &call, err))
            return err->status;
        if (strcmp(call.outcome, "cancelled") == 0)
            return WS_OK;
        add_call(s, &call);
    }
    if (!judged(s, &call) && loop_judge_reply(s, &call, step.subject, err))
        return err->status;
    s->turn++;
    return WS_OK;
}

static void skip_judged_turns(loop_state *s)
{
    while (s->turn < s->n_calls && strcmp(s->call[s->turn].state, "done") == 0 &&
           judged(s, &s->call[s->turn]))
        s->turn++;
}

static ws_status run_turns(loop_state *s, ws_err *err)
{
    skip_judged_turns(s);
    if (loop_finish_tuning(s, err))
        return err->status;
    for (check_limits(s); !s->stop; check_limits(s))
        if (take_turn(s, err))
            return err->status;
    return WS_OK;
}

static ws_status exit_status(const loop_state *s, int *exit_code, ws_err *err)
{
    if (strcmp(s->status, "interrupted") == 0)
        *exit_code = 130;
    else if (strcmp(s->status, "failed") == 0)
        return ws_fail(err, WS_EREMOTE, "the model cannot be used: %s", s->stop);
    else if (strcmp(s->status, "limit") == 0)
        *exit_code = ws_status_exit_code(WS_ELIMIT);
    else
        *exit_code = s->best <= 0; /* generation 0 is no win */
    return WS_OK;
}

ws_status loop_run(const loop_options *o, int *exit_code, ws_err *err)
{
    loop_state s = {.o = o, .strategy = &loop_refine, .best = -1, .start_ns = ws_now_ns(),
                    .status = "failed"};
    ws_status st = open_all(&s, err);
    if (!st) {
        loop_report_header(&s);
        st = judge_generation_0(&s, err);
    }
    if (!st)
        st = run_turns(&s, err);
    if (s.db && s.run.id) { /* also after an error: the archive says how the run ended */
        ws_err late = {0};
        int64_t best = s.best >= 0 ? s.attempt[s.best].candidate->id : 0;
        const char *why = st ? err->msg : s.stop;
        ws_status end = db_run_end(s.db, s.run.id, st ? "failed" : s.status, why, best, &late);
        s.run.best_candidate = best;
        if (!st && end) {
            *err = late;
            st = end;
        }
    }
    if (!st)
        st = loop_report_end(&s, err);
    if (!st)
        st = exit_status(&s, exit_code, err);
    close_all(&s);
    return st;
}
