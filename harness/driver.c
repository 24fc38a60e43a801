#include "harness/driver.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/proc.h"
#include "harness/ptx/cuda/ws_engine.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JIT_LOG_BYTES = 8192 };

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
    X(engine_hold, wsEngineHold, true)                                                             \
    X(engine_carve, wsEngineCarve, true)                                                           \
    X(engine_written, wsEngineWritten, true)                                                       \
    X(engine_variable, wsEngineVariable, true)                                                     \
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

static const ws_symbol rows[] = {
#define X(member, symbol, optional) WS_SYMBOL(symbols, member, symbol, optional),
    SYMBOL_LIST(X)
#undef X
};
const ws_symbols cu_symbols = {"libcuda", rows, WS_COUNT(rows)};

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

/* ---- failures ---- */

static hx_reason reason_of(CUresult r)
{
    switch ((int)r) {
    case CUDA_ERROR_INVALID_VALUE:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
    case CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE:
    case CUDA_ERROR_INVALID_CLUSTER_SIZE:
        return HX_INVALID_LAUNCH;
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_INVALID_SOURCE:
        return HX_PTXAS_ERROR;
    case CUDA_ERROR_NOT_FOUND:
        return HX_PLAN_MISMATCH;
    case CUDA_ERROR_NOT_SUPPORTED:
        return HX_UNSUPPORTED;
    case CUDA_ERROR_ILLEGAL_ADDRESS:
        return HX_OUT_OF_BOUNDS;
    case CUDA_ERROR_MISALIGNED_ADDRESS:
        return HX_MISALIGNED;
    case CUDA_ERROR_ASSERT:
        return HX_ASSERT_FAILED;
    case CUDA_ERROR_LAUNCH_TIMEOUT:
        return HX_ENDLESS;
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
        return HX_ILLEGAL;
    default:
        return HX_PASS;
    }
}

static ws_status status_of(CUresult r)
{
    hx_reason reason = reason_of(r);
    return r == CUDA_ERROR_OUT_OF_MEMORY ? WS_ELIMIT : reason == HX_PASS ? WS_EENV : WS_EINPUT;
}

/* "cuMemAlloc_v2: out of memory (CUDA_ERROR_OUT_OF_MEMORY)", or on the engine its own sentence. */
static ws_status fail(cu_device *d, CUresult r, const char *call, ws_err *err)
{
    const char *name = NULL, *text = NULL;
    char detail[512] = "";
    d->reason = reason_of(r);
    if (d->cu.engine_detail)
        d->cu.engine_detail(detail, sizeof detail);
    d->cu.error_name(r, &name);
    d->cu.error_string(r, &text);
    if (detail[0])
        return ws_fail(err, status_of(r), "%s: %s", name ? name : call, detail);
    return ws_fail(err, status_of(r), "%s: %s (%s)", call, text ? text : "unknown error",
                   name ? name : "no name");
}

/* The call's status, with the failure described in err. */
#define TRY(d, member, err, ...)                                                                   \
    try_call((d), (d)->cu.member(__VA_ARGS__), offsetof(symbols, member), (err))

static ws_status try_call(cu_device *d, CUresult r, size_t offset, ws_err *err)
{
    if (r == CUDA_SUCCESS)
        return WS_OK;
    const char *call = "?";
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        if (rows[i].offset == offset)
            call = rows[i].name;
    return fail(d, r, call, err);
}

hx_reason cu_last_reason(const cu_device *d)
{
    return d->reason;
}

/* ---- finding and opening a driver ---- */

static bool find_engine(ws_buf *out)
{
    const char *set = getenv("WARPSMITH_CUDA_DRIVER");
    if (!set || !*set)
        return ws_proc_beside("libwarpsmith-cuda.so", out);
    ws_buf_adds(out, set);
    return true;
}

static ws_status load_symbols(cu_device *d, const char *path, ws_err *err)
{
    if (!(d->library = dlopen(path, RTLD_NOW | RTLD_LOCAL)))
        return ws_fail(err, WS_EENV, "cannot load the CUDA driver: %s", dlerror());
    const char *missing = ws_symbols_take(d->library, &cu_symbols, &d->cu);
    if (missing)
        return ws_fail(err, WS_EENV, "the CUDA driver '%s' is too old: it has no %s", path, missing);
    return WS_OK;
}

