/* Sweeps in the archive: many specs under the same options. A sweep has a problem for each spec,
 * model and strategy, from the moment it begins; each problem has a run when it is worked on. A
 * shard is a part of a sweep in an archive of its own: it has the sweep's name and the positions of
 * the whole, so that merging puts them together again (results/merge.h). */
#ifndef RESULTS_SWEEP_H
#define RESULTS_SWEEP_H

#include "results/archive.h"

typedef struct db_sweep {
    int64_t id;
    char name[64];            /* unique: what --resume takes */
    const char *suite;        /* as given */
    const char *config_json;  /* options, secrets never */
    const char *status;       /* "running", "done", "interrupted", "limit", "failed" */
    const char *stop_reason;
    int shard, shards;        /* 1 of 1: all of it is here */
    int problems;             /* of all shards */
    const char *started, *ended; /* ISO UTC; ended NULL while running */
} db_sweep;

typedef struct db_problem {
    int64_t id, sweep;
    int position;             /* from 1, in the whole sweep */
    const char *spec;         /* name in the catalogue, or file */
    const char *spec_name, *spec_sha256;
    const char *flaw;         /* why its numbers are kept apart; NULL: they are not */
    const char *model;        /* as given, with commas; NULL: none is asked */
    const char *strategy;     /* NULL: no model is asked */
    uint64_t seed;            /* of its run */
    const char *status;       /* "waiting", "running", "done", "limit", "failed" */
    const char *error;        /* why it failed, or which limit; or NULL */
    int exit_code;            /* that `optimize` would have ended with; -1: not known */
    int64_t run;              /* 0: none yet */
    double seconds;           /* wall time of all sessions, NaN: not known */
    /* What it took of the sweep's budgets: a request that was lost counts at its most. */
    int64_t tokens, requests;
    double usd;
    const char *started, *ended; /* ISO UTC or NULL */
} db_problem;

/* Stores the sweep as running, with all problems as waiting, in one transaction. */
ws_status db_sweep_begin(db_archive *db, const db_sweep *s, const db_problem *list, int n,
                         int64_t *id, ws_err *err) WS_MUST_CHECK;
ws_status db_sweep_end(db_archive *db, int64_t id, const char *status, const char *stop_reason,
                       ws_err *err) WS_MUST_CHECK;
/* Back to "running", with these options. */
ws_status db_sweep_reopen(db_archive *db, int64_t id, const char *config_json,
                          ws_err *err) WS_MUST_CHECK;
/* One whose problems have no runs: forgotten, with all that it has. */
ws_status db_sweep_remove(db_archive *db, int64_t id, ws_err *err) WS_MUST_CHECK;
/* By name, numeric id, "last", or unique prefix of a name. Strings in `a`. */
ws_status db_sweep_find(db_archive *db, const char *which, ws_arena *a, db_sweep *out,
                        ws_err *err) WS_MUST_CHECK;
ws_status db_sweep_list(db_archive *db, ws_arena *a, db_sweep **out, int *n,
                        ws_err *err) WS_MUST_CHECK;
/* Makes this process the only one that works on the sweep, until *fd is closed. WS_EENV when
 * another one does. No connection to archive `path` may be open in this process. */
ws_status db_sweep_lock(const char *path, int64_t id, int *fd, ws_err *err) WS_MUST_CHECK;

/* In order of position. */
ws_status db_problem_list(db_archive *db, int64_t sweep, ws_arena *a, db_problem **out, int *n,
                          ws_err *err) WS_MUST_CHECK;
/* Stores status, error, exit code, run, what it took, started and ended, by p->id. */
ws_status db_problem_update(db_archive *db, const db_problem *p, ws_err *err) WS_MUST_CHECK;

/* ---- times to compare with ---- */
typedef struct db_baseline {
    int64_t problem;
    const char *name;         /* "torch eager" */
    const char *kind;         /* "modelled", "measured" */
    const char *gpu;
    double seconds;
} db_baseline;
/* One of a name that the problem has replaces it. */
ws_status db_baseline_put(db_archive *db, const db_baseline *b, ws_err *err) WS_MUST_CHECK;
/* Of all problems of the sweep, by problem and name. */
ws_status db_baseline_list(db_archive *db, int64_t sweep, ws_arena *a, db_baseline **out, int *n,
                           ws_err *err) WS_MUST_CHECK;

/* ---- samples that another harness judged ---- */
typedef struct db_sample {
    int64_t problem;
    int sample;               /* its number there */
    bool compiled, correct;
    double seconds;           /* measured; NaN: none */
    const char *gpu;
    const char *source;       /* or NULL: it was not there */
    const char *detail_json;  /* its record there, or NULL */
} db_sample;
/* One of a number that the problem has replaces it. */
ws_status db_sample_put(db_archive *db, const db_sample *s, ws_err *err) WS_MUST_CHECK;
ws_status db_sample_list(db_archive *db, int64_t sweep, ws_arena *a, db_sample **out, int *n,
                         ws_err *err) WS_MUST_CHECK;

#endif
