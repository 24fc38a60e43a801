/* What came out of a set of problems, and KernelBench's metrics of it. A problem is a spec that was
 * worked on with one model and strategy: a row of a sweep, or a run by itself. Rows are collected
 * from the archive's tables; scores are pure functions of the rows. */
#ifndef RESULTS_SCORE_H
#define RESULTS_SCORE_H

#include "results/sweep.h"

/* Modelled and measured times, and those of different GPUs, are never put in relation. */
typedef struct res_time {
    double seconds;   /* NaN: none */
    const char *kind; /* "modelled", "measured"; NULL: none */
    const char *gpu;
} res_time;

/* What speed-ups refer to. The first one of every problem is "translation", generation 0 of its
 * run; "fused" is the translation with elementwise ops folded; others were given to the sweep. */
typedef struct res_baseline {
    const char *name;
    res_time time;
    double speedup;   /* baseline / best; NaN: no right kernel, or not comparable */
} res_baseline;

/* How many attempts ended with this verdict. */
typedef struct res_failure {
    const char *reason; /* hx_reason_name */
    int n;
} res_failure;

typedef struct res_problem {
    int64_t sweep;    /* 0: a run outside of any */
    int position;     /* in the sweep; else from 1 in the order of the runs */
    const char *spec_name, *spec_sha256;
    const char *group; /* the name up to its last '/': "kernelbench/level1"; "" without */
    bool flawed;
    const char *flaw;  /* why, or NULL */
    const char *model, *strategy; /* "" when no model was asked */
    const char *status;           /* as in db_problem; of a run by itself "done", "running", ... */
    const char *error;            /* or NULL */
    int64_t run;                  /* 0: none */
    const char *run_name;         /* or NULL */
    bool scripted, imported;      /* replies from a bundled script; judged by another harness */
    /* An attempt is a reply, or an imported sample. Without a model, a translation. */
    int attempts, attempts_compiled, attempts_correct;
    int candidates;               /* judged kernels of all origins, tuned ones too */
    bool compiled, correct;       /* any of them, generation 0 aside when a model was asked */
    int64_t best;                 /* the fastest right one of these, 0: none, or imported */
    int best_attempt;             /* the number of the attempt that it came from, from 1; 0: none */
    res_time best_time;
    res_baseline *baseline;       /* n_baselines, [0] always "translation" (perhaps without time) */
    int n_baselines;
    const char *first_failure;    /* verdict of the first attempt that failed, or NULL */
    res_failure *failure;         /* most frequent first */
    int n_failures;
    int calls, requests;
    int64_t prompt_tokens, completion_tokens;
    double usd;                   /* NaN: not known */
    double seconds;               /* wall time in a sweep; else models and judges; NaN: not known */
} res_problem;

typedef struct res_set {
    res_problem *problem;         /* by sweep and position, then by run */
    int n;
    const char **baseline;        /* every name that some problem has, "translation" first */
    int n_baselines;
} res_set;

/* All strings and arrays in `a`. */
ws_status res_of_sweep(db_archive *db, int64_t sweep, ws_arena *a, res_set *out,
                       ws_err *err) WS_MUST_CHECK;
ws_status res_of_runs(db_archive *db, const int64_t *run, int n, ws_arena *a, res_set *out,
                      ws_err *err) WS_MUST_CHECK;

/* ---- scores ---- */

enum { RES_FAST = 6, RES_PASS = 3 };
extern const double res_fast_p[RES_FAST]; /* 0, 0.5, 0.8, 1, 1.5, 2 */
extern const int res_pass_k[RES_PASS];    /* 1, 5, 10 */

/* Which problems are counted; NULL: all. */
typedef struct res_filter {
    const char *group, *model, *strategy;
    bool flawed;      /* only flawed ones, else only the others: never both */
} res_filter;

typedef struct res_score {
    int n;            /* problems, also those that failed or have not been worked on */
    int done;         /* worked on to their end, or to a limit */
    int failed;       /* ended by an error */
    int compiled, correct;
    /* Problems whose best is right and more than p times as fast as the baseline; for p = 0 right.
     * fast_p is fast[i] / n. */
    int fast[RES_FAST];
    int compared;     /* right ones with a speed-up */
    double geomean, median;     /* of these speed-ups; NaN: none */
    double geomean_faster;      /* of those above 1; NaN: none */
    /* The mean over all problems of res_pass_at; NaN: some problem that was worked on has fewer
     * attempts. Estimates what k independent attempts would give: those of `refine` are not. */
    double pass[RES_PASS];
    int attempts, calls;
    int64_t tokens;
    double usd;       /* NaN: of some problem not known */
    double seconds;   /* of those that are known */
} res_score;

/* `baseline`: a name of the set. */
void res_score_of(const res_set *s, const res_filter *f, const char *baseline, res_score *out);
/* The unbiased estimator 1 - C(n - c, k) / C(n, k) of HumanEval; 0 for n = 0, NaN for 0 < n < k. */
double res_pass_at(int n, int c, int k);
/* Ratio of the two times, NaN unless both are known, positive, of one kind and one GPU. */
double res_speedup(const res_time *baseline, const res_time *best);
/* The set's groups in order of appearance, each once, into `a`. */
const char **res_groups(const res_set *s, ws_arena *a, int *n);
/* The distinct pairs of model and strategy, in order of appearance. */
typedef struct res_arm {
    const char *model, *strategy;
} res_arm;
res_arm *res_arms(const res_set *s, ws_arena *a, int *n);

#endif