static ws_status open_device(cu_device *d, ws_err *err)
{
    int count = 0, major = 0, minor = 0;
    if (TRY(d, init, err, 0) || TRY(d, device_count, err, &count))
        return err->status;
    if (!count)
        return ws_fail(err, WS_EENV, "the CUDA driver sees no device");
    if (TRY(d, device_get, err, &d->device, 0) ||
        TRY(d, device_name, err, d->name, (int)sizeof d->name, d->device) ||
        TRY(d, device_attribute, err, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            d->device) ||
        TRY(d, device_attribute, err, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            d->device) ||
        TRY(d, driver_version, err, &d->version) ||
        TRY(d, ctx_retain, err, &d->context, d->device) || TRY(d, ctx_set, err, d->context))
        return err->status;
    d->capability = 10 * major + minor;
    if (cu_is_engine(d))
        snprintf(d->name, sizeof d->name, "CPU engine");
    return WS_OK;
}

static ws_status open_path(const char *path, cu_device **out, ws_err *err)
{
    cu_device *d = ws_calloc(1, sizeof *d);
    if (load_symbols(d, path, err) || open_device(d, err)) {
        free(d);
        return err->status;
    }
    *out = d;
    return WS_OK;
}

static ws_status open_engine(cu_device **out, ws_err *err)
{
    ws_buf path = {0};
    ws_status st;
    if (!find_engine(&path)) {
        ws_fail(err, WS_EENV, "cannot find the CPU driver 'libwarpsmith-cuda.so'");
        st = ws_hint(err, "run make, or set WARPSMITH_CUDA_DRIVER to its path");
    } else {
        st = open_path(ws_buf_z(&path), out, err);
    }
    ws_buf_release(&path);
    return st;
}

void cu_preload_engine(void)
{
    ws_buf path = {0};
    symbols cu;
    /* Kept; opening it tells of a failure. */
    void *engine = find_engine(&path) ? dlopen(ws_buf_z(&path), RTLD_NOW | RTLD_LOCAL) : NULL;
    if (engine && !ws_symbols_take(engine, &cu_symbols, &cu))
        (void)cu.init(0);
    ws_buf_release(&path);
}

ws_status cu_open(const char *which, cu_device **out, ws_err *err)
{
    const char *set = getenv("WARPSMITH_DEVICE");
    ws_err gpu = {0};
    if (!which)
        which = set && *set ? set : "auto";
    if (strcmp(which, "cpu") == 0)
        return open_engine(out, err);
    if (strcmp(which, "gpu") == 0)
        return open_path("libcuda.so.1", out, err);
    if (strcmp(which, "auto") != 0)
        return ws_fail(err, WS_EUSAGE, "unknown device '%s', expected cpu, gpu or auto", which);
    return open_path("libcuda.so.1", out, &gpu) ? open_engine(out, err) : WS_OK;
}

void cu_close(cu_device *d)
{
    if (!d)
        return;
    if (d->start)
        d->cu.event_destroy(d->start);
    if (d->end)
        d->cu.event_destroy(d->end);
    d->cu.ctx_set(NULL);
    d->cu.ctx_release(d->device);
    free(d);
}

bool cu_is_engine(const cu_device *d)
{
    return d->cu.engine_configure && d->cu.engine_report;
}

const char *cu_name(const cu_device *d)
{
    return d->name;
}

int cu_compute_capability(const cu_device *d)
{
    return d->capability;
}

int cu_driver_version(const cu_device *d)
{
    return d->version;
}

/* ---- which device ---- */

int cu_device_count(cu_device *d)
{
    int n = 0;
    return d->cu.device_count(&n) == CUDA_SUCCESS ? n : 0;
}

static void uuid_text(const char *kind, const CUuuid *u, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "%s", kind);
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%02x",
                              i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                              (unsigned char)u->bytes[i]);
}

