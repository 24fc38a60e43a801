/* Time without a GPU: the engine's counters and the compiler's resource lines into a cost model of
 * a named GPU. Every number made here is *modelled* and carries that word. */
#ifndef HARNESS_TIMING_MODEL_H
#define HARNESS_TIMING_MODEL_H

#include "base/err.h"
#include "harness/ptx/report.h"

#include <stdbool.h>
#include <stddef.h>

/* Dense peaks and limits of one product (vendor datasheets; source in gpus.c). */
typedef struct tim_gpu {
    const char *name;       /* "h100" */
    const char *title;      /* "NVIDIA H100 SXM 80GB" */
    const char *arch;       /* "sm_90" */
    int sms;
    double clock_hz;        /* boost */
    double dram_bytes_per_s, l2_bytes_per_s;
    double l2_bytes;
    double f32_flops, f64_flops, f16_flops, tensor_f16_flops;
    /* further tensor rates; 0: the product has none, or below its other units */
    double tensor_f64_flops, tensor_tf32_flops, tensor_f8_flops, tensor_i8_ops, tensor_f4_flops;
    int max_warps_per_sm, max_blocks_per_sm;
    int registers_per_sm, shared_per_sm, shared_per_block;
    double launch_s;        /* of one kernel in a stream */
} tim_gpu;
const tim_gpu *tim_gpu_find(const char *name); /* NULL: unknown */
const tim_gpu *tim_gpu_list(int *n);

/* What stands for all that the model does not simulate. The defaults are estimates: `calibrated` is
 * false until constants that were fitted to measured times are put in their place (calibrate.h). */
typedef struct tim_constants {
    double dram_efficiency;  /* what good kernels reach of the DRAM peak */
    double l1_repeat_hit;    /* of loads of a sector that the launch loads again */
    double dependent_clocks; /* per instruction of one warp */
    double loads_in_flight;  /* of one warp */
    double overlap;          /* of the parts' norm: infinity is perfect overlap */
    double launch_s;         /* of one kernel in a stream */
    bool calibrated;
    double error; /* median of |ln(modelled / measured)| on kernels left out of the fit */
    int samples;             /* kernels and shapes that it was fitted to */
} tim_constants;
tim_constants tim_constants_default(const tim_gpu *gpu);
tim_constants tim_constants_of(const tim_gpu *gpu); /* in force in this process */
/* From now on, for this row of the table; before any thread asks for a time. */
void tim_constants_use(const tim_gpu *gpu, const tim_constants *c);
/* "uncalibrated", or "calibrated to 12 %". */
void tim_calibration_text(const tim_gpu *gpu, char *out, size_t size);

/* One launch as it was counted, scaled from the counted shape to the wanted one when `scale` >
 * 1. */
typedef struct tim_launch {
    uint64_t blocks;
    uint32_t threads_per_block;
    int registers, shared_bytes; /* per thread, per block; registers <= 0: guessed as 32 */
    ptx_counters counters;
    double scale;                /* work of the timed shape / work of the counted one; 0: 1 */
    double uneven;               /* instructions of the longest block / of an average one; 0: 1 */
    int barriers;                /* named barriers of a block; 0: unknown */
    int local_bytes;             /* of a thread's stack; 0: none or unknown */
    double small_bytes;          /* of operands so small that L2 keeps them; 0: none or unknown */
    double spill_requests;       /* of warps, estimated from the assembler's log; not in counters */
    /* What the text of the kernel says (harness/profile/path.h); 0: unknown, constants stand for it. */
    double chain_clocks, loads_together, machine_insns, machine_f64;
} tim_launch;

typedef struct tim_estimate {
    double seconds;
    double compute_s, memory_s, l2_s, shared_s, latency_s, launch_s; /* parts; the largest bounds */
    double atomic_s;
    const char
        *bound; /* "dram", "l2", "compute", "shared", "l1", "latency", "atomics", "launch"; "l1" is
                 * the shared_s part when global accesses are most of it: one data path in the SM */
    double occupancy;       /* resident warps / maximum */
    /* Roofline of the graph as written: max(min_bytes / dram, flops / peak). A kernel that need not
     * do all of the operations (what a mask hides, a faster algorithm) may take less. */
    double written_s;
    double floor_s; /* what the time is held against: written_s, or min_bytes / dram when the time
                     * is below written_s */
} tim_estimate;
/* One launch of an estimate, without the launch overhead, and what of the machine it uses. */
typedef struct tim_launch_estimate {
    double seconds;
    double compute_s, memory_s, l2_s, shared_s, latency_s;
    double atomic_s;         /* updates of one address, one after the other */
    double sync_s;           /* grid-wide barriers; overlaps with nothing */
    bool l1_is_global;       /* shared_s is mostly global accesses */
    const char *unit;        /* that decides compute_s: "issue", "fp32", "special functions", ... */
    int resident_blocks;     /* on one SM */
    const char *resident_by; /* what keeps more from it: "registers", "shared memory", "warps",
                              * "blocks", "barriers" (occupancy.h) */
    double occupancy;        /* resident warps / maximum; the grid may have fewer */
    double waves;            /* blocks / (resident blocks x SMs) */
} tim_launch_estimate;
/* `uneven` of a launch with these counters. */
double tim_uneven(const ptx_counters *c);
void tim_model_launch(const tim_gpu *gpu, const tim_launch *l, tim_launch_estimate *out);

/* Sum over launches. flops and min_bytes are the operation's (reference/graph.h). */
void tim_model(const tim_gpu *gpu, const tim_launch *launch, int n, double flops, double min_bytes,
               tim_estimate *out);

#endif
