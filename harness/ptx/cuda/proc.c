/* cuGetProcAddress: every entry point by its name without a version suffix. */
#include "base/mem.h"

#include <cuda.h>
#include <string.h>

#undef cuGetProcAddress
CUresult cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags);
CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status);

/* cuda.h's macros turn each name into the version that the header prefers. */
#define API_LIST(X)                                                                                \
    X(cuInit) X(cuDriverGetVersion) X(cuGetErrorName) X(cuGetErrorString)                          \
    X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName) X(cuDeviceTotalMem) X(cuDeviceGetUuid)   \
    X(cuDeviceGetPCIBusId) X(cuDeviceGetAttribute) X(cuDeviceCanAccessPeer)                        \
    X(cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease) X(cuDevicePrimaryCtxReset)            \
    X(cuDevicePrimaryCtxSetFlags) X(cuDevicePrimaryCtxGetState)                                    \
    X(cuCtxCreate) X(cuCtxDestroy) X(cuCtxPushCurrent) X(cuCtxPopCurrent) X(cuCtxSetCurrent)       \
    X(cuCtxGetCurrent) X(cuCtxGetDevice) X(cuCtxGetFlags) X(cuCtxGetApiVersion) X(cuCtxGetLimit)   \
    X(cuCtxSetLimit) X(cuCtxSetCacheConfig) X(cuCtxGetStreamPriorityRange) X(cuCtxSynchronize)     \
    X(cuCtxResetPersistingL2Cache)                                                                 \
    X(cuModuleLoad) X(cuModuleLoadData) X(cuModuleLoadDataEx) X(cuModuleLoadFatBinary)             \
    X(cuModuleUnload) X(cuModuleGetLoadingMode) X(cuModuleGetFunction) X(cuModuleGetFunctionCount) \
    X(cuModuleEnumerateFunctions) X(cuModuleGetGlobal)                                             \
    X(cuFuncGetAttribute) X(cuFuncSetAttribute) X(cuFuncSetCacheConfig) X(cuFuncGetModule)         \
    X(cuFuncGetName) X(cuFuncGetParamInfo)                                                         \
    X(cuLibraryLoadData) X(cuLibraryUnload) X(cuLibraryGetModule) X(cuLibraryGetKernel)            \
    X(cuLibraryGetGlobal) X(cuKernelGetFunction) X(cuKernelGetAttribute) X(cuKernelSetAttribute)   \
    X(cuMemAlloc) X(cuMemAllocPitch) X(cuMemFree) X(cuMemAllocAsync) X(cuMemFreeAsync)             \
    X(cuMemAllocManaged) X(cuMemHostAlloc) X(cuMemAllocHost) X(cuMemFreeHost)                      \
    X(cuMemHostGetDevicePointer) X(cuMemGetAddressRange) X(cuMemGetInfo) X(cuPointerGetAttribute)  \
    X(cuMemGetAllocationGranularity) X(cuMemAddressReserve) X(cuMemAddressFree) X(cuMemCreate)     \
    X(cuMemRelease) X(cuMemMap) X(cuMemUnmap) X(cuMemSetAccess)                                    \
    X(cuMemcpy) X(cuMemcpyHtoD) X(cuMemcpyDtoH) X(cuMemcpyDtoD) X(cuMemcpyAsync)                   \
    X(cuMemcpyHtoDAsync) X(cuMemcpyDtoHAsync) X(cuMemcpyDtoDAsync) X(cuMemcpy2D)                   \
    X(cuMemcpy2DAsync) X(cuMemcpy2DUnaligned)                                                      \
    X(cuMemsetD8) X(cuMemsetD16) X(cuMemsetD32) X(cuMemsetD8Async) X(cuMemsetD16Async)             \
    X(cuMemsetD32Async) X(cuMemsetD2D8) X(cuMemsetD2D16) X(cuMemsetD2D32)                          \
    X(cuLaunchKernel) X(cuLaunchKernelEx) X(cuLaunchCooperativeKernel) X(cuLaunchHostFunc)         \
    X(cuTensorMapEncodeTiled) X(cuTensorMapEncodeIm2col) X(cuTensorMapEncodeIm2colWide)            \
    X(cuTensorMapReplaceAddress)                                                                   \
    X(cuStreamCreate) X(cuStreamCreateWithPriority) X(cuStreamDestroy) X(cuStreamSynchronize)      \
    X(cuStreamQuery) X(cuStreamWaitEvent) X(cuStreamGetFlags) X(cuStreamGetPriority)               \
    X(cuStreamIsCapturing) X(cuStreamAddCallback)                                                  \
    X(cuEventCreate) X(cuEventDestroy) X(cuEventRecord) X(cuEventRecordWithFlags) X(cuEventQuery)  \
    X(cuEventSynchronize) X(cuEventElapsedTime)                                                    \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessor)                                                 \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags) X(cuOccupancyMaxPotentialBlockSize) \
    X(cuOccupancyMaxActiveClusters) X(cuOccupancyMaxPotentialClusterSize)

typedef void (*entry)(void);
static const struct {
    const char *name;
    entry fn;
} api[] = {
#define X(name) {#name, (entry)name},
    API_LIST(X)
#undef X
};

CUresult cuGetProcAddress_v2(const char *name, void **out, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status)
{
    (void)version, (void)flags;
    if (!name || !out)
        return CUDA_ERROR_INVALID_VALUE;
    *out = NULL;
    for (size_t i = 0; i < WS_COUNT(api); i++)
        if (strcmp(api[i].name, name) == 0)
            memcpy(out, &api[i].fn, sizeof *out);
    if (strcmp(name, "cuGetProcAddress") == 0) {
        CUresult (*self)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *) =
            cuGetProcAddress_v2;
        memcpy(out, &self, sizeof *out);
    }
    if (status)
        *status = *out ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress(const char *name, void **out, int version, cuuint64_t flags)
{
    return cuGetProcAddress_v2(name, out, version, flags, NULL);
}
