/* The controller: judges the plain translation, then asks and judges until a limit, and names the
 * winner. */
#include "agent/loop/state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "reference/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

loop_history loop_history_of(const loop_state *s)
{
    return (loop_history){s->attempt, s->n_attempts, s->best};
}

/* ---- opening ---- */

static ws_status open_all(loop_state *s, ws_err *err)
{
    const loop_options *o = s->o;
    llm_client_options co = {.base_url = o->base_url,
                             .api_key = o->api_key,
                             .allow_insecure = o->allow_insecure,
                             .loopback_only = o->scripted,
                             .limits = o->limits};
    /* The client first: a URL or key that cannot be used leaves no run behind. */
    if ((!o->reply && llm_client_open(&co, &s->client, err)) || loop_open_run(s, err) ||
        comp_service_open(&(comp_service_options){0}, &s->comp, err) ||
        vfy_session_open(s->spec, s->comp, &s->session, err))
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
    if (s->stop)
        return;
    if (cli_interrupted)
        s->stop = "interrupted", s->status = "interrupted";
    else if (b->rounds && s->turn >= b->rounds)
        s->stop = "all rounds done", s->status = "done";
    else if (s->o->scripted && s->turn >= s->o->script_replies)
        s->stop = "the script's replies are used up", s->status = "done";
    else if (b->tokens && s->tokens >= b->tokens)
        which = "token";
    else if (b->calls && s->requests >= b->calls)
        which = "call";
    else if (b->seconds > 0 && loop_spent_seconds(s) >= b->seconds)
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
    if (s->turn < s->n_calls && loop_answered(&s->call[s->turn])) {
        call = s->call[s->turn];
    } else {
        if (loop_ask(s, &step, &call, err))
            return err->status;
        if (!loop_answered(&call)) /* the time is up, Ctrl-C, or s->stop says why */
            return WS_OK;
        add_call(s, &call);
    }
    if (!judged(s, &call) && loop_judge_reply(s, &call, step.subject, err))
        return err->status;
    if (judged(s, &call)) /* not when an interrupt spoilt the verdict */
        s->turn++;
    return WS_OK;
}

static void skip_judged_turns(loop_state *s)
{
    while (s->turn < s->n_calls && loop_answered(&s->call[s->turn]) && judged(s, &s->call[s->turn]))
        s->turn++;
}

static ws_status run_turns(loop_state *s, ws_err *err)
{
    skip_judged_turns(s);
    if (loop_finish_tuning(s, err))
        return err->status;
    if (s->o->reply) {
        if (take_turn(s, err))
            return err->status;
        s->stop = "the reply is judged", s->status = "done";
        return WS_OK;
    }
    for (check_limits(s); !s->stop; check_limits(s))
        if (take_turn(s, err))
            return err->status;
    return WS_OK;
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
        ws_fail(err, WS_EREMOTE, "round %d: %s", s->turn + 1, s->stop);
        return s->hint[0] ? ws_hint(err, "%s", s->hint) : err->status;
    } else if (strcmp(s->status, "limit") == 0)
        *exit_code = ws_status_exit_code(WS_ELIMIT);
    else if (s->o->reply)
        *exit_code = !last_reply_passed(s);
    else
        *exit_code = s->best <= 0; /* generation 0 is no win */
    return WS_OK;
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
    if (!st && end) {
        *err = late;
        st = end;
    }
    return st;
}

ws_status loop_run(const loop_options *o, int *exit_code, ws_err *err)
{
    loop_state s = {
        .o = o, .strategy = &loop_refine, .best = -1, .start_ns = ws_now_ns(), .status = "failed"};
    ws_status st = open_all(&s, err);
    if (!st) {
        snprintf(cli_resume_hint, sizeof cli_resume_hint,
                 "warpsmith optimize --resume %s --archive %.200s", s.run.name, o->archive);
        loop_report_header(&s);
        loop_report_so_far(&s);
        st = judge_generation_0(&s, err);
    }
    if (!st)
        st = run_turns(&s, err);
    if (s.db && s.run.id)
        st = close_run(&s, st, err);
    if (!st)
        st = loop_report_end(&s, err);
    if (!st)
        st = exit_status(&s, exit_code, err);
    else if (cli_resume_hint[0] && !err->hint[0] && st != WS_EUSAGE && st != WS_EINPUT)
        ws_hint(err, "to go on: %s", cli_resume_hint);
    cli_resume_hint[0] = '\0';
    close_all(&s);
    return st;
}
