/* A sweep: many specs, models and strategies under the same options, a run of the loop for each.
 * Every run is a process of its own (child.h), several at a time; what they find is in the archive
 * as they find it. So a sweep can be killed at any point and go on: problems that were over stay
 * so, and the runs that were at work are resumed as `optimize --resume` does. One failure is the
 * end of one problem.
 *
 * What a problem's run does follows from the sweep's seed, the spec, the model and the strategy
 * alone, not from the order or the machine: a sweep that is divided into shards gives the same
 * runs. Two things may make it differ: --memory (a run learns from runs before it) and limits on
 * the whole sweep (what is left depends on what came first). */
#ifndef AGENT_SWEEP_SWEEP_H
#define AGENT_SWEEP_SWEEP_H

#include "agent/cmd/run_options.h"
#include "agent/sweep/child.h"
#include "agent/sweep/lease.h"
#include "results/score.h"

enum { SWEEP_MAX_ARMS = 64, SWEEP_MAX_SHARDS = 10000, SWEEP_MAX_JOBS = 256 };

/* One way to work on every spec. */
typedef struct sweep_arm {
    const char *model;    /* as given, "a,b" is one run with both; NULL: none is asked */
    const char *strategy; /* NULL: none is needed */
} sweep_arm;

typedef struct sweep_options {
    loop_options l;            /* of every problem; l.budget is what each may take at most */
    const run_options *given;  /* for what the command line does not say */
    model_wish wish;
    budget_limits total;       /* of the whole sweep, all shards together */
    const char *const *suite;
    int n_suites;
    const char *name;          /* NULL: from what is swept, and how */
    const char *resume;        /* NULL: a new sweep */
    bool go_on;                /* a sweep of this name that is there already is resumed */
    bool retry;                /* problems that failed or met a limit, too */
    bool memory;
    sweep_arm arm[SWEEP_MAX_ARMS];
    int n_arms;
    int shard, shards;         /* 1 of 1: all */
    int64_t jobs, most;        /* problems at once, 0: one a core; at most so many, 0: all */
    const char *record, *replay; /* folders */
} sweep_options;

/* A problem at work, or over, as far as the screen shows it. */
typedef struct sweep_row {
    db_problem p;
    child *child;              /* NULL: not at work */
    bool resumed;              /* its run goes on */
    bool mine;                 /* of this session */
    lease lease;
    budget_amount before;      /* that its run took in earlier sessions */
    budget_amount total;       /* as its end told */
    bool told;                 /* its end was told */
    double seconds_before;
    int64_t start_ns;
    int attempts, right;
    double speedup;            /* of the best so far over generation 0, NaN: none */
    char doing[24];            /* "asking", "judging" */
    char why[256];             /* stop reason, as its end told */
} sweep_row;

typedef struct sweep {
    const sweep_options *o;
    model_access *access;
    ws_arena arena;
    db_sweep w;
    sweep_row *row;
    int n;
    char *config;              /* malloc'ed JSON text, as the archive keeps it */
    uint64_t seed;
    lease_pot pot;
    double seconds_before;     /* wall time of earlier sessions */
    int64_t start_ns;
    int lock_fd, jobs, running;
    const char *stop;          /* why no more problems begin, NULL */
    const char *status;        /* "done", "limit", "interrupted" */
    bool shown;                /* the table is on the screen */
    int shown_lines;
    int64_t shown_ns;
} sweep;

/* ---- sweep.c ---- */
/* From the beginning, or from where it was, to the end, a limit or an interrupt. `name` becomes
 * that of the sweep as soon as it is in the archive. Exit code 1: models were asked, and no problem
 * got faster. WS_EREMOTE, ...: some problem failed, of that kind the first. */
ws_status sweep_run(const sweep_options *o, model_access *m, char name[64], int *exit_code,
                    ws_err *err) WS_MUST_CHECK;

/* ---- plan.c ---- */
/* What is to be done: reads or makes the rows, and has them in the archive. */
ws_status sweep_open(sweep *w, ws_err *err) WS_MUST_CHECK;
/* The name that a new sweep gets, and how many problems all of its shards have. */
ws_status sweep_name(const sweep_options *o, char name[64], int *problems,
                     ws_err *err) WS_MUST_CHECK;
/* The name of the run of a problem, the same in every session and shard. */
void sweep_run_name(const sweep *w, const db_problem *p, char out[64]);
/* Where its exchanges are recorded, below `dir`; in arena memory. */
const char *sweep_cassette(sweep *w, const char *dir, const db_problem *p);
double sweep_seconds(const sweep *w); /* of all sessions */

/* ---- config.c ---- */
/* The options as JSON, malloc'ed: all, as the archive keeps them, or those that say what the runs
 * do, of which a sweep without a name gets its name. */
char *sweep_config(const sweep *w, bool whole);
/* Those of a stored sweep, or of a folder of recordings, where `o` was not given others; strings in
 * `a`. */
ws_status sweep_config_read(const char *config, ws_arena *a, sweep_options *o,
                            ws_err *err) WS_MUST_CHECK;

/* ---- work.c ---- */
/* Works on all rows that wait. */
ws_status sweep_work(sweep *w, ws_err *err) WS_MUST_CHECK;

/* ---- progress.c ---- */
void sweep_show_begin(const sweep *w);
void sweep_show_row(sweep *w, const sweep_row *r); /* one that is over */
void sweep_show_line(sweep *w, const sweep_row *r, const char *line); /* an event of its run */
void sweep_show_now(sweep *w);                     /* the table, on a terminal */
void sweep_show_over(sweep *w);

/* ---- table.c ---- */
/* The scores in 80 columns. */
void sweep_table(const res_set *s, ws_buf *out);
cJSON *sweep_json(const db_sweep *w, const res_set *s);

#endif
