/* `make gpu-check`: what needs a GPU, in parts that can be run one by one. Each part writes rows
 * into the report, and keeps to its share of the time: what is left when that is over is a row
 * "skipped". WARPSMITH_DEVICE=cpu runs the same on the CPU driver, which tests the parts, not the
 * GPU. */
#ifndef TESTS_GPUCHECK_CHECK_H
#define TESTS_GPUCHECK_CHECK_H

#include "harness/compile/compile.h"
#include "harness/device/pool.h"
#include "harness/driver.h"
#include "verifier/cases.h"

#include <cjson/cJSON.h>

typedef enum gc_end { GC_PASSED, GC_FAILED, GC_SKIPPED } gc_end;

typedef struct gc_check {
    comp_service *comp;
    dev_pool *pool;
    const char *device; /* "gpu", "cpu" */
    char arch[16];      /* that candidates are compiled for */
    const char *gpu;    /* of the cost model's table; NULL: it does not have this one */
    bool engine;
    const char *only;   /* of kernels and specs: names that have this in them; NULL: all */
    bool all;           /* every spec of the catalogue */
    /* Of the part at work. */
    cJSON *rows;
    int64_t end_ns;
    int count[3]; /* by gc_end */
} gc_check;

typedef struct gc_part {
    const char *name, *what;
    double seconds; /* its share */
    ws_status (*run)(gc_check *c, ws_err *err);
} gc_part;

/* Takes `row`; `name` and `text` are what is printed, and stand in it. */
void gc_add(gc_check *c, cJSON *row, gc_end end, const char *name, const char *text);
/* Whether the part's time is over; `name` is then a row "skipped". */
bool gc_over(gc_check *c, const char *name);
/* Whether --only leaves it out. */
bool gc_leaves_out(const gc_check *c, const char *name);

ws_status gc_ptx(gc_check *c, ws_err *err);
ws_status gc_kernels(gc_check *c, ws_err *err);
ws_status gc_benchmark(gc_check *c, ws_err *err);
ws_status gc_hostile(gc_check *c, ws_err *err);
ws_status gc_survive(gc_check *c, ws_err *err);
ws_status gc_timing(gc_check *c, ws_err *err);
ws_status gc_model(gc_check *c, ws_err *err);

#endif
