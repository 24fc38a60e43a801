/* Functions as programs call them that are built with --default-stream per-thread: the default
 * stream is the thread's own. Those with _ptds wait until all is done, and take no stream. */
#include "harness/ptx/cuda/internal.h"

#define OWN(s) ((s) ? (s) : CU_STREAM_PER_THREAD)
#define W(name, plain, params, args)                                                               \
    CUresult name params                                                                           \
    {                                                                                              \
        return plain args;                                                                         \
    }

W(cuEventRecordWithFlags_ptsz, cuEventRecordWithFlags, (CUevent a, CUstream b, unsigned c),
  (a, OWN(b), c))
W(cuEventRecord_ptsz, cuEventRecord, (CUevent a, CUstream b), (a, OWN(b)))
W(cuGraphInstantiateWithParams_ptsz, cuGraphInstantiateWithParams,
  (CUgraphExec *a, CUgraph b, CUDA_GRAPH_INSTANTIATE_PARAMS *c), (a, b, c))
W(cuGraphLaunch_ptsz, cuGraphLaunch, (CUgraphExec a, CUstream b), (a, OWN(b)))
W(cuGraphUpload_ptsz, cuGraphUpload, (CUgraphExec a, CUstream b), (a, OWN(b)))
W(cuLaunchCooperativeKernel_ptsz, cuLaunchCooperativeKernel,
  (CUfunction a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned g,
  unsigned h, CUstream i, void **j), (a, b, c, d, e, f, g, h, OWN(i), j))
W(cuLaunchHostFunc_ptsz, cuLaunchHostFunc, (CUstream a, CUhostFn b, void *c), (OWN(a), b, c))
W(cuLaunchKernel_ptsz, cuLaunchKernel,
  (CUfunction a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f, unsigned g,
  unsigned h, CUstream i, void **j, void **k), (a, b, c, d, e, f, g, h, OWN(i), j, k))
W(cuMemAllocAsync_ptsz, cuMemAllocAsync, (CUdeviceptr *a, size_t b, CUstream c), (a, b, OWN(c)))
W(cuMemAllocFromPoolAsync_ptsz, cuMemAllocFromPoolAsync,
  (CUdeviceptr *a, size_t b, CUmemoryPool c, CUstream d), (a, b, c, OWN(d)))
