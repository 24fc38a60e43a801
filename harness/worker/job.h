/* The child's side of a request: opens a device, runs the plans, fills the results. */
#ifndef HARNESS_WORKER_JOB_H
#define HARNESS_WORKER_JOB_H

#include "harness/driver.h"
#include "harness/worker/wire.h"

/* What the runs of one process share: the device and the module of the latest image. */
typedef struct job_session {
    cu_device *d;
    cu_module *m;
    void *image; /* of m */
    size_t image_bytes;
} job_session;

/* One after the other, up to the first that does not pass. true: the process may do other runs of
 * the image, and these will not tell that there were any before. */
bool job_run_all(job_session *s, wire *w, int n);

#endif
