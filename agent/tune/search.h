/* The search of a plan's tune space without a model: ask for points, judge them in any order, tell
 * the times. Deterministic: what is asked follows from the seed and from what was told for whole
 * batches. */
#ifndef AGENT_TUNE_SEARCH_H
#define AGENT_TUNE_SEARCH_H

#include "base/buf.h"
#include "harness/plan/plan.h"

/* Times closer than this fraction are equal. */
#define TUNE_TIE 1e-3

typedef struct tune_search tune_search;

typedef struct tune_options {
    int max_points; /* judged, the default point included; 0: a quarter of the space, 32 to 256 */
    int batch;      /* points asked for at once, 0: 1 */
    uint64_t seed;
    double noise; /* of one time, as a fraction of it; 0: exact, none is asked for twice */
} tune_options;

/* Static facts of a compiled point, before it is run. -1: unknown. */
typedef struct tune_facts {
    int registers, shared_bytes, spill_bytes;
    double occupancy; /* 0..1, NaN: unknown */
} tune_facts;

typedef struct tune_result {
    bool right;     /* it compiled, fits and verified */
    double seconds; /* NaN when it is not right */
    tune_facts facts;
} tune_result;

/* `plan`, `dims` outlive the search. The default point (each tunable's first value) counts as asked
 * when `base` is not NULL. NULL: the plan has no other point. */
tune_search *tune_search_new(const plan *p, const ws_env *dims, const tune_options *o,
                             const tune_result *base);
void tune_search_free(tune_search *t);
/* The next batch: rows of plan.n_tune values, owned by the search until the next call. 0: the
 * search is over. All of a batch is told before the next is asked for. */
int tune_search_ask(tune_search *t, const int64_t **rows);
/* A point may be told again when more is known: that it is wrong after all, or, with noise, another
 * time, which is averaged. */
void tune_search_tell(tune_search *t, const int64_t *row, const tune_result *r);
/* The best point, NULL: none is right. */
const int64_t *tune_search_best(const tune_search *t, tune_result *out);
/* For people and models: points in the space, points judged, the best point, and per tunable, most
 * telling first, the best time at each value over the best of all; at most `max_lines` lines. */
void tune_search_report(const tune_search *t, int max_lines, ws_buf *out);
int tune_search_most(const tune_search *t); /* points that it will ask for, at most */
void tune_search_counts(const tune_search *t, int64_t *space, int *asked, int *right);

#endif
