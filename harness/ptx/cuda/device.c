/* The device, its attributes, and contexts. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/ops.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CONTEXT_STACK = 16 };
static const char device_name[] = "Warpsmith CPU engine";

/* cuda.h declares each under the name that its own version prefers only. */
CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice dev);
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev);
#undef cuDeviceGetUuid
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev);

/* Each thread's stack of current contexts. */
static _Thread_local CUcontext stack[MAX_CONTEXT_STACK];
static _Thread_local int depth;

CUresult fac_enter(void)
{
    CUresult r = fac_enter_device();
    if (r)
        return r;
    if (!depth || !stack[depth - 1])
        return fac_fail(CUDA_ERROR_INVALID_CONTEXT, "no context is current to this thread");
    return fac.sticky ? fac_fail(fac.sticky, "an earlier kernel failed") : CUDA_SUCCESS;
}

/* ---- which devices ---- */

static int visible[FAC_MAX_DEVICES], n_devices; /* visible[d]: number of device d in the machine */

static void device_uuid(int number, unsigned char out[16])
{
    memcpy(out, "warpsmith-engine", 16);
    out[15] = (unsigned char)(out[15] + number);
}

/* The number that an entry of CUDA_VISIBLE_DEVICES means: itself, or the beginning of a UUID behind
 * a word ("GPU-7761"); -1: none. */
static int device_of_entry(const char *entry, int count)
{
    char *end, text[33];
    const long n = strtol(entry, &end, 10);
    if (end != entry && !*end)
        return n >= 0 && n < count ? (int)n : -1;
    const char *dash = strchr(entry, '-');
    for (int k = 0; dash && dash[1] && k < count; k++) {
        unsigned char uuid[16];
        const char *p = dash + 1;
        device_uuid(k, uuid);
        for (int i = 0; i < 16; i++)
            snprintf(text + 2 * i, 3, "%02x", uuid[i]);
        for (int i = 0; *p && i < 32 && (*p == '-' || *p == text[i]); p++)
            i += *p != '-';
        if (!*p)
            return k;
    }
    return -1;
}

/* As libcuda does: the devices of the list up to the first entry that is none. */
static void find_devices(void)
{
    const char *asked = getenv("WARPSMITH_ENGINE_DEVICES"), *list = getenv("CUDA_VISIBLE_DEVICES");
    const int wanted = asked ? atoi(asked) : 1;
    const int count = wanted < 1 ? 1 : wanted > FAC_MAX_DEVICES ? FAC_MAX_DEVICES : wanted;
    n_devices = 0;
    if (!asked || !list) {
        for (; n_devices < count; n_devices++)
            visible[n_devices] = n_devices;
    } else {
        char copy[1024], *rest = NULL;
        snprintf(copy, sizeof copy, "%s", list);
        for (char *e = strtok_r(copy, ",", &rest); e && n_devices < FAC_MAX_DEVICES;
             e = strtok_r(NULL, ",", &rest)) {
            const int k = device_of_entry(e, count);
            if (k < 0)
                break;
            visible[n_devices++] = k;
        }
    }
    for (int d = 0; d < FAC_MAX_DEVICES; d++)
        fac.primary[d].device = d;
}

/* ---- initialisation ---- */

CUresult cuInit(unsigned flags)
{
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fac.lock);
    if (!fac.initialised) {
        int n;
        ptx_forms(&n); /* the tables are made once, before a server forks */
        find_devices();
        fac.mem = ptx_memory_new();
        fac.options = PTX_OPTIONS_CHECKED;
        fac.options.max_warp_insns = 0; /* a program of its own decides how long it runs */
        fac_monitor_begin(&fac.options);
        fac.report.ok = true;
        fac.initialised = true;
    }
    return fac_leave(CUDA_SUCCESS);
}

CUresult cuDriverGetVersion(int *out)
{
    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    *out = CUDA_VERSION;
    return CUDA_SUCCESS;
}

/* ---- the device ---- */

static CUresult check_device(CUdevice dev)
{
    return dev >= 0 && dev < n_devices
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_DEVICE, "there is no device %d", dev);
}

CUresult cuDeviceGetCount(int *out)
{
    CUresult r = fac_enter_device();
    if (!r)
        *out = n_devices;
    return fac_leave(r);
}

CUresult cuDeviceGet(CUdevice *out, int ordinal)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(ordinal)))
        *out = ordinal;
    return fac_leave(r);
}

CUresult cuDeviceGetName(char *name, int n, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)) && n > 0)
        snprintf(name, (size_t)n, "%s", device_name);
    return fac_leave(r);
}

static size_t host_memory(int pages)
{
    long n = sysconf(pages), size = sysconf(_SC_PAGESIZE);
    return n > 0 && size > 0 ? (size_t)n * (size_t)size : (size_t)1 << 30;
}

