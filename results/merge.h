/* Several archives as one: shards of a sweep, or what was found on several machines.
 *
 * Rows are known by content, not by their numbers: texts by hash, runs and sweeps by name, calls by
 * their turn, a run's candidates by their order (a run only grows at its end), problems by their
 * position, sittings and rejudgements by what they are of and when they began. So merging the same
 * archive twice changes nothing, and the order of several does not matter. A run that has gone on
 * since it was merged is brought up to date; one that went on in two places in two ways is an
 * error, and nothing is merged. */
#ifndef RESULTS_MERGE_H
#define RESULTS_MERGE_H

#include "results/sweep.h"

/* What was added to the target. */
typedef struct db_merged {
    int runs, calls, candidates, lessons, sittings, sweeps, problems;
} db_merged;

/* All of archive `from` into `db`, in one transaction. `from` is only read, must have the newest
 * schema, and is not `db`. */
ws_status db_merge(db_archive *db, const char *from, db_merged *out, ws_err *err) WS_MUST_CHECK;

/* A hash of what the archive says: sweeps, runs, calls, candidates and verdicts by their content,
 * without row numbers, times, durations, ports of loopback servers and paths of recordings. Two
 * archives with the same hash have the same runs with the same results. `what` (NULL: all): a run's
 * or a sweep's name. Hex, in `out`. */
typedef struct db_digest {
    char sha256[65];
    int sweeps, problems, runs, calls, candidates;
} db_digest;
ws_status db_digest_of(db_archive *db, const char *what, db_digest *out, ws_err *err) WS_MUST_CHECK;

#endif
