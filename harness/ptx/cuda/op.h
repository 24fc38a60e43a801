/* An operation: what a stream does in order and a node of a graph stands for. The calls of the API
 * make one and give it to a stream (stream.h) or a graph (graph.h). */
#ifndef HARNESS_PTX_CUDA_OP_H
#define HARNESS_PTX_CUDA_OP_H

#include "harness/ptx/cuda/internal.h"

#pragma GCC visibility push(hidden)

enum { FAC_ATTRIBUTES = 17 /* of launches and streams: CUlaunchAttributeID below this */ };
typedef struct fac_attributes {
    uint32_t set; /* a bit for each that was given */
    CUlaunchAttributeValue value[FAC_ATTRIBUTES];
} fac_attributes;

typedef struct fac_kernel {
    CUfunction f;
    unsigned grid[3], block[3], shared;
    unsigned char *params; /* aligned to 16 */
    size_t params_bytes;
    fac_attributes attributes;
} fac_kernel;

typedef enum fac_op_kind { FAC_OP_EMPTY, FAC_OP_KERNEL, FAC_OP_COPY, FAC_OP_FILL, FAC_OP_HOST,
                           FAC_OP_CALLBACK, FAC_OP_RECORD, FAC_OP_WAIT, FAC_OP_MEM, FAC_OP_ALLOC,
                           FAC_OP_FREE, FAC_OP_CHILD, FAC_OP_EXEC } fac_op_kind;

typedef struct fac_op {
    fac_op_kind kind;
    CUcontext context;
    union {
        fac_kernel *kernel;
        CUDA_MEMCPY3D copy; /* sides are HOST, DEVICE or UNIFIED */
        CUDA_MEMSET_NODE_PARAMS fill;
        CUDA_HOST_NODE_PARAMS host;
        struct {
            CUstreamCallback fn;
            CUstream stream;
            void *ud;
        } callback;
        CUevent event; /* RECORD, WAIT */
        struct {
            CUstreamBatchMemOpParams *op;
            unsigned n, done; /* done: of a stream that waits at one of them */
        } mem;
        struct { /* ALLOC, FREE */
            CUdeviceptr ptr;
            size_t bytes;
            bool owner; /* ALLOC: of the node that made the memory; FREE: releases it */
        } memory;
        CUgraph child;
        CUgraphExec exec;
    };
    void *staged; /* a copy of what a copy reads from memory that is not the driver's */
} fac_op;

/* Whether it can be enqueued: arguments, limits, ranges. Locked by the caller, as all here. */
CUresult fac_op_check(const fac_op *op);
/* Whether it can run now; false: it waits for a value or an event. */
bool fac_op_ready(fac_op *op);
CUresult fac_op_run(fac_op *op); /* host functions run unlocked */
/* `out` has memory of its own, for fac_op_release. */
void fac_op_clone(const fac_op *op, fac_op *out);
/* For an operation that is run later: keeps what it reads from the program's memory. */
void fac_op_stage(fac_op *op);
void fac_op_release(fac_op *op);

/* ---- launch.c ---- */
/* The parameters are gathered into memory of the kernel's own. */
CUresult fac_kernel_make(const CUlaunchConfig *c, CUfunction f, void **params, void **extra,
                         bool cooperative, fac_op *out);
CUresult fac_kernel_check(const fac_kernel *k);
CUresult fac_kernel_run(const fac_kernel *k);
CUresult fac_attribute_set(fac_attributes *a, CUlaunchAttributeID id,
                           const CUlaunchAttributeValue *value);

/* ---- copy.c ---- */
CUresult fac_copy_check(const CUDA_MEMCPY3D *c);
CUresult fac_copy_run(const CUDA_MEMCPY3D *c);
CUresult fac_fill_check(const CUDA_MEMSET_NODE_PARAMS *f);
CUresult fac_fill_run(const CUDA_MEMSET_NODE_PARAMS *f);

/* ---- memop.c ---- */
CUresult fac_memop_check(const CUstreamBatchMemOpParams *op, unsigned n);
/* Does those up to one that waits; true: all are done. */
bool fac_memop_run(CUstreamBatchMemOpParams *op, unsigned n, unsigned *done);

#pragma GCC visibility pop

#endif