W(cuMemFreeAsync_ptsz, cuMemFreeAsync, (CUdeviceptr a, CUstream b), (a, OWN(b)))
W(cuMemPrefetchAsync_ptsz, cuMemPrefetchAsync, (CUdeviceptr a, size_t b, CUdevice c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemPrefetchAsync_v2_ptsz, cuMemPrefetchAsync_v2,
  (CUdeviceptr a, size_t b, CUmemLocation c, unsigned d, CUstream e), (a, b, c, d, OWN(e)))
W(cuMemcpy2DAsync_v2_ptsz, cuMemcpy2DAsync_v2, (const CUDA_MEMCPY2D *a, CUstream b), (a, OWN(b)))
W(cuMemcpy2DUnaligned_v2_ptds, cuMemcpy2DUnaligned_v2, (const CUDA_MEMCPY2D *a), (a))
W(cuMemcpy2D_v2_ptds, cuMemcpy2D_v2, (const CUDA_MEMCPY2D *a), (a))
W(cuMemcpy3DAsync_v2_ptsz, cuMemcpy3DAsync_v2, (const CUDA_MEMCPY3D *a, CUstream b), (a, OWN(b)))
W(cuMemcpy3DPeerAsync_ptsz, cuMemcpy3DPeerAsync, (const CUDA_MEMCPY3D_PEER *a, CUstream b),
  (a, OWN(b)))
W(cuMemcpy3DPeer_ptds, cuMemcpy3DPeer, (const CUDA_MEMCPY3D_PEER *a), (a))
W(cuMemcpy3D_v2_ptds, cuMemcpy3D_v2, (const CUDA_MEMCPY3D *a), (a))
W(cuMemcpyAsync_ptsz, cuMemcpyAsync, (CUdeviceptr a, CUdeviceptr b, size_t c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemcpyBatchAsync_ptsz, cuMemcpyBatchAsync,
  (CUdeviceptr *a, CUdeviceptr *b, size_t *c, size_t d, CUmemcpyAttributes *e, size_t *f,
  size_t g, size_t *h, CUstream i), (a, b, c, d, e, f, g, h, OWN(i)))
W(cuMemcpyBatchAsync_v2_ptsz, cuMemcpyBatchAsync_v2,
  (CUdeviceptr *a, CUdeviceptr *b, size_t *c, size_t d, CUmemcpyAttributes *e, size_t *f,
  size_t g, CUstream h), (a, b, c, d, e, f, g, OWN(h)))
W(cuMemcpyDtoDAsync_v2_ptsz, cuMemcpyDtoDAsync_v2,
  (CUdeviceptr a, CUdeviceptr b, size_t c, CUstream d), (a, b, c, OWN(d)))
W(cuMemcpyDtoD_v2_ptds, cuMemcpyDtoD_v2, (CUdeviceptr a, CUdeviceptr b, size_t c), (a, b, c))
W(cuMemcpyDtoHAsync_v2_ptsz, cuMemcpyDtoHAsync_v2, (void *a, CUdeviceptr b, size_t c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemcpyDtoH_v2_ptds, cuMemcpyDtoH_v2, (void *a, CUdeviceptr b, size_t c), (a, b, c))
W(cuMemcpyHtoDAsync_v2_ptsz, cuMemcpyHtoDAsync_v2,
  (CUdeviceptr a, const void *b, size_t c, CUstream d), (a, b, c, OWN(d)))
W(cuMemcpyHtoD_v2_ptds, cuMemcpyHtoD_v2, (CUdeviceptr a, const void *b, size_t c), (a, b, c))
W(cuMemcpyPeerAsync_ptsz, cuMemcpyPeerAsync,
  (CUdeviceptr a, CUcontext b, CUdeviceptr c, CUcontext d, size_t e, CUstream f),
  (a, b, c, d, e, OWN(f)))
W(cuMemcpyPeer_ptds, cuMemcpyPeer,
  (CUdeviceptr a, CUcontext b, CUdeviceptr c, CUcontext d, size_t e), (a, b, c, d, e))
W(cuMemcpy_ptds, cuMemcpy, (CUdeviceptr a, CUdeviceptr b, size_t c), (a, b, c))
W(cuMemsetD16Async_ptsz, cuMemsetD16Async, (CUdeviceptr a, unsigned short b, size_t c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemsetD16_v2_ptds, cuMemsetD16_v2, (CUdeviceptr a, unsigned short b, size_t c), (a, b, c))
W(cuMemsetD2D16Async_ptsz, cuMemsetD2D16Async,
  (CUdeviceptr a, size_t b, unsigned short c, size_t d, size_t e, CUstream f),
  (a, b, c, d, e, OWN(f)))
W(cuMemsetD2D16_v2_ptds, cuMemsetD2D16_v2,
  (CUdeviceptr a, size_t b, unsigned short c, size_t d, size_t e), (a, b, c, d, e))
W(cuMemsetD2D32Async_ptsz, cuMemsetD2D32Async,
  (CUdeviceptr a, size_t b, unsigned c, size_t d, size_t e, CUstream f), (a, b, c, d, e, OWN(f)))
W(cuMemsetD2D32_v2_ptds, cuMemsetD2D32_v2,
  (CUdeviceptr a, size_t b, unsigned c, size_t d, size_t e), (a, b, c, d, e))
W(cuMemsetD2D8Async_ptsz, cuMemsetD2D8Async,
  (CUdeviceptr a, size_t b, unsigned char c, size_t d, size_t e, CUstream f),
  (a, b, c, d, e, OWN(f)))
W(cuMemsetD2D8_v2_ptds, cuMemsetD2D8_v2,
  (CUdeviceptr a, size_t b, unsigned char c, size_t d, size_t e), (a, b, c, d, e))
W(cuMemsetD32Async_ptsz, cuMemsetD32Async, (CUdeviceptr a, unsigned b, size_t c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemsetD32_v2_ptds, cuMemsetD32_v2, (CUdeviceptr a, unsigned b, size_t c), (a, b, c))
W(cuMemsetD8Async_ptsz, cuMemsetD8Async, (CUdeviceptr a, unsigned char b, size_t c, CUstream d),
  (a, b, c, OWN(d)))
W(cuMemsetD8_v2_ptds, cuMemsetD8_v2, (CUdeviceptr a, unsigned char b, size_t c), (a, b, c))
W(cuStreamAddCallback_ptsz, cuStreamAddCallback,
  (CUstream a, CUstreamCallback b, void *c, unsigned d), (OWN(a), b, c, d))
W(cuStreamAttachMemAsync_ptsz, cuStreamAttachMemAsync,
  (CUstream a, CUdeviceptr b, size_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamBatchMemOp_ptsz, cuStreamBatchMemOp,
  (CUstream a, unsigned b, CUstreamBatchMemOpParams *c, unsigned d), (OWN(a), b, c, d))
W(cuStreamBatchMemOp_v2_ptsz, cuStreamBatchMemOp_v2,
  (CUstream a, unsigned b, CUstreamBatchMemOpParams *c, unsigned d), (OWN(a), b, c, d))
W(cuStreamBeginCaptureToGraph_ptsz, cuStreamBeginCaptureToGraph,
  (CUstream a, CUgraph b, const CUgraphNode *c, const CUgraphEdgeData *d, size_t e,
  CUstreamCaptureMode f), (OWN(a), b, c, d, e, f))
W(cuStreamBeginCapture_ptsz, cuStreamBeginCapture, (CUstream a), (OWN(a)))
W(cuStreamBeginCapture_v2_ptsz, cuStreamBeginCapture_v2, (CUstream a, CUstreamCaptureMode b),
  (OWN(a), b))
W(cuStreamCopyAttributes_ptsz, cuStreamCopyAttributes, (CUstream a, CUstream b), (OWN(a), OWN(b)))
W(cuStreamEndCapture_ptsz, cuStreamEndCapture, (CUstream a, CUgraph *b), (OWN(a), b))
W(cuStreamGetAttribute_ptsz, cuStreamGetAttribute,
  (CUstream a, CUstreamAttrID b, CUstreamAttrValue *c), (OWN(a), b, c))
W(cuStreamGetCaptureInfo_ptsz, cuStreamGetCaptureInfo,
  (CUstream a, CUstreamCaptureStatus *b, cuuint64_t *c), (OWN(a), b, c))
W(cuStreamGetCaptureInfo_v2_ptsz, cuStreamGetCaptureInfo_v2,
  (CUstream a, CUstreamCaptureStatus *b, cuuint64_t *c, CUgraph *d, const CUgraphNode **e,
  size_t *f), (OWN(a), b, c, d, e, f))
W(cuStreamGetCaptureInfo_v3_ptsz, cuStreamGetCaptureInfo_v3,
  (CUstream a, CUstreamCaptureStatus *b, cuuint64_t *c, CUgraph *d, const CUgraphNode **e,
  const CUgraphEdgeData **f, size_t *g), (OWN(a), b, c, d, e, f, g))
W(cuStreamGetCtx_ptsz, cuStreamGetCtx, (CUstream a, CUcontext *b), (OWN(a), b))
W(cuStreamGetCtx_v2_ptsz, cuStreamGetCtx_v2, (CUstream a, CUcontext *b, CUgreenCtx *c),
  (OWN(a), b, c))
W(cuStreamGetDevice_ptsz, cuStreamGetDevice, (CUstream a, CUdevice *b), (OWN(a), b))
W(cuStreamGetFlags_ptsz, cuStreamGetFlags, (CUstream a, unsigned *b), (OWN(a), b))
W(cuStreamGetId_ptsz, cuStreamGetId, (CUstream a, unsigned long long *b), (OWN(a), b))
W(cuStreamGetPriority_ptsz, cuStreamGetPriority, (CUstream a, int *b), (OWN(a), b))
W(cuStreamIsCapturing_ptsz, cuStreamIsCapturing, (CUstream a, CUstreamCaptureStatus *b),
  (OWN(a), b))
W(cuStreamQuery_ptsz, cuStreamQuery, (CUstream a), (OWN(a)))
W(cuStreamSetAttribute_ptsz, cuStreamSetAttribute,
  (CUstream a, CUstreamAttrID b, const CUstreamAttrValue *c), (OWN(a), b, c))
W(cuStreamSynchronize_ptsz, cuStreamSynchronize, (CUstream a), (OWN(a)))
W(cuStreamUpdateCaptureDependencies_ptsz, cuStreamUpdateCaptureDependencies,
  (CUstream a, CUgraphNode *b, size_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamUpdateCaptureDependencies_v2_ptsz, cuStreamUpdateCaptureDependencies_v2,
  (CUstream a, CUgraphNode *b, const CUgraphEdgeData *c, size_t d, unsigned e),
  (OWN(a), b, c, d, e))
W(cuStreamWaitEvent_ptsz, cuStreamWaitEvent, (CUstream a, CUevent b, unsigned c), (OWN(a), b, c))
W(cuStreamWaitValue32_ptsz, cuStreamWaitValue32,
  (CUstream a, CUdeviceptr b, cuuint32_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWaitValue32_v2_ptsz, cuStreamWaitValue32_v2,
  (CUstream a, CUdeviceptr b, cuuint32_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWaitValue64_ptsz, cuStreamWaitValue64,
  (CUstream a, CUdeviceptr b, cuuint64_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWaitValue64_v2_ptsz, cuStreamWaitValue64_v2,
  (CUstream a, CUdeviceptr b, cuuint64_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWriteValue32_ptsz, cuStreamWriteValue32,
  (CUstream a, CUdeviceptr b, cuuint32_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWriteValue32_v2_ptsz, cuStreamWriteValue32_v2,
  (CUstream a, CUdeviceptr b, cuuint32_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWriteValue64_ptsz, cuStreamWriteValue64,
  (CUstream a, CUdeviceptr b, cuuint64_t c, unsigned d), (OWN(a), b, c, d))
W(cuStreamWriteValue64_v2_ptsz, cuStreamWriteValue64_v2,
  (CUstream a, CUdeviceptr b, cuuint64_t c, unsigned d), (OWN(a), b, c, d))

CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    CUlaunchConfig own = *c;
    own.hStream = OWN(c->hStream);
    return cuLaunchKernelEx(&own, f, params, extra);
}