CUresult cuDeviceTotalMem(size_t *out, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)))
        *out = host_memory(_SC_PHYS_PAGES);
    return fac_leave(r);
}

CUresult cuMemGetInfo(size_t *available, size_t *total)
{
    CUresult r = fac_enter();
    if (!r) {
        *available = host_memory(_SC_AVPHYS_PAGES);
        *total = host_memory(_SC_PHYS_PAGES);
    }
    return fac_leave(r);
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        unsigned char bytes[16];
        device_uuid(visible[dev], bytes);
        memcpy(uuid->bytes, bytes, sizeof uuid->bytes);
    }
    return fac_leave(r);
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
    return cuDeviceGetUuid_v2(uuid, dev);
}

CUresult cuDeviceGetPCIBusId(char *out, int n, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)) && n > 0)
        snprintf(out, (size_t)n, "0000:%02x:00.0", visible[dev]);
    return fac_leave(r);
}

/* attribute, value; those that are 0 on a device without the feature are left out. */
#define ATTRIBUTE_LIST(X)                                                                          \
    X(MAX_THREADS_PER_BLOCK, FAC_MAX_THREADS)                                                      \
    X(MAX_BLOCK_DIM_X, FAC_MAX_THREADS)                                                            \
    X(MAX_BLOCK_DIM_Y, FAC_MAX_THREADS)                                                            \
    X(MAX_BLOCK_DIM_Z, FAC_MAX_BLOCK_Z)                                                            \
    X(MAX_GRID_DIM_X, INT_MAX)                                                                     \
    X(MAX_GRID_DIM_Y, FAC_MAX_GRID_YZ)                                                             \
    X(MAX_GRID_DIM_Z, FAC_MAX_GRID_YZ)                                                             \
    X(MAX_SHARED_MEMORY_PER_BLOCK, FAC_SHARED_DEFAULT)                                             \
    X(TOTAL_CONSTANT_MEMORY, 65536)                                                                \
    X(WARP_SIZE, 32)                                                                               \
    X(MAX_PITCH, INT_MAX)                                                                          \
    X(MAX_REGISTERS_PER_BLOCK, 65536)                                                              \
    X(CLOCK_RATE, 1000000)                                                                         \
    X(TEXTURE_ALIGNMENT, 512)                                                                      \
    X(MULTIPROCESSOR_COUNT, FAC_SMS)                                                               \
    X(CAN_MAP_HOST_MEMORY, 1)                                                                      \
    X(CONCURRENT_KERNELS, 1)                                                                       \
    X(MEMORY_CLOCK_RATE, 1000000)                                                                  \
    X(GLOBAL_MEMORY_BUS_WIDTH, 64)                                                                 \
    X(L2_CACHE_SIZE, 50 << 20)                                                                     \
    X(MAX_THREADS_PER_MULTIPROCESSOR, FAC_THREADS_PER_SM)                                          \
    X(ASYNC_ENGINE_COUNT, 1)                                                                       \
    X(UNIFIED_ADDRESSING, 1)                                                                       \
    X(COMPUTE_CAPABILITY_MAJOR, 9)                                                                 \
    X(COMPUTE_CAPABILITY_MINOR, 0)                                                                 \
    X(STREAM_PRIORITIES_SUPPORTED, 1)                                                              \
    X(GLOBAL_L1_CACHE_SUPPORTED, 1)                                                                \
    X(LOCAL_L1_CACHE_SUPPORTED, 1)                                                                 \
    X(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, FAC_SHARED_PER_SM)                                     \
    X(MAX_REGISTERS_PER_MULTIPROCESSOR, 65536)                                                     \
    X(MANAGED_MEMORY, 1)                                                                           \
    X(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 0)                                                  \
    X(COOPERATIVE_LAUNCH, 1)                                                                       \
    X(CLUSTER_LAUNCH, 1) X(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, FAC_SHARED_OPTIN)                    \
        X(MAX_BLOCKS_PER_MULTIPROCESSOR, FAC_BLOCKS_PER_SM)                                        \
            X(RESERVED_SHARED_MEMORY_PER_BLOCK, FAC_SHARED_RESERVED)                               \
                X(VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1)

CUresult cuDeviceGetAttribute(int *out, CUdevice_attribute attribute, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = check_device(dev);
    if (!r && (!out || attribute <= 0 || attribute >= CU_DEVICE_ATTRIBUTE_MAX))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        switch ((int)attribute) {
#define X(name, value)                                                                             \
    case CU_DEVICE_ATTRIBUTE_##name:                                                               \
        *out = (value);                                                                            \
        break;
            ATTRIBUTE_LIST(X)
#undef X
        default:
            *out = 0;
        }
    }
    return fac_leave(r);
}

CUresult cuDeviceCanAccessPeer(int *out, CUdevice dev, CUdevice peer)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)) && !(r = check_device(peer)))
        *out = 0;
    return fac_leave(r);
}

