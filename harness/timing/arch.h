/* What all GPUs of one architecture share: unit widths and latencies per SM, for the cost model. */
#ifndef HARNESS_TIMING_ARCH_H
#define HARNESS_TIMING_ARCH_H

/* Rates are lanes (results) a clock a SM: CUDA C++ Programming Guide, "Throughput of Native
 * Arithmetic Instructions". Latencies in clocks are rounded values of published microbenchmarks. */
typedef struct tim_arch {
    const char *arch;  /* "sm_90" */
    int f32, f64,
        f16; /* f16: lanes of a two-wide instruction (__half2), half the table's results */
    int i32, imul, sfu, cvt, shuffle;
    int issue;            /* warp instructions a clock: one per scheduler */
    int l1_bytes;         /* of the unified L1 and shared memory, a clock */
    int l2_bytes;         /* of one SM's port to L2, a clock */
    int dram_latency, l2_latency, shared_latency;
    int shared_reserved;  /* bytes of shared memory that the system takes of each block */
    int shared_unit;      /* bytes in which shared memory is handed out */
    int barriers_per_block; /* named barriers of an SM / blocks that it holds */
    int gpcs, max_cluster;  /* 0: no clusters; of blocks in one, as any kernel may ask */
    int unified_bytes;      /* L1 and shared memory of an SM together */
} tim_arch;

const tim_arch *tim_arch_of(const char *arch); /* never NULL: the nearest older one */
int tim_arch_number(const char *arch);         /* 90 of "sm_90a"; 0: no architecture */

#endif
