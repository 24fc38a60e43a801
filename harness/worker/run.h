/* Runs bound plans on given tensors in a child process (`warpsmith worker run`), so that a fault, a
 * hang or a crash of untrusted code is a result. One request, one launch sequence, one report. */
#ifndef HARNESS_WORKER_RUN_H
#define HARNESS_WORKER_RUN_H

#include "base/err.h"
#include "harness/plan/plan.h"
#include "harness/ptx/report.h"

typedef enum run_tensor_role { RUN_INPUT, RUN_OUTPUT, RUN_INOUT } run_tensor_role;

/* A tensor that is a smaller one repeated: index i along an axis holds what index i % period holds
 * of the smaller one, which has `period` along it. Row-major. */
enum { RUN_MAX_RANK = 8 };
typedef struct run_tile {
    int rank; /* 0: not repeated */
    int64_t dim[RUN_MAX_RANK], period[RUN_MAX_RANK];
    size_t element_bytes;
} run_tile;

/* One element that a kernel wrote. */
typedef struct run_probe {
    uint64_t element; /* flat index */
    unsigned char value[8];
} run_probe;

/* Tensor i of the plan's names. The caller owns the memory. */
typedef struct run_tensor {
    const char *name;
    run_tensor_role role;
    size_t bytes;
    const void *in;        /* INPUT, INOUT: initial content */
    void *out;             /* OUTPUT, INOUT: receives the content after the run */
    void *after;           /* INPUT: receives the content after the run where it changed, see `unchanged` */
    uint8_t *written;      /* OUTPUT: one flag a byte, see `whole`; filled on the engine, NULL: not wanted */
    /* What is nearly always so is said in a word and not sent: the content after the run is that before,
     * every byte was written. Then `after` and `written` are as they were. */
    bool unchanged, whole;
    run_tile tile;         /* INPUT: `in` is the smaller tensor, and of its size */
    /* OUTPUT, engine: elements of probe_bytes (at most 8) bytes that were written, spread evenly over all of
     * them when there are more than max_probes; their number is rounded down to it by halves. */
    run_probe *probe;
    size_t max_probes, n_probes, probe_bytes;
    uint64_t n_written;    /* with probes: elements that were written, probed or not */
} run_tensor;

typedef struct run_request {
    const char *device;          /* "cpu", "gpu" or NULL: as cu_open */
    const void *image;           /* PTX (with its NUL) or cubin */
    size_t image_bytes;
    const comp_kernel *kernel;
    int n_kernels;
    const plan_bound *plan;
    const char *const *scratch_name;
    run_tensor *tensor;
    int n_tensors;
    ptx_options engine;
    unsigned char poison;        /* byte pattern of outputs and scratch before the run */
    int repeats;                 /* whole plan, 0: 1; times are taken when > 1 */
    bool examine_state; /* engine: whether later runs need what earlier ones left: state.h */
    /* Engine: nothing may touch these bytes of a tensor from one launch on, so that its finding tells
     * who would have written them. A run that ends without has no outputs. */
    struct {
        size_t bytes;            /* 0: no such thing */
        size_t at;
        int tensor, launch;      /* indices */
    } watch;
    bool counting; /* engine: for the counters alone; tensors without content are zeros */
    double wall_seconds;         /* of the child, see SERVE_PATIENCE; 0: 60 */
} run_request;

typedef struct run_report {
    hx_reason reason;       /* HX_PASS, a fault's, ENDLESS at the deadline, CRASH, INVALID_LAUNCH */
    char text[1024];        /* one line about it */
    ptx_report engine;      /* on the CPU engine */
    bool on_engine;
    char device[64];
    double *ms;             /* `repeats` times in ms, malloc'ed; NULL when repeats <= 1 */
    int n_ms;
    /* engine.coverage and engine.lines, when asked for, are malloc'ed; lines only when counting. */
    ptx_counters *launch;   /* counting: of every launch of the plan, malloc'ed; else NULL */
    int n_launches;
    char printed[4096];     /* output of device printf */
    double seconds;         /* wall time of the child */
} run_report;

ws_status run_execute(const run_request *r, run_report *out, ws_err *err) WS_MUST_CHECK;

/* Several requests for one device in one child, one after the other, up to the first that does not
 * pass: out[0] to out[*done - 1] say how they ended. Requests with the same image use one module,
 * whose variables keep what the runs before left in them, as between launches of a program. A child
 * in which all passed may serve later calls for the image; its variables are set back before. */
enum { RUN_MAX_TOGETHER = 64 };
ws_status run_execute_all(const run_request *r, int n, run_report *out, int *done,
                          ws_err *err) WS_MUST_CHECK;
/* Starts worker processes ahead, so that `n` runs at once (at most 4) find them ready. */
void run_prepare(int n);
void run_report_release(run_report *r);
/* Entry of `warpsmith worker run`; returns the exit code. */
int run_worker_main(void);

#endif
