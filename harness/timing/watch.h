/* What else goes on with a GPU while something is timed on it: brakes on its clock, other programs.
 * NVML (libnvidia-ml.so.1) tells; its header is not part of the toolkit, so what is used of it is
 * declared here, as its API reference has it. Nothing is ever set. */
#ifndef HARNESS_TIMING_WATCH_H
#define HARNESS_TIMING_WATCH_H

#include "base/dynlib.h"
#include "base/err.h"
#include "harness/timing/pairs.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct tim_watch tim_watch;

extern const ws_symbols tim_nvml_symbols;

/* A moment of the GPU. What it does not tell is 0; `braked` are the reasons of
 * nvmlDeviceGetCurrentClocksEventReasons. */
typedef struct tim_moment {
    unsigned sm_mhz, sm_most_mhz, memory_mhz, celsius;
    double watts, limit_watts;
    uint64_t braked;
    bool ecc;
    unsigned others; /* processes that compute on it, but for this one, which has a context there */
} tim_moment;

/* Of the GPU with this UUID ("GPU-...", "MIG-..."). `library` NULL: NVML's usual name. WS_EENV when
 * there is no NVML or it does not know the GPU. */
ws_status tim_watch_open(const char *uuid, const char *library, tim_watch **out,
                         ws_err *err) WS_MUST_CHECK;
void tim_watch_close(tim_watch *w);
void tim_watch_look(tim_watch *w, tim_moment *out);

/* Whether a pair that was measured between two moments counts: THROTTLE, SHARED or NONE. A power cap
 * alone is how a GPU runs under load, and drops nothing. */
tim_discard tim_moment_discard(const tim_moment *before, const tim_moment *after);

/* {"sm_mhz": 1980, "braked": ["power cap"], ...} */
cJSON *tim_moment_json(const tim_moment *m);
ws_status tim_moment_read(const cJSON *o, tim_moment *out, ws_err *err) WS_MUST_CHECK;

#endif