ws_status cu_identify(cu_device *d, int i, cu_identity *out, ws_err *err)
{
    CUdevice dev;
    CUuuid uuid;
    size_t memory;
    int major, minor, l2;
    *out = (cu_identity){0};
    if (TRY(d, device_get, err, &dev, i) || TRY(d, device_uuid, err, &uuid, dev) ||
        TRY(d, device_name, err, out->name, (int)sizeof out->name, dev) ||
        TRY(d, device_memory, err, &memory, dev) ||
        TRY(d, device_attribute, err, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, dev) ||
        TRY(d, device_attribute, err, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, dev) ||
        TRY(d, device_attribute, err, &l2, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, dev) ||
        TRY(d, device_attribute, err, &out->sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, dev))
        return err->status;
    out->capability = 10 * major + minor;
    out->l2_bytes = l2;
    out->memory_bytes = (int64_t)memory;
    out->mig = strstr(out->name, " MIG ") != NULL; /* "NVIDIA A100-SXM4-40GB MIG 1g.5gb" */
    uuid_text(cu_is_engine(d) ? "CPU" : out->mig ? "MIG" : "GPU", &uuid, out->uuid,
              sizeof out->uuid);
    return WS_OK;
}

ws_status cu_limit(cu_device *d, size_t printf_bytes, size_t heap_bytes, ws_err *err)
{
    if (TRY(d, ctx_limit, err, CU_LIMIT_PRINTF_FIFO_SIZE, printf_bytes))
        return err->status;
    return TRY(d, ctx_limit, err, CU_LIMIT_MALLOC_HEAP_SIZE, heap_bytes);
}

/* ---- modules ---- */

ws_status cu_module_load(cu_device *d, const void *image, size_t n, cu_module **out, ws_err *err)
{
    char log[JIT_LOG_BYTES] = "";
    CUjit_option option[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *value[] = {log, (void *)(uintptr_t)sizeof log};
    const unsigned char *bytes = image;
    CUmodule m;
    bool elf = n >= 4 && memcmp(bytes, "\x7f" "ELF", 4) == 0;
    if (!n || (!elf && bytes[n - 1] != '\0'))
        return ws_fail(err, WS_EINPUT, "a module is PTX text with its NUL, or a cubin");
    if (TRY(d, module_load, err, &m, image, 2, option, value)) {
        log[sizeof log - 1] = '\0';
        if (log[0] && !cu_is_engine(d))
            ws_fail(err, err->status, "%.900s", log);
        return err->status;
    }
    *out = ws_calloc(1, sizeof **out);
    (*out)->module = m;
    return WS_OK;
}

void cu_module_unload(cu_device *d, cu_module *m)
{
    if (!m)
        return;
    d->cu.module_unload(m->module);
    free(m);
}

/* ---- memory ---- */

ws_status cu_alloc(cu_device *d, size_t bytes, const char *name, uint64_t *out, ws_err *err)
{
    CUdeviceptr p;
    if (TRY(d, alloc, err, &p, bytes ? bytes : 1))
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    if (d->cu.engine_name)
        d->cu.engine_name(p, name);
    *out = (uint64_t)p;
    return WS_OK;
}

void cu_free(cu_device *d, uint64_t ptr)
{
    if (ptr)
        d->cu.release((CUdeviceptr)ptr);
}

ws_status cu_upload(cu_device *d, uint64_t dst, const void *src, size_t n, ws_err *err)
{
    return n ? TRY(d, to_device, err, (CUdeviceptr)dst, src, n) : WS_OK;
}

ws_status cu_download(cu_device *d, void *dst, uint64_t src, size_t n, ws_err *err)
{
    return n ? TRY(d, to_host, err, dst, (CUdeviceptr)src, n) : WS_OK;
}

ws_status cu_fill(cu_device *d, uint64_t dst, unsigned char byte, size_t n, ws_err *err)
{
    return n ? TRY(d, fill, err, (CUdeviceptr)dst, byte, n) : WS_OK;
}

/* ---- mappings ---- */

bool cu_can_map(cu_device *d)
{
    int can = 0;
    return d->cu.map_granularity && d->cu.map_reserve && d->cu.map_unreserve && d->cu.map_create &&
           d->cu.map_release && d->cu.map_map && d->cu.map_unmap && d->cu.map_access &&
           d->cu.device_attribute(&can,
                                  CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                                  d->device) == CUDA_SUCCESS &&
           can;
}

/* The memory at m->ptr, whose range is reserved. */
static ws_status map_memory(cu_device *d, const CUmemAllocationProp *prop, cu_mapping *m,
                            ws_err *err)
{
    const CUmemAccessDesc access = {.location = prop->location,
                                    .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle handle;
    if (TRY(d, map_create, err, &handle, m->bytes, prop, 0))
        return err->status;
    m->handle = handle;
    if (TRY(d, map_map, err, m->ptr, m->bytes, 0, handle, 0)) {
        d->cu.map_release(handle);
        return err->status;
    }
    if (TRY(d, map_access, err, m->ptr, m->bytes, &access, 1)) {
        d->cu.map_unmap(m->ptr, m->bytes);
        d->cu.map_release(handle);
    }
    return err->status;
}

ws_status cu_map(cu_device *d, size_t bytes, const char *name, cu_mapping *out, ws_err *err)
{
    const CUmemAllocationProp prop = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = d->device},
    };
    CUdeviceptr base = 0;
    size_t granule = 0;
    *out = (cu_mapping){0};
    if (TRY(d, map_granularity, err, &granule, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM))
        return err->status;
    if (!granule || bytes > SIZE_MAX / 2)
        return ws_fail(err, WS_ELIMIT, "buffer '%s': %zu bytes cannot be mapped", name, bytes);
    out->granule = granule;
    out->bytes = (bytes + granule - 1) / granule * granule;
    out->bytes = out->bytes ? out->bytes : granule;
    if (TRY(d, map_reserve, err, &base, out->bytes + 2 * granule, 0, 0, 0))
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    out->ptr = base + granule;
    if (map_memory(d, &prop, out, err)) {
        d->cu.map_unreserve(base, out->bytes + 2 * granule);
        return ws_wrap(err, "buffer '%s' of %zu bytes", name, bytes);
    }
    if (d->cu.engine_name)
        d->cu.engine_name(out->ptr, name);
    return WS_OK;
}

