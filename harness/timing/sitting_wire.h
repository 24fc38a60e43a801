/* What the two processes of a sitting say to each other. */
#ifndef HARNESS_TIMING_SITTING_WIRE_H
#define HARNESS_TIMING_SITTING_WIRE_H

#include "harness/timing/lane.h"

enum { SIT_SOCKET = 3, SIT_FIRST_FD = 4, SIT_MAX_ANSWER = 256 << 20 };
/* ORDER: sit_order. OUTPUT: sit_kept, then the bytes. DONE: JSON. FAILED: a ws_err. */
enum { SIT_ORDER = 1, SIT_OUTPUT, SIT_DONE, SIT_FAILED };

typedef struct sit_order {
    lane_rules rules;
    int n_programs, n_sets;
    char device[16]; /* "": as cu_open */
} sit_order;

typedef struct sit_kept {
    int output, set;
} sit_kept;

cJSON *sit_result_json(const lane_result *r, int n_programs);
/* Of a result that has n_outputs kept outputs, whose sets are known. */
ws_status sit_result_read(const cJSON *o, int n_programs, lane_result *out,
                          ws_err *err) WS_MUST_CHECK;

#endif