int fac_blocks_per_sm(uint64_t threads, uint64_t shared_bytes)
{
    uint64_t warps = (threads + 31) / 32;
    uint64_t by_threads = warps ? FAC_THREADS_PER_SM / 32 / warps : FAC_BLOCKS_PER_SM;
    uint64_t by_shared = FAC_SHARED_PER_SM / (shared_bytes + FAC_SHARED_RESERVED);
    uint64_t n = by_threads < by_shared ? by_threads : by_shared;
    return n < FAC_BLOCKS_PER_SM ? (int)n : FAC_BLOCKS_PER_SM;
}

/* ---- contexts ---- */

static CUresult push(CUcontext c)
{
    if (depth == MAX_CONTEXT_STACK)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "more than %d contexts pushed",
                        MAX_CONTEXT_STACK);
    stack[depth++] = c;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        fac.primary_refs[dev]++;
        *out = &fac.primary[dev];
    }
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxRelease(CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        if (!fac.primary_refs[dev])
            r = CUDA_ERROR_INVALID_CONTEXT;
        else if (!--fac.primary_refs[dev])
            fac_reset();
    }
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxReset(CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)))
        fac_reset();
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned flags)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev)))
        fac.primary[dev].flags = flags;
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned *flags, int *active)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        *flags = fac.primary[dev].flags;
        *active = fac.primary_refs[dev] > 0;
    }
    return fac_leave(r);
}

CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        CUcontext c = ws_calloc(1, sizeof *c);
        c->device = dev;
        c->flags = flags;
        if ((r = push(c)))
            free(c);
        else
            *out = c;
    }
    return fac_leave(r);
}

#if CUDA_VERSION >= 13000
CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *params, unsigned flags, CUdevice dev)
{
    (void)params; /* execution affinity: there is one device to run on */
    return cuCtxCreate_v2(out, flags, dev);
}
#endif

CUresult cuCtxDestroy(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r && (!c || c == &fac.primary[c->device]))
        r = CUDA_ERROR_INVALID_CONTEXT;
    if (!r) {
        for (int i = depth - 1; i >= 0; i--)
            if (stack[i] == c)
                memmove(&stack[i], &stack[i + 1], (size_t)(--depth - i) * sizeof stack[0]);
        free(c);
    }
    return fac_leave(r);
}

CUresult cuCtxPushCurrent(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = c ? push(c) : CUDA_ERROR_INVALID_CONTEXT;
    return fac_leave(r);
}

CUresult cuCtxPopCurrent(CUcontext *out)
{
    CUresult r = fac_enter_device();
    if (!r && !depth)
        r = CUDA_ERROR_INVALID_CONTEXT;
    if (!r) {
        depth--;
        if (out)
            *out = stack[depth];
    }
    return fac_leave(r);
}

CUresult cuCtxSetCurrent(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r) {
        depth -= depth > 0;
        r = c ? push(c) : CUDA_SUCCESS;
    }
    return fac_leave(r);
}

CUresult cuCtxGetCurrent(CUcontext *out)
{
    CUresult r = fac_enter_device();
    if (!r)
        *out = depth ? stack[depth - 1] : NULL;
    return fac_leave(r);
}

CUresult cuCtxGetDevice(CUdevice *out)
{
    CUresult r = fac_enter();
    if (!r)
        *out = stack[depth - 1]->device;
    return fac_leave(r);
}

CUresult cuCtxGetFlags(unsigned *out)
{
    CUresult r = fac_enter();
    if (!r)
        *out = stack[depth - 1]->flags;
    return fac_leave(r);
}

CUresult cuCtxGetApiVersion(CUcontext c, unsigned *out)
{
    (void)c;
    *out = 3020; /* what libcuda answers since CUDA 3.2 */
    return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t *out, CUlimit limit)
{
    CUresult r = fac_enter();
    if (!r && (unsigned)limit >= CU_LIMIT_MAX)
        r = CUDA_ERROR_UNSUPPORTED_LIMIT;
    if (!r)
        *out = stack[depth - 1]->limit[limit];
    return fac_leave(r);
}

/* Remembered alone: the engine's stacks and printf buffer grow as they are used. */
CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
    CUresult r = fac_enter();
    if (!r && (unsigned)limit >= CU_LIMIT_MAX)
        r = CUDA_ERROR_UNSUPPORTED_LIMIT;
    if (!r)
        stack[depth - 1]->limit[limit] = value;
    return fac_leave(r);
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config)
{
    (void)config;
    return fac_leave(fac_enter());
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    CUresult r = fac_enter();
    if (!r && least)
        *least = 0;
    if (!r && greatest)
        *greatest = -5;
    return fac_leave(r);
}

CUresult cuCtxResetPersistingL2Cache(void)
{
    return fac_leave(fac_enter());
}
