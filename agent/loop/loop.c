/* The controller: one event loop over models and judges. It judges the plain translation, lets
 * every lane ask and be judged until a limit, and names the winner. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "agent/evidence/memory.h"
#include "agent/llm/cassette.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "reference/graph.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

char *loop_quirks(loop_state *s, const loop_model *m)
{
    const char *quirks = NULL;
    ws_err err = {0};
    if (m->quirks)
        return *m->quirks ? ws_strdup(m->quirks) : NULL;
    if (!s->db || !m->base_url ||
        db_quirks_load(s->db, m->base_url, m->name, &s->arena, &quirks, &err) || !quirks)
        return NULL;
    return ws_strdup(quirks);
}

static char *load_quirks(void *ud, const char *base_url, const char *model)
{
    loop_state *s = ud;
    loop_model m = {.name = model, .base_url = base_url};
    for (int i = 0; i < s->o->n_models; i++)
        if (strcmp(s->o->model[i].name, model) == 0)
            m.quirks = s->o->model[i].quirks;
    return loop_quirks(s, &m);
}

static void save_quirks(void *ud, const char *base_url, const char *model, const char *quirks)
{
    loop_state *s = ud;
    ws_err err = {0};
    if (!s->o->replay && db_quirks_save(s->db, base_url, model, quirks, &err))
        ws_log(WS_LOG_WARN, "what '%s' does not accept is not remembered: %s", model, err.msg);
}

/* What is recorded, or what is replayed: then no server is asked. */
static ws_status open_cassette(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    cassette_options co = {.speed = o->replay_speed, .loose = o->replay_loose};
    if (o->replay)
        return cassette_replay_open(o->replay, &co, &s->cassette, err);
    if (o->record)
        return cassette_record_open(o->record, loop_recording_json(s), o->resume != NULL,
                                    &s->cassette, err);
    return WS_OK;
}

static ws_status open_client(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    if (open_cassette(s, err))
        return err->status;
    for (int i = 0; i < o->n_models; i++) {
        const loop_model *m = &o->model[i];
        llm_client_options co = {.provider = m->provider,
                                 .base_url = m->base_url,
                                 .api_key = m->api_key,
                                 .key_kind = m->key_kind,
                                 .wire = m->wire,
                                 .allow_insecure = o->allow_insecure,
                                 .loopback_only = o->scripted,
                                 .limits = o->limits,
                                 .cassette = s->cassette,
                                 .quirks = {load_quirks, save_quirks, s}};
        co.limits.max_in_flight = s->lanes;
        if (i ? llm_endpoint_add(s->client, &co, &s->endpoint[i], err)
              : llm_client_open(&co, &s->client, err))
            return err->status;
    }
    return WS_OK;
}

/* Before the recording's header is written; a resumed run has its own. */
static ws_status choose_seed(loop_state *s, ws_err *err)
{
    s->seed = (uint64_t)s->o->seed;
    return s->seed ? WS_OK : ws_random(&s->seed, sizeof s->seed, err);
}

static ws_status open_strategy(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    s->strategy = o->strategy ? strategy_find(o->strategy) : strategies[0];
    if (!s->strategy) {
        ws_buf names = {0};
        for (int i = 0; strategies[i]; i++)
            ws_buf_printf(&names, "%s%s", i ? ", " : "", strategies[i]->name);
        ws_fail(err, WS_EUSAGE, "no strategy is called '%s'", o->strategy);
        ws_hint(err, "there are %s", ws_buf_z(&names));
        ws_buf_release(&names);
        return err->status;
    }
    s->lanes = o->lanes > 0 ? (int)o->lanes : 1;
    s->slack = o->slack > 0 ? (int)o->slack : s->strategy->slack > 0 ? s->strategy->slack : 1;
    s->budget.limit = o->budget; /* of replies: see has_reply in turns.c */
    if (o->replay && !o->replay_loose) /* it spends nothing, and ends where the recorded run did */
        s->budget.limit = (budget_limits){.most.replies = o->budget.most.replies,
                                          .most.candidates = o->budget.most.candidates};
    return WS_OK;
}

