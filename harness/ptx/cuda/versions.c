/* Functions as they were in earlier versions of CUDA, by those of today. The ones whose device
 * addresses have 32 bits cannot be served: they are in unsupported.def. */
#include "harness/ptx/cuda/internal.h"

#include <stdlib.h>
#include <string.h>

/* Versions that differ in name alone. */
#define SAME(old, now, params, args)                                                               \
    CUresult old params                                                                            \
    {                                                                                              \
        return now args;                                                                           \
    }
SAME(cuCtxCreate, cuCtxCreate_v2, (CUcontext * out, unsigned flags, CUdevice dev),
     (out, flags, dev))
SAME(cuCtxDestroy, cuCtxDestroy_v2, (CUcontext c), (c))
SAME(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext * out), (out))
SAME(cuCtxPushCurrent, cuCtxPushCurrent_v2, (CUcontext c), (c))
SAME(cuDeviceGetUuid, cuDeviceGetUuid_v2, (CUuuid * out, CUdevice dev), (out, dev))
SAME(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice dev), (dev))
SAME(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2, (CUdevice dev), (dev))
SAME(cuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags_v2, (CUdevice dev, unsigned flags),
     (dev, flags))
SAME(cuStreamDestroy, cuStreamDestroy_v2, (CUstream s), (s))
SAME(cuEventDestroy, cuEventDestroy_v2, (CUevent e), (e))
SAME(cuEventElapsedTime, cuEventElapsedTime_v2, (float *ms, CUevent start, CUevent end),
     (ms, start, end))
SAME(cuMemAllocHost, cuMemAllocHost_v2, (void **out, unsigned n), (out, n))
SAME(cuMemHostRegister, cuMemHostRegister_v2, (void *p, size_t n, unsigned flags), (p, n, flags))
SAME(cuLinkCreate, cuLinkCreate_v2,
     (unsigned n, CUjit_option *option, void **value, CUlinkState *out), (n, option, value, out))
SAME(cuLinkAddData, cuLinkAddData_v2,
     (CUlinkState s, CUjitInputType type, void *data, size_t size, const char *name, unsigned n,
      CUjit_option *option, void **value),
     (s, type, data, size, name, n, option, value))
SAME(cuLinkAddFile, cuLinkAddFile_v2,
     (CUlinkState s, CUjitInputType type, const char *path, unsigned n, CUjit_option *option,
      void **value),
     (s, type, path, n, option, value))
SAME(cuStreamWaitValue32, cuStreamWaitValue32_v2,
     (CUstream s, CUdeviceptr p, cuuint32_t value, unsigned flags), (s, p, value, flags))
SAME(cuStreamWaitValue64, cuStreamWaitValue64_v2,
     (CUstream s, CUdeviceptr p, cuuint64_t value, unsigned flags), (s, p, value, flags))
SAME(cuStreamWriteValue32, cuStreamWriteValue32_v2,
     (CUstream s, CUdeviceptr p, cuuint32_t value, unsigned flags), (s, p, value, flags))
SAME(cuStreamWriteValue64, cuStreamWriteValue64_v2,
     (CUstream s, CUdeviceptr p, cuuint64_t value, unsigned flags), (s, p, value, flags))
SAME(cuStreamBatchMemOp, cuStreamBatchMemOp_v2,
     (CUstream s, unsigned n, CUstreamBatchMemOpParams *ops, unsigned flags), (s, n, ops, flags))
SAME(cuStreamBeginCapture, cuStreamBeginCapture_v2, (CUstream s),
     (s, CU_STREAM_CAPTURE_MODE_GLOBAL))
SAME(cuGraphInstantiate, cuGraphInstantiate_v2,
     (CUgraphExec * out, CUgraph g, CUgraphNode *error, char *log, size_t size),
     (out, g, error, log, size))

/* ---- graphs before edges had data, and kernels had two kinds of handles ---- */

static CUDA_KERNEL_NODE_PARAMS of_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
    return (CUDA_KERNEL_NODE_PARAMS){.func = p->func, .gridDimX = p->gridDimX,
                                     .gridDimY = p->gridDimY, .gridDimZ = p->gridDimZ,
                                     .blockDimX = p->blockDimX, .blockDimY = p->blockDimY,
                                     .blockDimZ = p->blockDimZ,
                                     .sharedMemBytes = p->sharedMemBytes,
                                     .kernelParams = p->kernelParams, .extra = p->extra};
}

