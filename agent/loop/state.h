/* The state of one run and its parts: open.c (a new or a resumed run), judge.c (verify, store,
 * tune), ask.c (one model call), report.c (rows and summary), loop.c (the controller). */
#ifndef AGENT_LOOP_STATE_H
#define AGENT_LOOP_STATE_H

#include "agent/loop/loop.h"

typedef struct loop_state {
    const loop_options *o;
    const loop_strategy *strategy;
    ws_arena arena; /* strings of run, calls and candidates */
    spec *spec;
    db_archive *db;
    db_run run;
    uint64_t seed; /* of this run's inputs; from its config, so that a resumed run judges alike */
    double seconds_before; /* wall time of earlier sessions of this run */
    int64_t start_ns;
    comp_service *comp;
    vfy_session *session;
    llm_client *client;
    loop_attempt *attempt;
    int n_attempts, cap_attempts, best;
    db_call *call; /* calls found when resuming, in turn order */
    int n_calls, turn;
    int64_t tokens, requests;
    const char *stop;   /* why the run ended, NULL: goes on */
    const char *status; /* for db_run_end */
    char hint[1024];    /* what to do about a failed call */
} loop_state;

/* ---- open.c ---- */
/* Archive, run, lock, spec, and of a resumed run what it has so far. */
ws_status loop_open_run(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* The options as they are stored, with seed and time spent; in the arena. */
char *loop_config_json(loop_state *s);
double loop_spent_seconds(const loop_state *s); /* by all sessions of the run */

/* ---- judge.c ---- */
/* Verifies `source`, stores candidate, verdict and timing, appends the attempt, updates `best`,
 * prints the row. `template` has origin, round, call, parent, note and tune_json. */
ws_status loop_judge(loop_state *s, const db_candidate *template, const char *source,
                     const int64_t *tune, ws_err *err) WS_MUST_CHECK;
/* A reply without a usable source: stored as a candidate with that reason. */
ws_status loop_judge_reply(loop_state *s, const db_call *call, int parent,
                           ws_err *err) WS_MUST_CHECK;
/* The tune space of the last reply's kernel, as far as it is not judged yet (a run killed while
 * tuning). */
ws_status loop_finish_tuning(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* Loads stored attempts of a run that is resumed. */
ws_status loop_load_attempts(loop_state *s, ws_err *err) WS_MUST_CHECK;

/* ---- ask.c ---- */
/* The model answered, with whatever: its reply is judged, and never asked for again. */
bool loop_answered(const db_call *c);
/* Sends the step's prompt as turn s->turn, stores the call before and after. `*done` has the reply;
 * when it is no answer, s->stop says why the run ends here. */
ws_status loop_ask(loop_state *s, const loop_step *step, db_call *done, ws_err *err) WS_MUST_CHECK;

/* ---- report.c ---- */
void loop_report_header(const loop_state *s);
void loop_report_row(const loop_state *s, const loop_attempt *a);
void loop_report_so_far(const loop_state *s);
/* On a terminal: that a reply is being waited for; negative: the wait is over. */
void loop_report_waiting(const loop_state *s, double seconds);
ws_status loop_report_end(loop_state *s, ws_err *err) WS_MUST_CHECK;

loop_history loop_history_of(const loop_state *s);

#endif
