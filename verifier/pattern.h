/* What the wrong elements of an output have in common: which indices along each axis, and how the
 * values differ from the reference. Said in words that point at the mistake: a tail, a lane, a
 * factor, two axes exchanged. */
#ifndef VERIFIER_PATTERN_H
#define VERIFIER_PATTERN_H

#include "reference/graph.h"

typedef struct vfy_pattern {
    const ref_shape *shape;
    const double *got, *want;   /* shape.count values, row-major; NULL: only the marks are known */
    const bool *wrong;          /* a mark for each */
    const ws_expr *const *axis; /* the extents as the spec writes them, NULL: not known */
} vfy_pattern;

/* One observation a line, the most telling first, no newline at the end; "" when too few elements
 * are wrong to say more than that. */
void vfy_pattern_describe(const vfy_pattern *p, char *text, size_t size);

#endif