CUresult cuGraphAddKernelNode(CUgraphNode *out, CUgraph g, const CUgraphNode *deps, size_t n,
                              const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    const CUDA_KERNEL_NODE_PARAMS now = of_v1(p);
    return cuGraphAddKernelNode_v2(out, g, deps, n, &now);
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    const CUDA_KERNEL_NODE_PARAMS now = of_v1(p);
    return cuGraphKernelNodeSetParams_v2(node, &now);
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec e, CUgraphNode node,
                                        const CUDA_KERNEL_NODE_PARAMS_v1 *p)
{
    if (!p)
        return CUDA_ERROR_INVALID_VALUE;
    const CUDA_KERNEL_NODE_PARAMS now = of_v1(p);
    return cuGraphExecKernelNodeSetParams_v2(e, node, &now);
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v1 *out)
{
    CUDA_KERNEL_NODE_PARAMS p;
    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult r = cuGraphKernelNodeGetParams_v2(node, &p);
    if (!r)
        *out = (CUDA_KERNEL_NODE_PARAMS_v1){
            .func = p.func, .gridDimX = p.gridDimX, .gridDimY = p.gridDimY,
            .gridDimZ = p.gridDimZ, .blockDimX = p.blockDimX, .blockDimY = p.blockDimY,
            .blockDimZ = p.blockDimZ, .sharedMemBytes = p.sharedMemBytes,
            .kernelParams = p.kernelParams};
    return r;
}

SAME(cuGraphGetEdges, cuGraphGetEdges_v2,
     (CUgraph g, CUgraphNode *from, CUgraphNode *to, size_t *n), (g, from, to, NULL, n))
SAME(cuGraphNodeGetDependencies, cuGraphNodeGetDependencies_v2,
     (CUgraphNode node, CUgraphNode *out, size_t *n), (node, out, NULL, n))
SAME(cuGraphNodeGetDependentNodes, cuGraphNodeGetDependentNodes_v2,
     (CUgraphNode node, CUgraphNode *out, size_t *n), (node, out, NULL, n))
SAME(cuGraphAddDependencies, cuGraphAddDependencies_v2,
     (CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n), (g, from, to, NULL, n))
SAME(cuGraphRemoveDependencies, cuGraphRemoveDependencies_v2,
     (CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n), (g, from, to, NULL, n))
SAME(cuGraphAddNode, cuGraphAddNode_v2,
     (CUgraphNode * out, CUgraph g, const CUgraphNode *deps, size_t n, CUgraphNodeParams *p),
     (out, g, deps, NULL, n, p))

CUresult cuGraphExecUpdate(CUgraphExec e, CUgraph g, CUgraphNode *error,
                           CUgraphExecUpdateResult *result)
{
    CUgraphExecUpdateResultInfo info = {.result = CU_GRAPH_EXEC_UPDATE_ERROR};
    CUresult r = cuGraphExecUpdate_v2(e, g, &info);
    if (error)
        *error = info.errorNode;
    if (result)
        *result = info.result;
    return r;
}

/* ---- captures ---- */

SAME(cuStreamGetCaptureInfo_v2, cuStreamGetCaptureInfo_v3,
     (CUstream s, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
      const CUgraphNode **deps, size_t *n),
     (s, status, id, graph, deps, NULL, n))
SAME(cuStreamGetCaptureInfo, cuStreamGetCaptureInfo_v3,
     (CUstream s, CUstreamCaptureStatus *status, cuuint64_t *id),
     (s, status, id, NULL, NULL, NULL, NULL))
SAME(cuStreamUpdateCaptureDependencies, cuStreamUpdateCaptureDependencies_v2,
     (CUstream s, CUgraphNode *deps, size_t n, unsigned flags), (s, deps, NULL, n, flags))

/* ---- memory, when a place was a device's number ---- */

static CUmemLocation place_of(CUdevice dev)
{
    CUmemLocation where;
    memset(&where, 0, sizeof where);
    where.type = dev == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
    where.id = dev;
    return where;
}

CUresult cuMemAdvise(CUdeviceptr p, size_t n, CUmem_advise advice, CUdevice dev)
{
    return cuMemAdvise_v2(p, n, advice, place_of(dev));
}

CUresult cuMemPrefetchAsync(CUdeviceptr p, size_t n, CUdevice dev, CUstream s)
{
    return cuMemPrefetchAsync_v2(p, n, place_of(dev), 0, s);
}

CUresult cuMemcpyBatchAsync(CUdeviceptr *dst, CUdeviceptr *src, size_t *n, size_t count,
                            CUmemcpyAttributes *attrs, size_t *indices, size_t n_attrs,
                            size_t *failed, CUstream s)
{
    CUresult r = cuMemcpyBatchAsync_v2(dst, src, n, count, attrs, indices, n_attrs, s);
    if (r && failed)
        *failed = SIZE_MAX; /* which of them is not known */
    return r;
}
