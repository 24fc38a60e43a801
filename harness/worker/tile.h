/* Tensors too large to be sent: inputs that are a small one repeated, and the written elements of
 * outputs (run.h). */
#ifndef HARNESS_WORKER_TILE_H
#define HARNESS_WORKER_TILE_H

#include "harness/driver.h"
#include "harness/worker/run.h"

/* Of the smaller tensor; 0: no tensor can be so. */
size_t run_tile_bytes(const run_tile *t);

/* Fills t->bytes at ptr from t->in. */
ws_status run_tile_upload(cu_device *d, uint64_t ptr, const run_tensor *t, ws_err *err) WS_MUST_CHECK;
/* Engine: fills t->probe, n_probes and n_written from what was written at ptr. */
ws_status run_probe_download(cu_device *d, uint64_t ptr, run_tensor *t, ws_err *err) WS_MUST_CHECK;

#endif
