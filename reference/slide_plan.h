/* How slide.c goes about sums: a slide cut into blocks, and the weights packed for its tiles. */
#ifndef REFERENCE_SLIDE_PLAN_H
#define REFERENCE_SLIDE_PLAN_H

#include "reference/slide.h"
#include "reference/tile.h"

enum { ROWS = REF_TILE_ROWS, LANES = REF_TILE_LANES, PLACES = 10 * LANES }; /* PLACES: of a block */

/* v = sum w x;  e = sum |w| (f |x| + e_x) + e_w |x| */
typedef enum slide_pass { VALUES, WEIGHTED, SIZES, N_PASSES } slide_pass;

/* One slide, as it is cut into blocks. */
typedef struct plan {
    const ref_slide *s;
    int64_t taps, terms;           /* of a channel, of a sum */
    int64_t channels;              /* of x at a time */
    int64_t rows, columns;         /* of a block */
    int64_t blocks, down, across;  /* at one item and group; along rows and columns */
    int64_t copied, phases, width; /* rows, phases of a row, columns of a phase in the copy */
    int64_t lowest, left;          /* of the taps: first row, first column */
    int64_t *tap_at;               /* per tap: where in the copy of a channel it begins */
    bool *is_read;                 /* per row of the copy: by some tap of some row of results */
    int64_t channel_size;          /* of the copy */
    int64_t panels, panel_step;    /* of weights: in a group, elements of a group's */
    double *w[N_PASSES];           /* per group: [panels][terms][ROWS] */
} plan;

/* Of one of s->slide. What it allocates, ref_plan_release frees. */
void ref_plan_init(const ref_sliding *s, const ref_slide *slide, plan *p);
/* The weights as `pass` wants them. */
ws_status ref_plan_pack(const ref_sliding *s, plan *p, slide_pass pass, ws_err *err) WS_MUST_CHECK;
void ref_plan_release(plan *p);

static inline int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

#endif
