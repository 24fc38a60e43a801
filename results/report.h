/* The report of sweeps and runs: one model, collected from the archive, and its writers. The JSON
 * writer prints the model as it is (docs/report.md has the members); the others choose from it.
 *
 * What models, compilers and specs wrote is kept as valid UTF-8 and escaped by each writer. Nothing
 * of the model names a server, a key or a path of this machine. */
#ifndef RESULTS_REPORT_H
#define RESULTS_REPORT_H

#include "results/score.h"

#include <cjson/cJSON.h>

enum { REP_SCHEMA = 1 };

/* A judged kernel of a run, in the order in which they came. */
typedef struct rep_attempt {
    int64_t id, parent;       /* parent 0: none */
    int round;                /* 0: the emitted translation */
    const char *origin, *reason, *text, *note; /* note NULL: none */
    const char *place;        /* "kernel.cu:7", or NULL */
    const char *tune;         /* "BLOCK=256 VEC=4", or NULL */
    const char *purpose, *model; /* of the call that it came from, or NULL */
    int level;
    res_time time;            /* measured, when there is one */
    const char *bound;        /* by what its time is bound, or NULL */
    double floor_s;           /* of the roofline; NaN: not known */
    double at_s;              /* since the run began */
    double usd;               /* spent until then; NaN: not known */
    bool right;               /* passed at level emulated at least */
} rep_attempt;

/* What calls of one purpose to one model cost. */
typedef struct rep_stage {
    const char *purpose, *model;
    int calls, requests;
    int64_t prompt_tokens, completion_tokens;
    double usd;               /* of those that are known */
    int unpriced;             /* calls whose cost is not known */
    double seconds;
} rep_stage;

/* Raw samples. Of a sitting: baseline and candidate in pairs, else a kernel's own. */
typedef struct rep_timing {
    int64_t candidate;        /* 0: of a sitting */
    const char *name;         /* of the sitting's candidate; NULL: candidate */
    const char *role;         /* of the comparison; NULL: not of a sitting */
    const char *kind, *gpu, *shape;
    const char *verdict;      /* of the comparison, or NULL */
    double ratio, ratio_lo, ratio_hi; /* baseline / candidate, NaN: none */
    double *sample, *baseline; /* seconds; baseline NULL: not of a sitting */
    int n;
} rep_timing;

/* What an operation costs where it serves tokens. */
typedef struct rep_worth {
    const char *model, *phase; /* of the spec */
    double tokens, calls;      /* that one call serves, calls in a pass of the model */
    const char *gpu;
    double usd_per_hour;       /* NaN: not known */
    const char *price_source;
    double before_usd, after_usd; /* per million tokens; NaN: not known */
    double traffic;               /* tokens per second */
    double saved_usd_per_month;
    double spent_usd;             /* NaN: not known */
    double break_even_tokens;     /* NaN: not known; INFINITY: never */
} rep_worth;

typedef struct rep_problem {
    const res_problem *row;
    int arm;
    const char *title;        /* of the spec, "" without */
    rep_attempt *attempt;
    int n_attempts;
    int64_t winner, parent;   /* of the diff; 0: none */
    const char *source;       /* of the winner; NULL: none */
    const char *diff;         /* of its parent's source to its own, or NULL */
    rep_timing *timing;
    int n_timings;
    rep_worth *worth;         /* NULL: the spec tells no economics, or nothing is to be compared */
} rep_problem;

/* A sweep, or the runs that were named. */
typedef struct rep_set {
    const char *name, *kind;  /* kind "sweep", "runs" */
    const char *suite, *status, *started, *ended; /* NULL: not known */
    int shard, shards;
    res_set rows;
} rep_set;

/* Problems of one set with one model and strategy: what is scored. */
typedef struct rep_arm {
    int set;
    const char *model, *strategy, *label;
    bool scripted, imported;  /* any of its problems */
    const char *gpu;          /* "" when there are several */
    int modelled, measured;   /* problems whose best time is so */
} rep_arm;

typedef struct rep_score {
    int arm;
    const char *baseline;
    const char *group;        /* NULL: all */
    bool flawed;
    res_score score;
} rep_score;

