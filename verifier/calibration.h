/* Constants of the cost model from a report of 'make gpu-check': the rows of its part "model" have
 * what the CPU engine counted of each kernel beside the time that the GPU took. docs/timing.md has
 * both files' members. */
#ifndef VERIFIER_CALIBRATION_H
#define VERIFIER_CALIBRATION_H

#include "harness/timing/calibrate.h"
#include "reference/graph.h"

#include <cjson/cJSON.h>

/* Members "launches", "flops" and "min_bytes" of a report's row: what a fit takes of it beside
 * "measured_s". */
void vfy_calibration_put(cJSON *row, const tim_launch *launch, int n, const ref_cost *cost);

typedef struct vfy_calibration {
    const tim_gpu *gpu;
    char device[128], date[40], driver[24];
    tim_fit_result fit;
    int rows, used; /* of the report; that were fitted to */
} vfy_calibration;

/* Fits to the rows of `path` that passed and have counters and a time. `gpu` NULL: the row of the
 * table that the report's device names. WS_EINPUT: no such report, a report of the CPU engine, of a
 * GPU that the table lacks, or too few rows. */
ws_status vfy_calibration_fit(const char *path, const tim_gpu *gpu, vfy_calibration *out,
                              ws_err *err) WS_MUST_CHECK;
cJSON *vfy_calibration_json(const vfy_calibration *c);
/* Puts the constants of such a file in force in this process. */
ws_status vfy_calibration_use(const char *path, ws_err *err) WS_MUST_CHECK;

#endif
