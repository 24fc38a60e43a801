/* Runs at a glance, and what a candidate was made of: views of the archive for lists, lineages and
 * diffs. */
#ifndef RESULTS_OVERVIEW_H
#define RESULTS_OVERVIEW_H

#include "results/archive.h"

typedef struct db_overview {
    int64_t id;
    const char *name, *spec_name, *model, *strategy, *gpu, *status, *stop_reason, *started, *ended;
    const char *sweep;        /* that it is part of, or NULL */
    bool scripted;
    int candidates, right;    /* right: passed at level emulated at least */
    int64_t best;             /* the winner, of a run that goes on the fastest right one; 0: none */
    const char *kind;         /* of the times, "modelled" or "measured"; NULL: none */
    double best_s, first_s;   /* first_s: of generation 0, the same kind; NaN: not known */
    int calls;
    int64_t tokens;
    double usd;               /* NaN: not known of all calls */
} db_overview;

/* Every condition that is not NULL must hold. */
typedef struct db_overview_filter {
    const char *spec, *model; /* parts of the names */
    const char *gpu, *status; /* as they stand */
    const char *since;        /* "2026-11-22" or more of an ISO time: runs that began then or later */
    int most;                 /* the newest so many; 0: all */
} db_overview_filter;

/* By id: older ones first. */
ws_status db_overview_list(db_archive *db, const db_overview_filter *f, ws_arena *a,
                           db_overview **out, int *n, ws_err *err) WS_MUST_CHECK;

/* The nearest ancestor with another source: a tuned kernel has its parent's. *found false: none. */
ws_status db_candidate_before(db_archive *db, const db_candidate *c, ws_arena *a,
                              db_candidate *out, bool *found, ws_err *err) WS_MUST_CHECK;

#endif
