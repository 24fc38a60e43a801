/* The child's side of one run: opens a device, runs the plan, fills the result. */
#ifndef HARNESS_WORKER_JOB_H
#define HARNESS_WORKER_JOB_H

#include "harness/worker/wire.h"

void job_run(wire *w);

#endif
