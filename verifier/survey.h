/* At which check shapes a rejected kernel is right and at which wrong, and what tells the two
 * apart. */
#ifndef VERIFIER_SURVEY_H
#define VERIFIER_SURVEY_H

#include "specs/spec.h"

typedef enum vfy_shape_state {
    VFY_SHAPE_UNKNOWN,
    VFY_SHAPE_RIGHT,
    VFY_SHAPE_WRONG
} vfy_shape_state;

/* "right at N=4096; wrong at N=257, N=10007: wrong exactly where N is no multiple of 2..1024": any
 * power of two in between tells them apart. One state per check shape. */
void vfy_survey_describe(const spec *s, const vfy_shape_state *state, char *text, size_t size);

#endif