void cu_unmap(cu_device *d, const cu_mapping *m)
{
    if (!m->ptr)
        return;
    d->cu.map_unmap(m->ptr, m->bytes);
    d->cu.map_release(m->handle);
    d->cu.map_unreserve(m->ptr - m->granule, m->bytes + 2 * m->granule);
}

/* ---- launches ---- */

/* Static and dynamic shared memory above 48 KiB together has to be allowed per kernel first. */
static ws_status allow_shared(cu_device *d, CUfunction f, const cu_launch_args *l, ws_err *err)
{
    uint32_t most = l->max_shared_bytes > l->shared_bytes ? l->max_shared_bytes : l->shared_bytes;
    if (!most)
        return WS_OK;
    return TRY(d, function_set, err, f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)most);
}

static ws_status launch_ex(cu_device *d, CUfunction f, const cu_launch_args *l, void **extra,
                           ws_err *err)
{
    CUlaunchAttribute attr[2] = {0};
    CUlaunchConfig c = {
        .gridDimX = l->grid[0], .gridDimY = l->grid[1], .gridDimZ = l->grid[2],
        .blockDimX = l->block[0], .blockDimY = l->block[1], .blockDimZ = l->block[2],
        .sharedMemBytes = l->shared_bytes, .attrs = attr,
    };
    if (l->cooperative) {
        attr[c.numAttrs].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
        attr[c.numAttrs++].value.cooperative = 1;
    }
    if (l->cluster[0]) {
        attr[c.numAttrs].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
        attr[c.numAttrs].value.clusterDim.x = l->cluster[0];
        attr[c.numAttrs].value.clusterDim.y = l->cluster[1];
        attr[c.numAttrs++].value.clusterDim.z = l->cluster[2];
    }
    return TRY(d, launch_ex, err, &c, f, NULL, extra);
}

ws_status cu_launch(cu_device *d, cu_module *m, const cu_launch_args *l, ws_err *err)
{
    CUfunction f;
    size_t bytes = l->params_bytes;
    union { /* the interface takes void *; it does not write through it */
        const void *from;
        void *to;
    } params = {l->params};
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, params.to, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                     CU_LAUNCH_PARAM_END};
    if (TRY(d, module_function, err, &f, m->module, l->kernel))
        return ws_wrap(err, "kernel '%s'", l->kernel);
    if (allow_shared(d, f, l, err))
        return err->status;
    if (l->cooperative || l->cluster[0])
        return launch_ex(d, f, l, extra, err);
    return TRY(d, launch, err, f, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1],
               l->block[2], l->shared_bytes, NULL, NULL, extra);
}

