/* Whether a kernel already does what a direction of optimisation (angles.c) asks for. */
#ifndef AGENT_STRATEGY_ANGLE_DONE_H
#define AGENT_STRATEGY_ANGLE_DONE_H

#include "agent/strategy/strategy.h"

typedef enum angle_test {
    ANGLE_NEVER_DONE, /* nothing shows whether it is */
    ANGLE_FUSED,
    ANGLE_TILED,
    ANGLE_TENSOR,
    ANGLE_ROWS_KEPT,
    ANGLE_WIDE,
    ANGLE_READS_ONCE,
    ANGLE_COPIES_AHEAD,
    ANGLE_FILLS_GPU,
    ANGLE_WAITS_LITTLE,
    ANGLE_COMPUTES_LITTLE,
    ANGLE_TUNABLES
} angle_test;

bool strat_angle_is_done(const strat_attempt *a, angle_test test);

#endif
