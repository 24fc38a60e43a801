/* The state of one run and its parts: open.c (a new run, or the options of an old one), restore.c
 * (what a resumed run has so far), turns.c (which lane asks what, and when), ask.c (one model
 * call), money.c (claims and costs), value.c (when
 * enough is won), judge.c (verdicts), tuning.c (the tune space of a kernel),
 * report.c (rows, events, summary), loop.c (the event loop). */
#ifndef AGENT_LOOP_STATE_H
#define AGENT_LOOP_STATE_H

#include "agent/loop/lane.h"
#include "agent/loop/loop.h"
#include "agent/money/price.h"

typedef struct loop_tuning loop_tuning;
typedef struct loop_job loop_job;

/* One turn of a lane, from its step to its last verdict. */
typedef struct loop_turn {
    int turn, lane, round;
    strat_step step;     /* indices of loop_state.attempt */
    db_call call;        /* id 0: nothing was sent yet */
    bool answered;       /* the model answered, with whatever */
    bool judging;        /* its kernel is with a judge */
    bool done;           /* judged, and tuned: may be seen by other turns */
    bool refused;        /* there is no reply left for it: never asked */
    bool cut_short;      /* the budget had no room for another try while others were in flight */
    bool shrunk;         /* asked again with a shorter prompt */
    int request;         /* of the client, while one is in flight; else 0 */
    budget_amount claim; /* stands while a request is in flight */
    budget_amount used;  /* by attempts that failed before the last one */
    double earlier_usd;  /* that the call took in earlier sessions */
    int attempt;         /* index of the kernel judged from it, -1: none */
    loop_tuning *tuning; /* NULL: not being tuned */
} loop_turn;

typedef struct loop_lane {
    int finished;    /* rounds that are behind it; INT_MAX: it has ended */
    loop_turn *turn; /* that it is at, NULL: between turns */
} loop_lane;

/* Seconds that the controller's work took, for `make bench`. */
typedef struct loop_clock {
    double archive, prompt, compile, run, idle;
} loop_clock;

typedef struct loop_state {
    const loop_options *o;
    const strategy *strategy;
    ws_arena arena; /* strings of run, turns and candidates */
    spec *spec;
    struct ref_graph *graph; /* NULL: no plan was looked at yet */
    db_archive *db;
    db_run run;
    bool begun;    /* the archive has the run, and is told how it ends */
    uint64_t seed; /* of this run's inputs; from its config, so that a resumed run judges alike */
    double seconds_before; /* wall time of earlier sessions of this run */
    int64_t start_ns;
    lane_pool *judges;
    llm_client *client;
    int endpoint[LOOP_MAX_MODELS];
    strat_model model[LOOP_MAX_MODELS];
    price price[LOOP_MAX_MODELS];
    bool priced[LOOP_MAX_MODELS];
    price_table *prices;
    struct cassette *cassette;
    int unrecorded_lost; /* calls of earlier sessions that the cassette knows nothing of */
    bool all_recorded; /* what left in earlier sessions and was not stored is in the cassette */
    budget budget;
    double uncounted_usd; /* the most that requests lost to a break may have cost; in the budget */
    int lost_requests;
    int weighed; /* attempts there were when the run was last weighed */

    strat_attempt *attempt; /* in order of judgement; [0] is the emitted translation */
    int n_attempts, cap_attempts, best;
    loop_turn **turn; /* in order of asking */
    int n_turns, cap_turns;
    loop_lane lane[LOOP_MAX_LANES];
    int lanes, slack;
    loop_job **job; /* by id; NULL: over */
    int n_jobs, cap_jobs, open_jobs;

    bool recording_over;           /* a replayed lane came to where the recorded run ended */
    bool stop_tuning;              /* the time is up, or an interrupt: what is judged is enough */
    const char *stop;              /* why nothing more is asked, NULL: goes on */
    const char *status;            /* for db_run_end */
    char hint[1024];               /* what to do about a failed call */
    const char *lessons, *related; /* for prompts, "" when there are none */
    loop_clock clock;
} loop_state;