ws_status cu_synchronize(cu_device *d, ws_err *err)
{
    return try_call(d, d->cu.ctx_synchronize(), offsetof(symbols, ctx_synchronize), err);
}

/* The driver numbers types and swizzles in an order of its own. */
static const CUtensorMapDataType tensor_types[PTX_TM_TYPES] = {
    [PTX_TM_U8] = CU_TENSOR_MAP_DATA_TYPE_UINT8,
    [PTX_TM_U16] = CU_TENSOR_MAP_DATA_TYPE_UINT16,
    [PTX_TM_U32] = CU_TENSOR_MAP_DATA_TYPE_UINT32,
    [PTX_TM_S32] = CU_TENSOR_MAP_DATA_TYPE_INT32,
    [PTX_TM_U64] = CU_TENSOR_MAP_DATA_TYPE_UINT64,
    [PTX_TM_S64] = CU_TENSOR_MAP_DATA_TYPE_INT64,
    [PTX_TM_F16] = CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
    [PTX_TM_F32] = CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
    [PTX_TM_F32_FTZ] = CU_TENSOR_MAP_DATA_TYPE_FLOAT32_FTZ,
    [PTX_TM_F64] = CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
    [PTX_TM_BF16] = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
    [PTX_TM_TF32] = CU_TENSOR_MAP_DATA_TYPE_TFLOAT32,
    [PTX_TM_TF32_FTZ] = CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ,
    [PTX_TM_B4X16] = CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B,
    [PTX_TM_B4X16_P64] = CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN16B,
    [PTX_TM_B6X16_P32] = CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B,
};

static CUtensorMapSwizzle tensor_swizzle(const ptx_tensor_map *m)
{
    static const CUtensorMapSwizzle by_atom[PTX_TM_ATOMS] = {
        [PTX_TM_ATOM_16] = CU_TENSOR_MAP_SWIZZLE_128B,
        [PTX_TM_ATOM_32] = CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B,
        [PTX_TM_ATOM_32_FLIP] = CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B_FLIP_8B,
        [PTX_TM_ATOM_64] = CU_TENSOR_MAP_SWIZZLE_128B_ATOM_64B,
    };
    return m->swizzle == PTX_TM_SWIZZLE_128 && m->atom < PTX_TM_ATOMS
               ? by_atom[m->atom]
               : (CUtensorMapSwizzle)m->swizzle;
}

ws_status cu_tensor_map(cu_device *d, const ptx_tensor_map *m, void *out, ws_err *err)
{
    cuuint64_t dim[PTX_TM_RANK], stride[PTX_TM_RANK];
    cuuint32_t box[PTX_TM_RANK], step[PTX_TM_RANK];
    int lower[3], upper[3];
    void *address = (void *)(uintptr_t)m->address;
    CUtensorMapDataType type = tensor_types[m->type < PTX_TM_TYPES ? m->type : 0];
    CUtensorMapInterleave interleave = (CUtensorMapInterleave)m->interleave;
    CUtensorMapL2promotion promotion = (CUtensorMapL2promotion)m->promotion;
    CUtensorMapFloatOOBfill fill = (CUtensorMapFloatOOBfill)m->fill;
    if (!d->cu.tensor_tiled || !d->cu.tensor_im2col)
        return ws_fail(err, WS_EENV, "this CUDA driver has no tensor maps");
    for (int k = 0; k < PTX_TM_RANK; k++) {
        dim[k] = m->last[k] + 1ull;
        stride[k] = k < PTX_TM_RANK - 1 ? m->stride[k] : 0;
        box[k] = m->box[k];
        step[k] = m->step[k];
    }
    for (int k = 0; k < 3; k++) {
        lower[k] = m->lower[k];
        upper[k] = m->upper[k];
    }
    if (m->mode == PTX_TM_IM2COL)
        return TRY(d, tensor_im2col, err, out, type, m->rank, address, dim, stride, lower, upper,
                   m->channels, m->pixels, step, interleave, tensor_swizzle(m), promotion, fill);
    return TRY(d, tensor_tiled, err, out, type, m->rank, address, dim, stride, box, step,
               interleave, tensor_swizzle(m), promotion, fill);
}

