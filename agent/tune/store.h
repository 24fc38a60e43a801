/* A tuned kernel in the archive: a run of its own without a model, whose only candidate is the best
 * point, so that 'warpsmith export' and searches find it. */
#ifndef AGENT_TUNE_STORE_H
#define AGENT_TUNE_STORE_H

#include "harness/plan/plan.h"
#include "specs/spec.h"
#include "verifier/verdict.h"

typedef struct tune_winner {
    const spec *spec;
    const char *source;
    const plan *plan;
    const int64_t *row;         /* of the best point */
    const vfy_verdict *verdict; /* of the best point */
    int64_t judged;             /* points, for the run's options */
    double space;
} tune_winner;

/* `name` is the run's. */
ws_status tune_store(const char *archive, const tune_winner *w, char name[64],
                     ws_err *err) WS_MUST_CHECK;

#endif
