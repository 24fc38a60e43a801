/* What operations do, whoever enqueued them. */
#include "harness/ptx/cuda/op.h"

#include "base/mem.h"
#include "harness/ptx/cuda/graph.h"
#include "harness/ptx/cuda/stream.h"

#include <stdlib.h>
#include <string.h>

CUresult fac_op_check(const fac_op *op)
{
    switch (op->kind) {
    case FAC_OP_KERNEL:
        return fac_kernel_check(op->kernel);
    case FAC_OP_COPY:
        return fac_copy_check(&op->copy);
    case FAC_OP_FILL:
        return fac_fill_check(&op->fill);
    case FAC_OP_HOST:
        return op->host.fn ? CUDA_SUCCESS
                           : fac_fail(CUDA_ERROR_INVALID_VALUE, "there is no host function");
    case FAC_OP_CALLBACK:
        return op->callback.fn ? CUDA_SUCCESS
                               : fac_fail(CUDA_ERROR_INVALID_VALUE, "there is no callback");
    case FAC_OP_RECORD:
    case FAC_OP_WAIT:
        return fac_handle_check(FAC_EVENT, op->event);
    case FAC_OP_MEM:
        return fac_memop_check(op->mem.op, op->mem.n);
    case FAC_OP_CHILD:
        return fac_handle_check(FAC_GRAPH, op->child);
    case FAC_OP_EXEC:
        return fac_handle_check(FAC_EXEC, op->exec);
    case FAC_OP_EMPTY:
    case FAC_OP_ALLOC:
    case FAC_OP_FREE:
        break;
    }
    return CUDA_SUCCESS;
}

bool fac_op_ready(fac_op *op)
{
    switch (op->kind) {
    case FAC_OP_WAIT:
        return !fac_handle_is(FAC_EVENT, op->event) || !op->event->pending;
    case FAC_OP_MEM:
        return fac_memop_run(op->mem.op, op->mem.n, &op->mem.done);
    default:
        return true;
    }
}

static CUresult run_outside(const fac_op *op)
{
    const fac_op o = *op;
    fac_unlock();
    if (o.kind == FAC_OP_HOST)
        o.host.fn(o.host.userData);
    else
        o.callback.fn(o.callback.stream, fac.sticky, o.callback.ud);
    fac_lock();
    return CUDA_SUCCESS;
}

/* A fresh allocation at every launch, as far as checks can tell. */
static CUresult renew(const fac_op *op)
{
    return !op->memory.bytes ||
                   ptx_memory_mark_uninitialized(fac.mem, op->memory.ptr, op->memory.bytes)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_VALUE, "a graph's memory at 0x%llx was freed",
                          op->memory.ptr);
}

CUresult fac_op_run(fac_op *op)
{
    switch (op->kind) {
    case FAC_OP_KERNEL:
        return fac_kernel_run(op->kernel);
    case FAC_OP_COPY:
        return fac_copy_run(&op->copy);
    case FAC_OP_FILL:
        return fac_fill_run(&op->fill);
    case FAC_OP_HOST:
    case FAC_OP_CALLBACK:
        return run_outside(op);
    case FAC_OP_RECORD:
        if (fac_handle_is(FAC_EVENT, op->event))
            fac_event_happen(op->event);
        return CUDA_SUCCESS;
    case FAC_OP_EXEC:
        return fac_exec_run(op->exec);
    case FAC_OP_ALLOC:
        return renew(op);
    case FAC_OP_FREE: /* a graph's goes with the node that made it */
        return op->memory.owner ? fac_memory_release(op->memory.ptr) : CUDA_SUCCESS;
    case FAC_OP_EMPTY:
    case FAC_OP_WAIT:  /* ready, as fac_op_ready found */
    case FAC_OP_MEM:   /* done there */
    case FAC_OP_CHILD: /* its nodes are of the executable graph */
        break;
    }
    return CUDA_SUCCESS;
}

void fac_op_clone(const fac_op *op, fac_op *out)
{
    *out = *op;
    out->staged = NULL;
    if (op->kind == FAC_OP_KERNEL) {
        const size_t n = op->kernel->params_bytes;
        out->kernel = ws_malloc(sizeof *out->kernel);
        *out->kernel = *op->kernel;
        out->kernel->params = ws_calloc(n + 16, 1);
        memcpy(out->kernel->params, op->kernel->params, n);
    } else if (op->kind == FAC_OP_MEM) {
        out->mem.op = ws_calloc(op->mem.n + 1, sizeof *out->mem.op);
        memcpy(out->mem.op, op->mem.op, op->mem.n * sizeof *out->mem.op);
    } else if (op->kind == FAC_OP_CHILD) {
        out->child = fac_graph_clone(op->child);
    } else if (op->kind == FAC_OP_ALLOC) {
        out->memory.owner = false;
    }
}

void fac_op_stage(fac_op *op)
{
    CUDA_MEMCPY3D *c = &op->copy;
    if (op->kind != FAC_OP_COPY || c->srcMemoryType == CU_MEMORYTYPE_DEVICE)
        return;
    const unsigned char *src = c->srcMemoryType == CU_MEMORYTYPE_HOST
                                   ? c->srcHost
                                   : (const void *)(uintptr_t)c->srcDevice;
    if (fac_memory_kind((CUdeviceptr)(uintptr_t)src, NULL) || !c->WidthInBytes)
        return;
    const size_t pitch = c->srcPitch ? c->srcPitch : c->WidthInBytes;
    const size_t height = c->srcHeight ? c->srcHeight : c->Height;
    unsigned char *to = op->staged = ws_malloc(c->WidthInBytes * c->Height * c->Depth);
    src += c->srcXInBytes;
    for (size_t z = 0; z < c->Depth; z++)
        for (size_t y = 0; y < c->Height; y++, to += c->WidthInBytes)
            memcpy(to, src + ((c->srcZ + z) * height + c->srcY + y) * pitch, c->WidthInBytes);
    c->srcMemoryType = CU_MEMORYTYPE_HOST;
    c->srcHost = op->staged;
    c->srcXInBytes = c->srcY = c->srcZ = 0;
    c->srcPitch = c->WidthInBytes;
    c->srcHeight = c->Height;
}

void fac_op_release(fac_op *op)
{
    if (op->kind == FAC_OP_KERNEL && op->kernel) {
        free(op->kernel->params);
        free(op->kernel);
    } else if (op->kind == FAC_OP_MEM) {
        free(op->mem.op);
    } else if (op->kind == FAC_OP_CHILD && op->child) {
        fac_graph_free(op->child);
    } else if (op->kind == FAC_OP_ALLOC && op->memory.owner) {
        (void)fac_memory_release(op->memory.ptr); /* gone already with a reset */
    }
    free(op->staged);
    *op = (fac_op){.kind = FAC_OP_EMPTY};
}