static ws_status open_judges(loop_state *s, ws_err *err)
{
    lane_options lo = {.lanes = (int)s->o->judges, .cores = s->o->cores, .arch = s->run.arch,
                       .gpu = s->run.gpu, .seed = s->seed};
    return lane_pool_open(s->spec, &lo, &s->judges, err);
}

static ws_status open_all(loop_state *s, ws_err *err)
{
    /* The client before the run: a URL or key that cannot be used leaves none behind. */
    if (open_strategy(s, err) || choose_seed(s, err) || loop_open_prices(s, err) ||
        loop_open_run(s, err) || (!s->o->reply && open_client(s, err)))
        return err->status;
    loop_count_restored(s);
    if (loop_begin_run(s, err) || open_judges(s, err))
        return err->status;
    return WS_OK;
}

static ws_status close_all(loop_state *s, ws_err *err)
{
    ws_status st = WS_OK;
    lane_pool_close(s->judges);
    llm_client_close(s->client);
    st = cassette_close(s->cassette, err);
    price_table_close(s->prices);
    db_close(s->db);
    ref_graph_free(s->graph);
    spec_free(s->spec);
    for (int i = 0; i < s->n_turns; i++)
        loop_tuning_free(s->turn[i]->tuning);
    loop_jobs_free(s);
    free(s->turn);
    free(s->attempt);
    ws_arena_release(&s->arena);
    return st;
}

/* ---- running ---- */

static void check_limits(loop_state *s)
{
    const budget *b = &s->budget;
    if (cli_interrupted) {
        s->stop = s->status = "interrupted"; /* whatever else was about to end it */
    } else if (b->limit.seconds > 0 && loop_spent_seconds(s) >= b->limit.seconds) {
        loop_stop(s, "limit", "the time budget is spent");
        s->stop_tuning = true;
        loop_cancel_calls(s);
    } else if (b->limit.most.candidates && b->spent.candidates >= b->limit.most.candidates) {
        loop_stop(s, "limit", "the candidate budget is spent");
        s->stop_tuning = true;
    } else {
        loop_weigh(s);
    }
}

/* Until something happens, at most a fifth of a second. */
static ws_status wait_for_events(loop_state *s, ws_err *err)
{
    enum { WAIT_MS = 200, MAX_FDS = 256 };
    struct pollfd fd[MAX_FDS];
    lane_event e;
    llm_reply r;
    int id, calls = loop_calls_in_flight(s), n = lane_descriptors(s->judges, fd, MAX_FDS);
    int64_t begin = ws_now_ns();
    bool idle = !lane_busy(s->judges);
    if (lane_poll(s->judges, calls ? 0 : WAIT_MS, &e)) {
        do
            if (loop_take_verdict(s, &e, err))
                return err->status;
        while (lane_poll(s->judges, 0, &e));
        calls = 0;
    }
    if (s->client && llm_in_flight(s->client)) {
        n = lane_descriptors(s->judges, fd, MAX_FDS);
        while (llm_poll_with(s->client, fd, n, calls ? WAIT_MS : 0, &id, &r)) {
            ws_status st = loop_take_reply(s, id, &r, err);
            llm_reply_release(&r);
            if (st)
                return st;
            calls = 0;
        }
    }
    if (idle)
        s->clock.idle += ws_seconds_since(begin);
    loop_report_progress(s);
    return WS_OK;
}

/* Ctrl-C: what the judges have at hand is ended and stored, the rest can be asked for again. */
static ws_status wind_up(loop_state *s, ws_err *err)
{
    s->stop_tuning = true;
    loop_cancel_calls(s);
    s->open_jobs -= lane_drop_waiting(s->judges);
    while (loop_calls_in_flight(s) || lane_busy(s->judges)) {
        if (wait_for_events(s, err))
            return err->status;
        s->open_jobs -= lane_drop_waiting(s->judges);
    }
    return WS_OK;
}

static ws_status run_turns(loop_state *s, ws_err *err)
{
    enum { ENOUGH = 100 };
    int still = 0;
    for (;;) {
        check_limits(s);
        if (cli_interrupted)
            return wind_up(s, err);
        if (loop_advance(s, err))
            return err->status;
        if (!loop_quiet(s)) {
            still = 0;
            if (wait_for_events(s, err))
                return err->status;
        } else if (s->stop) {
            return WS_OK;
        } else if (++still > ENOUGH) {
            ws_bug("no lane moves, and nothing is in flight");
        }
    }
}

