/* What the lane times: programs on a device, sets of inputs, and one stretch of launches between
 * two events. For harness/timing/lane.c. */
#ifndef HARNESS_TIMING_LANE_UNIT_H
#define HARNESS_TIMING_LANE_UNIT_H

#include "harness/timing/aids.h"
#include "harness/timing/lane.h"

typedef struct lane_unit {
    const run_request *p;
    int program; /* of the request */
    cu_module *module;
    uint64_t *scratch;
    int launches; /* that take sample_s */
} lane_unit;

typedef struct lane {
    cu_device *d;
    bool engine;
    const lane_request *r;
    lane_result *out;
    ws_arena arena;
    lane_unit *unit; /* 0: the baseline, 1: its second copy, 2 + i: program 1 + i */
    int n_units;
    uint64_t **tensor;   /* [set][tensor] */
    size_t output_bytes; /* of all output tensors together */
    unsigned char *host; /* room for them */
    struct known {
        char sha[65];
    } * known; /* of out->output */
    int cap_outputs;
    cu_event *at[4];
    tim_aids *aids;   /* NULL: on the CPU driver */
    tim_watch *watch; /* NULL: nobody tells */
    uint32_t late;    /* gates that opened by themselves so far */
    unsigned char poison; /* changes with every stretch */
} lane;

ws_status lane_open(lane *l, ws_err *err) WS_MUST_CHECK;
void lane_close(lane *l);

/* One member of a pair: `launches` times the unit over `sets` in turn, between events `from` and
 * from + 1. The memory that it writes was poisoned before. *hz: of the clock meanwhile, 0: unknown.
 */
typedef struct lane_stretch {
    lane_unit *u;
    const int *set;
    int n_sets, launches;
    double seconds, hz; /* out: of one launch, without what events take themselves */
    tim_discard discard; /* out: why the reading does not count */
} lane_stretch;
/* Two members one after the other, or one (n = 1), and then their outputs. `timed`: they count. A
 * candidate's fault ends with out->failed set. */
ws_status lane_stretches(lane *l, lane_stretch *s, int n, bool timed, ws_err *err) WS_MUST_CHECK;

#endif
