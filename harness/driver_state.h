/* What the files of the driver's interface share: the symbols that were found, the state of an open
 * device, and failures in words. Only for driver.c and driver_*.c, which alone see <cuda.h>. */
#ifndef HARNESS_DRIVER_STATE_H
#define HARNESS_DRIVER_STATE_H

#include "harness/driver.h"

#include "base/mem.h"
#include "harness/ptx/cuda/ws_engine.h"

#include <cuda.h>

/* member, symbol of libcuda, whether a driver may lack it. The symbols are those that every driver
 * since CUDA 12 exports with these signatures. */
#define SYMBOL_LIST(X)                                                                             \
    X(init, cuInit, false)                                                                         \
    X(driver_version, cuDriverGetVersion, false)                                                   \
    X(error_name, cuGetErrorName, false)                                                           \
    X(error_string, cuGetErrorString, false)                                                       \
    X(device_count, cuDeviceGetCount, false)                                                       \
    X(device_get, cuDeviceGet, false)                                                              \
    X(device_name, cuDeviceGetName, false)                                                         \
    X(device_attribute, cuDeviceGetAttribute, false)                                               \
    X(device_uuid, cuDeviceGetUuid_v2, false)                                                      \
    X(device_memory, cuDeviceTotalMem_v2, false)                                                   \
    X(ctx_retain, cuDevicePrimaryCtxRetain, false)                                                 \
    X(ctx_release, cuDevicePrimaryCtxRelease_v2, false)                                            \
    X(ctx_set, cuCtxSetCurrent, false)                                                             \
    X(ctx_limit, cuCtxSetLimit, false)                                                             \
    X(ctx_synchronize, cuCtxSynchronize, false)                                                    \
    X(module_load, cuModuleLoadDataEx, false)                                                      \
    X(module_unload, cuModuleUnload, false)                                                        \
    X(module_function, cuModuleGetFunction, false)                                                 \
    X(function_set, cuFuncSetAttribute, false)                                                     \
    X(alloc, cuMemAlloc_v2, false)                                                                 \
    X(release, cuMemFree_v2, false)                                                                \
    X(map_granularity, cuMemGetAllocationGranularity, true)                                        \
    X(map_reserve, cuMemAddressReserve, true)                                                      \
    X(map_unreserve, cuMemAddressFree, true)                                                       \
    X(map_create, cuMemCreate, true)                                                               \
    X(map_release, cuMemRelease, true)                                                             \
    X(map_map, cuMemMap, true)                                                                     \
    X(map_unmap, cuMemUnmap, true)                                                                 \
    X(map_access, cuMemSetAccess, true)                                                            \
    X(to_device, cuMemcpyHtoD_v2, false)                                                           \
    X(to_host, cuMemcpyDtoH_v2, false)                                                             \
    X(fill, cuMemsetD8_v2, false)                                                                  \
    X(launch, cuLaunchKernel, false)                                                               \
    X(launch_ex, cuLaunchKernelEx, false)                                                          \
    X(host_alloc, cuMemHostAlloc, false)                                                           \
    X(host_address, cuMemHostGetDevicePointer_v2, false)                                           \
    X(host_free, cuMemFreeHost, false)                                                             \
    X(reset_persisting, cuCtxResetPersistingL2Cache, true)                                         \
    X(event_create, cuEventCreate, false)                                                          \
    X(event_destroy, cuEventDestroy_v2, false)                                                     \
    X(event_record, cuEventRecord, false)                                                          \
    X(event_synchronize, cuEventSynchronize, false)                                                \
    X(event_elapsed, cuEventElapsedTime, false)                                                    \
    X(tensor_tiled, cuTensorMapEncodeTiled, true)                                                  \
    X(tensor_im2col, cuTensorMapEncodeIm2col, true)                                                \
    X(engine_configure, wsEngineConfigure, true)                                                   \
    X(engine_name, wsEngineNameBuffer, true)                                                       \
    X(engine_mark, wsEngineMarkUninitialized, true)                                                \
    X(engine_protect, wsEngineProtect, true)                                                       \
    X(engine_hold, wsEngineHold, true)                                                             \
    X(engine_carve, wsEngineCarve, true)                                                           \
    X(engine_written, wsEngineWritten, true)                                                       \
    X(engine_variable, wsEngineVariable, true)                                                     \
    X(engine_restart, wsEngineRestart, true)                                                       \
    X(engine_clock, wsEngineClock, true)                                                           \
    X(engine_hz, wsEngineClockHz, true)                                                            \
    X(engine_report, wsEngineReport, true)                                                         \
    X(engine_printf, wsEnginePrintf, true)                                                         \
    X(engine_detail, wsEngineErrorDetail, true)

#undef cuEventElapsedTime /* the first version, whose signature the second one shares */
CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end);

typedef struct symbols {
#define X(member, symbol, optional) __typeof__(&symbol) member;
    SYMBOL_LIST(X)
#undef X
} symbols;

struct cu_device {
    void *library; /* never dlclose'd: libcuda has threads of its own */
    symbols cu;
    CUdevice device;
    CUcontext context;
    CUevent start, end;
    hx_reason reason;
    int capability, version;
    char name[128];
};

struct cu_module {
    CUmodule module;
};

struct cu_event {
    CUevent event;
};

/* The call's status, with the failure described in err: "cuMemAlloc_v2: out of memory
 * (CUDA_ERROR_OUT_OF_MEMORY)", or on the engine its own sentence. */
#define TRY(d, member, err, ...)                                                                   \
    cu_try((d), (d)->cu.member(__VA_ARGS__), offsetof(symbols, member), (err))
ws_status cu_try(cu_device *d, CUresult r, size_t offset, ws_err *err) WS_MUST_CHECK;

#endif
