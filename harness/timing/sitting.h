/* A sitting in a process of its own: `warpsmith worker time`, started for it and gone after it.
 * What is timed never runs in the caller's process, and of what comes back only samples and outputs
 * are used, all of them checked. */
#ifndef HARNESS_TIMING_SITTING_H
#define HARNESS_TIMING_SITTING_H

#include "harness/timing/lane.h"

/* lane_run on the device ("cpu", "gpu", NULL: as cu_open) in a new process that is killed after
 * wall_seconds. r->keep is called here. WS_ELIMIT at the deadline, WS_EENV when the process dies.
 * The caller releases the result in every case. */
ws_status sit_run(const lane_request *r, const char *device, double wall_seconds, lane_result *out,
                  ws_err *err) WS_MUST_CHECK;

/* Entry of `warpsmith worker time` (socket on fd 3, the memory of the programs and sets from fd 4
 * on); returns the exit code. */
int sit_worker_main(void);

#endif