/* ---- open.c ---- */
/* Archive, spec, what earlier runs learned; of a resumed run its lock and what it has so far. */
ws_status loop_open_run(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* The run is in the archive from here on. */
ws_status loop_begin_run(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* The options as they are stored, with seed and time spent; in the arena. */
char *loop_config_json(loop_state *s);
char *loop_recording_json(loop_state *s); /* of a new recording's header */
/* What was learned of a model's server, malloc'ed; NULL: nothing. */
char *loop_quirks(loop_state *s, const loop_model *m);
double loop_spent_seconds(const loop_state *s); /* by all sessions of the run */

/* ---- restore.c ---- */
/* Attempts and turns of a run that is resumed. */
ws_status loop_restore(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* Counts them. After the cassette is open: what a killed session had in flight is lost only when it
 * was not recorded either. */
void loop_count_restored(loop_state *s);
/* The step as it is stored with its call, in the arena. */
const char *loop_step_json(loop_state *s, const loop_turn *t);

/* ---- turns.c ---- */
/* Moves every lane that can go on: to its next turn, to the model, to the judge. */
ws_status loop_advance(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* The turn is over. */
void loop_turn_done(loop_state *s, loop_turn *t);
/* Nothing is in flight, and nothing waits for a verdict. */
bool loop_quiet(const loop_state *s);
/* What a lane sees; strings and arrays in `a`. */
void loop_view(const loop_state *s, int lane, int round, ws_arena *a, strat_view *out,
               int **to_all);
/* No more is asked. The first reason stands. */
void loop_stop(loop_state *s, const char *status, const char *why);

/* ---- ask.c ---- */
bool loop_answered(const db_call *c);
/* Sends the turn's prompt when the budget allows, or says that it is spent. */
ws_status loop_ask(loop_state *s, loop_turn *t, ws_err *err) WS_MUST_CHECK;
/* Takes a finished reply: stores it, accounts for it. */
ws_status loop_take_reply(loop_state *s, int request, llm_reply *r, ws_err *err) WS_MUST_CHECK;
void loop_cancel_calls(loop_state *s);
int loop_calls_in_flight(const loop_state *s);

/* ---- money.c ---- */
ws_status loop_open_prices(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* Claims for the turn's request; may shorten q->max_tokens. */
budget_answer loop_claim(loop_state *s, loop_turn *t, llm_request *q, int64_t prompt_bytes);
/* llm_request.again: settles the attempt that failed and claims for the next; ud is a
 * loop_claimant. */
typedef struct loop_claimant {
    loop_state *s;
    loop_turn *t;
} loop_claimant;
bool loop_may_resend(void *ud, const llm_attempt *failed);
/* Settles the claim with what the reply took; fills the call's cost. */
void loop_settle(loop_state *s, loop_turn *t, const llm_reply *r);
/* What a stored call took. */
budget_amount loop_spent_by(const db_call *c);

/* ---- value.c ---- */
/* Stops the run when its target is reached, or when the next gain is not worth its price. */
void loop_weigh(loop_state *s);
/* What the run cost and what its kernel saves: a few lines, none without a winner. */
void loop_print_worth(const loop_state *s, ws_buf *out);
cJSON *loop_worth_json(const loop_state *s); /* NULL: no winner */

/* ---- judge.c ---- */
ws_status loop_judge_generation_0(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* The fused translation, unless it was judged: it comes last, so that no turn knows it. */
ws_status loop_judge_fused(loop_state *s, ws_err *err) WS_MUST_CHECK;
/* Sends the reply's kernel to a judge, or stores why there is none. */
ws_status loop_judge_reply(loop_state *s, loop_turn *t, ws_err *err) WS_MUST_CHECK;
/* A point of the turn's tune space, the `place`-th of its batch. */
void loop_judge_point(loop_state *s, loop_turn *t, const char *source, const char *tune_json,
                      const int64_t *tune, int n_tune, int place);
ws_status loop_take_verdict(loop_state *s, lane_event *e, ws_err *err) WS_MUST_CHECK;
/* Kernels that may still be judged, without those that are on their way. */
int64_t loop_candidates_left(const loop_state *s);
void loop_jobs_free(loop_state *s);
/* Stores candidate, verdict and timing, appends the attempt, prints the row. */
ws_status loop_store(loop_state *s, db_candidate *c, const vfy_verdict *v, int turn,
                     ws_err *err) WS_MUST_CHECK;
void loop_remember(loop_state *s, const db_candidate *c, const char *verdict, int turn);
struct plan *loop_plan_of(loop_state *s, const char *source, ws_arena *a);

/* ---- tuning.c ---- */
/* Searches the tune space of the turn's kernel, as far as it is not judged yet; ends the turn when
 * there is none. */
void loop_tune(loop_state *s, loop_turn *t);
/* A judged point, in the order in which the batch was asked for. `seconds` NaN: not right. */
ws_status loop_tuned(loop_state *s, loop_turn *t, int place, const db_candidate *c,
                     const vfy_verdict *v, ws_err *err) WS_MUST_CHECK;
void loop_tuning_free(loop_tuning *t);

/* ---- report.c ---- */
void loop_report_header(const loop_state *s);
void loop_report_row(const loop_state *s, const strat_attempt *a);
void loop_report_so_far(const loop_state *s);
/* An event of --json about a call. */
void loop_event_call(const loop_state *s, const char *what, const loop_turn *t);
/* On a terminal: what is going on. */
void loop_report_progress(const loop_state *s);
void loop_report_quiet(const loop_state *s); /* the line goes away */
ws_status loop_report_end(loop_state *s, ws_err *err) WS_MUST_CHECK;

#endif
