/* How many blocks of a launch an SM holds at once, and what keeps the next one out. The same
 * numbers as the CUDA toolkit's cuda_occupancy.h, with which a test compares them for every GPU of
 * the table; its rules are those of NVIDIA's occupancy calculator: registers are handed out to
 * warps in units of 256, shared memory in units of 128 bytes (256 before Ampere) with 1 KiB a block
 * for the system. */
#ifndef HARNESS_TIMING_OCCUPANCY_H
#define HARNESS_TIMING_OCCUPANCY_H

#include "harness/timing/model.h"

/* What a block takes. */
typedef struct tim_block {
    int threads;
    int registers;        /* of a thread */
    int64_t shared_bytes; /* static and dynamic, without the system's */
    int barriers;         /* named barriers, 0: unknown or none */
} tim_block;

enum { TIM_UNLIMITED = INT32_MAX };

typedef struct tim_occupancy {
    int blocks;     /* resident on one SM; 0: the block cannot be launched */
    const char *by; /* what keeps more from it; of several, the first of the list below */
    struct {
        int warps, blocks, registers, shared, barriers; /* blocks that each would allow */
    } limit;
    int warps;            /* of a block */
    double fraction;      /* resident warps / maximum */
    int64_t registers;    /* allocated to a block */
    int64_t shared_bytes; /* allocated to a block, with the system's */
} tim_occupancy;

void tim_occupancy_of(const tim_gpu *gpu, const tim_block *b, tim_occupancy *out);

/* Clusters of `size` blocks that the GPU holds at once, when an SM holds `blocks`. A cluster lives
 * in one GPC, and how many SMs each GPC of a product has is not published: this divides them
 * evenly, as cuOccupancyMaxActiveClusters on the GPU may not. 0: this GPU has no clusters, or none
 * so large. */
int tim_clusters(const tim_gpu *gpu, int blocks, int size);

#endif
