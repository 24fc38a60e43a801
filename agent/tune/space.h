/* The points of a plan's tune space that satisfy `require` and the limits of a launch, found
 * without compiling, and what is known of each before it is compiled. */
#ifndef AGENT_TUNE_SPACE_H
#define AGENT_TUNE_SPACE_H

#include "harness/plan/plan.h"

enum { TUNE_MAX_FEATURES = 2 * PLAN_MAX_TUNE + 9 };

typedef struct tune_space {
    const plan *plan;
    const ws_env *dims;
    int width;    /* plan.n_tune */
    bool whole;   /* `row` has every point; else a sample of them, which grows */
    double count; /* points of the space; an estimate when not whole */
    int64_t *row; /* n x width, distinct */
    int n, cap;
    int n_features;
    double *feature; /* n x n_features, each in [0, 1] over the space as first seen */
    struct tune_scale *scale;
    struct tune_rules *rules;
    uint64_t seed, draws; /* of the sample */
} tune_space;

/* `p`, `dims` outlive the space. */
void tune_space_init(tune_space *s, const plan *p, const ws_env *dims, uint64_t seed);
void tune_space_release(tune_space *s);
int tune_space_find(const tune_space *s, const int64_t *row); /* -1: not in the list */
/* Adds the valid points that differ from `row` in one tunable to a list that is not whole. */
void tune_space_add_neighbours(tune_space *s, const int64_t *row);
static inline const int64_t *tune_space_row(const tune_space *s, int i)
{
    return s->row + (size_t)i * (size_t)s->width;
}
static inline const double *tune_space_feature(const tune_space *s, int i)
{
    return s->feature + (size_t)i * (size_t)s->n_features;
}

#endif
