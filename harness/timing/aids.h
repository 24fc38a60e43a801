/* Small kernels of our own that stand around what is timed on a GPU (docs/timing.md): a gate that
 * holds the stream until all of a sample is enqueued, sweeps that leave nothing of the inputs in the
 * L2 cache, and probes of the SMs' clock. They are PTX that the driver compiles.
 *
 * The CPU driver runs them too, one after the other as they are enqueued: there a gate that is not
 * released before would never open. */
#ifndef HARNESS_TIMING_AIDS_H
#define HARNESS_TIMING_AIDS_H

#include "harness/driver.h"

enum { AIDS_PROBES = 4 };

extern const char tim_aids_ptx[]; /* all of them */

typedef struct tim_aids tim_aids;

/* `l2_bytes`: of the cache that sweeps empty. Takes three times as much of the device's memory. */
ws_status tim_aids_open(cu_device *d, int64_t l2_bytes, tim_aids **out, ws_err *err) WS_MUST_CHECK;
void tim_aids_close(tim_aids *a);

/* Enqueues a gate, closed until tim_aids_release; it opens by itself after 100 ms, so that a driver
 * that waits for the stream does not wait for ever. */
ws_status tim_aids_hold(tim_aids *a, ws_err *err) WS_MUST_CHECK;
void tim_aids_release(tim_aids *a);
/* How many gates opened by themselves so far: what was behind them has gaps. After cu_synchronize. */
ws_status tim_aids_late(tim_aids *a, uint32_t *out, ws_err *err) WS_MUST_CHECK;

/* Enqueues: twice the cache read, changed and written, so that of nothing else a line is left, not
 * of persisting ones either; then as much as the cache read, so that no changed line waits to be
 * written back at the expense of the next kernel. */
ws_status tim_aids_sweep(tim_aids *a, ws_err *err) WS_MUST_CHECK;

/* Enqueues probe i of AIDS_PROBES: some 20 us in which an SM counts cycles. */
ws_status tim_aids_probe(tim_aids *a, int i, ws_err *err) WS_MUST_CHECK;
/* What they read, after cu_synchronize. */
ws_status tim_aids_hz(tim_aids *a, double hz[AIDS_PROBES], ws_err *err) WS_MUST_CHECK;

#endif