/* ---- time ---- */

ws_status cu_event_new(cu_device *d, cu_event **out, ws_err *err)
{
    CUevent e;
    if (TRY(d, event_create, err, &e, CU_EVENT_DEFAULT))
        return err->status;
    *out = ws_malloc(sizeof **out);
    (*out)->event = e;
    return WS_OK;
}

void cu_event_free(cu_device *d, cu_event *e)
{
    if (!e)
        return;
    d->cu.event_destroy(e->event);
    free(e);
}

ws_status cu_event_record(cu_device *d, cu_event *e, ws_err *err)
{
    return TRY(d, event_record, err, e->event, NULL);
}

ws_status cu_event_seconds(cu_device *d, const cu_event *from, const cu_event *to, double *out,
                           ws_err *err)
{
    float ms = 0;
    if (TRY(d, event_synchronize, err, to->event) ||
        TRY(d, event_elapsed, err, &ms, from->event, to->event))
        return err->status;
    *out = (double)ms * 1e-3;
    return WS_OK;
}

ws_status cu_time_ms(cu_device *d, ws_status (*body)(void *ud, ws_err *err), void *ud, double *out,
                     ws_err *err)
{
    float ms = 0;
    if ((!d->start && TRY(d, event_create, err, &d->start, CU_EVENT_DEFAULT)) ||
        (!d->end && TRY(d, event_create, err, &d->end, CU_EVENT_DEFAULT)) ||
        TRY(d, event_record, err, d->start, NULL) || body(ud, err) ||
        TRY(d, event_record, err, d->end, NULL) || TRY(d, event_synchronize, err, d->end) ||
        TRY(d, event_elapsed, err, &ms, d->start, d->end))
        return err->status;
    *out = (double)ms;
    return WS_OK;
}

/* ---- the engine ---- */

static void engine_try(int r, const char *call)
{
    if (r)
        ws_bug("%s gave %d", call, r);
}

void cu_engine_configure(cu_device *d, const ptx_options *o)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_configure(o), "wsEngineConfigure");
}

void cu_engine_mark_uninitialized(cu_device *d, uint64_t ptr, size_t bytes)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_mark(ptr, bytes), "wsEngineMarkUninitialized");
}

void cu_engine_hold(cu_device *d, uint64_t ptr, size_t bytes, bool floats)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_hold(ptr, bytes, floats), "wsEngineHold");
}

void cu_engine_carve(cu_device *d, uint64_t ptr, size_t bytes)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_carve(ptr, bytes), "wsEngineCarve");
}

void cu_engine_written(cu_device *d, uint64_t ptr, size_t bytes, uint8_t *written)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_written(ptr, bytes, written), "wsEngineWritten");
}

bool cu_engine_variable(cu_device *d, cu_module *m, int i, cu_variable *out)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    return d->cu.engine_variable(m->module, i, out->name, sizeof out->name, &out->ptr,
                                 &out->bytes) == 0;
}

ws_status cu_engine_clock(cu_device *d, const char *gpu, const tim_noise *noise, uint64_t seed,
                          ws_err *err)
{
    ws_engine_clock c = {.seed = seed};
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    if (!gpu)
        return try_call(d, (CUresult)d->cu.engine_clock(NULL), offsetof(symbols, engine_clock), err);
    snprintf(c.gpu, sizeof c.gpu, "%s", gpu);
    if (noise)
        c.noise = *noise;
    return try_call(d, (CUresult)d->cu.engine_clock(&c), offsetof(symbols, engine_clock), err);
}

double cu_engine_clock_hz(cu_device *d)
{
    double hz = 0;
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_hz(&hz), "wsEngineClockHz");
    return hz;
}

void cu_engine_report(cu_device *d, ptx_report *out)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_report(out), "wsEngineReport");
}

void cu_engine_printf(cu_device *d, char *out, size_t size)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_printf(out, size), "wsEnginePrintf");
}