typedef struct rep_failure {
    const char *reason;
    int n;                    /* attempts */
    int problems;             /* that have one */
    const char *example;      /* text of the first, "" without */
} rep_failure;

typedef struct rep_report {
    const char *title, *tool, *generated;
    rep_set *set;
    int n_sets;
    rep_arm *arm;
    int n_arms;
    rep_problem *problem;
    int n_problems;
    rep_score *score;
    int n_scores;
    rep_stage *stage;
    int n_stages;
    rep_failure *failure;
    int n_failures;
    const char *baseline;     /* of the headline */
    const char *const *compilers;
    int n_compilers;
    double compile_seconds, run_seconds, judge_seconds;
    int at_level[VFY_ACCEPTED + 1]; /* right candidates whose highest level this is */
    double traffic;           /* tokens per second */
    bool traffic_given;
} rep_report;

typedef struct rep_options {
    const char *tool;           /* "warpsmith 0.1.0" */
    const char *title;          /* NULL: made of the names */
    const char *baseline;       /* of the headline; NULL: "translation" */
    double usd_per_hour;        /* 0: rep_gpu_price's */
    double traffic;             /* tokens per second; 0: REP_TRAFFIC */
} rep_options;

#define REP_TRAFFIC 10000.0 /* tokens per second, when nobody says: an assumption, labelled so */

/* `which`: names of sweeps or runs, as db_sweep_find and db_run_find take them; none: the last sweep
 * or run of the archive, whichever began later. All in `a`. */
ws_status rep_collect(db_archive *db, const char **which, int n, const rep_options *o, ws_arena *a,
                      rep_report *out, ws_err *err) WS_MUST_CHECK;

/* ---- writers ---- */
cJSON *rep_json(const rep_report *r); /* the caller frees */
void rep_html(const rep_report *r, ws_buf *out);
void rep_markdown(const rep_report *r, ws_buf *out);
void rep_csv(const rep_report *r, ws_buf *out); /* a row a problem, RFC 4180 */

/* ---- parts ---- */

/* Fills attempts, winner and timings of a problem that has a run. */
ws_status rep_read_run(db_archive *db, ws_arena *a, rep_problem *p, ws_err *err) WS_MUST_CHECK;
/* Adds the calls of a run to the stages of the report, and its judges' seconds. */
ws_status rep_read_costs(db_archive *db, int64_t run, ws_arena *a, rep_report *r,
                         ws_err *err) WS_MUST_CHECK;

typedef struct rep_gpu_price {
    const char *gpu;
    double usd_per_hour;
    const char *source;       /* who asked for it, and when */
} rep_gpu_price;
/* Public on-demand prices of one GPU; NULL: none is known. */
const rep_gpu_price *rep_gpu_price_find(const char *gpu);
const rep_gpu_price *rep_gpu_price_list(int *n);
/* Fills p->worth from the spec's economics. */
void rep_weigh(rep_problem *p, const char *spec_json, const rep_options *o, ws_arena *a);

/* The fastest right time so far after attempt i of the kind of p's best time, NaN: none. */
double rep_best_after(const rep_problem *p, int i);
/* "modelled for h100", "measured on h100", "3 modelled, 4 measured". */
void rep_time_label(const rep_arm *arm, ws_buf *out);
/* "1.31x", "-" */
void rep_put_ratio(double v, ws_buf *out);
/* "91.9 us", "1.02 ms", "-" */
void rep_put_time(double seconds, ws_buf *out);
/* "0.0123 USD", "unknown" */
void rep_put_usd(double usd, ws_buf *out);
/* "14.2 k", "3.1 M" */
void rep_put_count(double n, ws_buf *out);
/* How it was measured, a paragraph each, in plain text; returns how many. The caller releases all. */
enum { REP_METHOD_LINES = 8 };
int rep_method(const rep_report *r, ws_buf line[REP_METHOD_LINES]);
/* The headline's score of an arm: all groups, not flawed. */
const rep_score *rep_headline(const rep_report *r, int arm);
/* The problem's baseline of the headline; NULL: it has none of that name. */
const res_baseline *rep_baseline_of(const rep_report *r, const rep_problem *p);

#endif
