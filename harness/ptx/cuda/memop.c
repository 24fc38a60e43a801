/* Operations of streams on single words of memory. */
#include "harness/ptx/cuda/graph.h"
#include "harness/ptx/cuda/stream.h"

#include <string.h>

static bool is_64(CUstreamBatchMemOpType t)
{
    return t == CU_STREAM_MEM_OP_WAIT_VALUE_64 || t == CU_STREAM_MEM_OP_WRITE_VALUE_64;
}

static bool is_wait(CUstreamBatchMemOpType t)
{
    return t == CU_STREAM_MEM_OP_WAIT_VALUE_32 || t == CU_STREAM_MEM_OP_WAIT_VALUE_64;
}

static bool is_write(CUstreamBatchMemOpType t)
{
    return t == CU_STREAM_MEM_OP_WRITE_VALUE_32 || t == CU_STREAM_MEM_OP_WRITE_VALUE_64;
}

CUresult fac_memop_check(const CUstreamBatchMemOpParams *op, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const CUstreamBatchMemOpType t = op[i].operation;
        const size_t size = is_64(t) ? 8 : 4;
        uint64_t start;
        size_t bytes;
        if (t == CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES || t == CU_STREAM_MEM_OP_BARRIER)
            continue;
        if (!is_wait(t) && !is_write(t))
            return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "operation %d of a stream on memory", (int)t);
        const CUdeviceptr p = op[i].waitValue.address; /* where writeValue has it too */
        if (p % size || !ptx_memory_range(fac.mem, p, &start, &bytes) ||
            p - start + size > bytes)
            return fac_fail(CUDA_ERROR_INVALID_VALUE,
                            "0x%llx is no aligned word of device memory", p);
    }
    return CUDA_SUCCESS;
}

static bool satisfied(const CUstreamBatchMemOpParams *op)
{
    const bool wide = is_64(op->operation);
    uint64_t now = 0, want = wide ? op->waitValue.value64 : op->waitValue.value;
    if (wide)
        now = __atomic_load_n((const uint64_t *)(uintptr_t)op->waitValue.address, __ATOMIC_ACQUIRE);
    else
        now = __atomic_load_n((const uint32_t *)(uintptr_t)op->waitValue.address, __ATOMIC_ACQUIRE);
    switch (op->waitValue.flags & 3u) {
    case CU_STREAM_WAIT_VALUE_GEQ:
        return wide ? (int64_t)(now - want) >= 0 : (int32_t)(uint32_t)(now - want) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
        return now == want;
    case CU_STREAM_WAIT_VALUE_AND:
        return (now & want) != 0;
    default: /* NOR */
        return (wide ? ~(now | want) : (uint32_t)~(now | want)) != 0;
    }
}

static void write_value(const CUstreamBatchMemOpParams *op)
{
    const uint64_t v = is_64(op->operation) ? op->writeValue.value64 : op->writeValue.value;
    (void)ptx_memory_write(fac.mem, op->writeValue.address, &v, is_64(op->operation) ? 8 : 4);
}

bool fac_memop_run(CUstreamBatchMemOpParams *op, unsigned n, unsigned *done)
{
    for (; *done < n; ++*done) {
        const CUstreamBatchMemOpParams *o = &op[*done];
        if (fac_memop_check(o, 1)) /* the memory was freed */
            continue;
        if (is_wait(o->operation) && !satisfied(o))
            return false;
        if (is_write(o->operation))
            write_value(o);
    }
    return true;
}

/* ---- entry points ---- */

CUresult cuStreamBatchMemOp_v2(CUstream s, unsigned n, CUstreamBatchMemOpParams *ops,
                               unsigned flags)
{
    fac_op given = {.kind = FAC_OP_MEM, .mem = {.op = ops, .n = n}}, op;
    if (n > 256 || (n && !ops) || flags)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op_clone(&given, &op);
    return fac_submit_alone(s, &op);
}

static CUresult one(CUstream s, CUstreamBatchMemOpType t, CUdeviceptr p, uint64_t value,
                    unsigned flags)
{
    CUstreamBatchMemOpParams op;
    memset(&op, 0, sizeof op);
    op.waitValue.operation = t;
    op.waitValue.address = p;
    op.waitValue.value64 = value; /* the low half is `value` */
    op.waitValue.flags = flags;
    return cuStreamBatchMemOp_v2(s, 1, &op, 0);
}

CUresult cuStreamWaitValue32_v2(CUstream s, CUdeviceptr p, cuuint32_t value, unsigned flags)
{
    return one(s, CU_STREAM_MEM_OP_WAIT_VALUE_32, p, value, flags);
}

CUresult cuStreamWaitValue64_v2(CUstream s, CUdeviceptr p, cuuint64_t value, unsigned flags)
{
    return one(s, CU_STREAM_MEM_OP_WAIT_VALUE_64, p, value, flags);
}

CUresult cuStreamWriteValue32_v2(CUstream s, CUdeviceptr p, cuuint32_t value, unsigned flags)
{
    return one(s, CU_STREAM_MEM_OP_WRITE_VALUE_32, p, value, flags);
}

CUresult cuStreamWriteValue64_v2(CUstream s, CUdeviceptr p, cuuint64_t value, unsigned flags)
{
    return one(s, CU_STREAM_MEM_OP_WRITE_VALUE_64, p, value, flags);
}
