/* The child's side of a request: opens a device, runs the plans, fills the results. */
#ifndef HARNESS_WORKER_JOB_H
#define HARNESS_WORKER_JOB_H

#include "harness/worker/wire.h"

/* One after the other, up to the first that does not pass. */
void job_run_all(wire *w, int n);

#endif