/* ---- the end ---- */

static bool last_reply_passed(const loop_state *s)
{
    for (int i = s->n_attempts - 1; i >= 0; i--)
        if (strcmp(s->attempt[i].candidate->origin, "model") == 0)
            return strcmp(s->attempt[i].candidate->reason, "pass") == 0;
    return false;
}

static ws_status exit_status(const loop_state *s, int *exit_code, ws_err *err)
{
    if (strcmp(s->status, "interrupted") == 0)
        *exit_code = 130;
    else if (strcmp(s->status, "failed") == 0) {
        ws_fail(err, WS_EREMOTE, "%s", s->stop);
        return s->hint[0] ? ws_hint(err, "%s", s->hint) : err->status;
    } else if (strcmp(s->status, "limit") == 0)
        *exit_code = ws_status_exit_code(WS_ELIMIT);
    else if (s->o->reply)
        *exit_code = !last_reply_passed(s);
    else
        *exit_code = s->best <= 0; /* generation 0 is no win */
    return WS_OK;
}

/* What other runs may learn from this one. That it could not be told is no failure of the run. */
static void learn(loop_state *s)
{
    ws_err err = {0};
    if (!s->o->no_memory && memory_learn(s->db, s->spec, &s->run, &err))
        ws_log(WS_LOG_WARN, "lessons: %s", err.msg);
}

/* The archive says how the run ended, also after an error. */
static ws_status close_run(loop_state *s, ws_status st, ws_err *err)
{
    ws_err late = {0};
    int64_t best = s->best >= 0 ? s->attempt[s->best].candidate->id : 0;
    if (st && cli_interrupted) { /* what an interrupt tore down is no failure */
        ws_log(WS_LOG_INFO, "%s", err->msg);
        s->stop = s->status = "interrupted";
        st = WS_OK;
    }
    ws_status end = db_run_configure(s->db, s->run.id, loop_config_json(s), s->run.model,
                                     s->run.base_url, &late);
    if (!end)
        end = db_run_end(s->db, s->run.id, st ? "failed" : s->status, st ? err->msg : s->stop, best,
                         &late);
    s->run.best_candidate = best;
    if (!st && !end)
        learn(s);
    if (!st && end) {
        *err = late;
        st = end;
    }
    return st;
}

ws_status loop_run(const loop_options *o, int *exit_code, ws_err *err)
{
    loop_state s = {.o = o, .best = -1, .start_ns = ws_now_ns(), .status = "failed"};
    ws_err late = {0};
    ws_status st = open_all(&s, err);
    if (st && cli_interrupted && !s.begun) { /* while it waited for calls of an earlier run */
        ws_log(WS_LOG_WARN, "%s", err->msg);
        *exit_code = 130;
        return close_all(&s, err);
    }
    if (!st) {
        snprintf(cli_resume_hint, sizeof cli_resume_hint,
                 "warpsmith optimize --resume %s --archive %.200s", s.run.name, o->archive);
        loop_report_header(&s);
        loop_report_so_far(&s);
        st = loop_judge_generation_0(&s, err);
    }
    if (o->no_model)
        loop_stop(&s, "done", "no model is asked");
    if (!st)
        st = run_turns(&s, err);
    if (!st && o->fused && !cli_interrupted && !s.stop_tuning && strcmp(s.status, "failed") != 0)
        st = loop_judge_fused(&s, err);
    if (s.begun)
        st = close_run(&s, st, err);
    if (!st)
        st = loop_report_end(&s, err);
    if (!st)
        st = exit_status(&s, exit_code, err);
    else if (cli_resume_hint[0] && !err->hint[0] && st != WS_EUSAGE && st != WS_EINPUT)
        ws_hint(err, "to go on: %s", cli_resume_hint);
    cli_resume_hint[0] = '\0';
    if (close_all(&s, &late) && !st) {
        *err = late;
        st = late.status;
    }
    return st;
}
