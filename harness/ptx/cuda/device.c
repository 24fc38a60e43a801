/* The devices and their attributes. */
#include "harness/ptx/cuda/internal.h"

#include "base/mem.h"
#include "harness/ptx/ops.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char device_name[] = "Warpsmith CPU engine";

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

/* Whether a program found the library in place of NVIDIA's. */
static bool stands_in(void)
{
    Dl_info own;
    const char *path = dladdr((const void *)&fac, &own) ? own.dli_fname : NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;
    return path && strncmp(slash ? slash + 1 : path, "libcuda.so", 10) == 0;
}

/* What is a fault to a GPU is one here: addresses outside allocations (which are whole granules to a
 * program that knows nothing of us), misaligned ones, traps. WARPSMITH_ENGINE_CHECK=bounds,init,race
 * (or all) adds addresses outside of what was asked for, reads of what nobody wrote, and races. */
static void choose_checks(ptx_options *o)
{
    const char *wanted = getenv("WARPSMITH_ENGINE_CHECK");
    const bool all = wanted && strstr(wanted, "all");
    o->check_init = all || (wanted && strstr(wanted, "init"));
    o->check_race = all || (wanted && strstr(wanted, "race"));
    fac.exact = !stands_in() || all || (wanted && strstr(wanted, "bounds")) || fac_monitor_is_on();
    o->count = false;
}

static size_t host_memory(int pages)
{
    long n = sysconf(pages), size = sysconf(_SC_PAGESIZE);
    return n > 0 && size > 0 ? (size_t)n * (size_t)size : (size_t)1 << 30;
}

/* Programs choose their sizes by a device's memory: one that a CPU gets through is shown to those
 * that know nothing of us. WARPSMITH_ENGINE_MEMORY=8G says how much there is. */
static size_t choose_memory(void)
{
    const char *wanted = getenv("WARPSMITH_ENGINE_MEMORY");
    const size_t host = host_memory(_SC_PHYS_PAGES);
    char *end = NULL;
    size_t n = wanted ? (size_t)strtoull(wanted, &end, 10) : 0;
    const int shift = !end ? 0 : *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    n = n > SIZE_MAX >> shift ? SIZE_MAX : n << shift;
    if (!n)
        n = stands_in() ? (size_t)4 << 30 : host;
    return n < host ? n : host;
}

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
        choose_checks(&fac.options);
        fac.memory_bytes = choose_memory();
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

bool fac_is_device(CUdevice dev)
{
    return dev >= 0 && dev < n_devices;
}

static CUresult check_device(CUdevice dev)
{
    return fac_is_device(dev)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_DEVICE, "there is no device %d", dev);
}

CUresult cuDeviceGetCount(int *out)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = n_devices;
    return fac_leave(r);
}

CUresult cuDeviceGet(CUdevice *out, int ordinal)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(ordinal)))
        *out = ordinal;
    return fac_leave(r);
}

CUresult cuDeviceGetName(char *name, int n, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && (!name || n <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)))
        snprintf(name, (size_t)n, "%s", device_name);
    return fac_leave(r);
}

CUresult cuDeviceTotalMem_v2(size_t *out, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)))
        *out = fac.memory_bytes;
    return fac_leave(r);
}

CUresult cuMemGetInfo_v2(size_t *available, size_t *total)
{
    CUresult r = fac_enter();
    if (!r && (!available || !total))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        const size_t host = host_memory(_SC_AVPHYS_PAGES);
        const size_t left = fac.memory_bytes - fac.used_bytes;
        *available = host < left ? host : left;
        *total = fac.memory_bytes;
    }
    return fac_leave(r);
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !uuid)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev))) {
        unsigned char bytes[16];
        device_uuid(visible[dev], bytes);
        memcpy(uuid->bytes, bytes, sizeof uuid->bytes);
    }
    return fac_leave(r);
}

CUresult cuDeviceGetPCIBusId(char *out, int n, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && (!out || n <= 0))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)))
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
    X(CLUSTER_LAUNCH, 1)                                                                           \
    X(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, FAC_SHARED_OPTIN)                                         \
    X(MAX_BLOCKS_PER_MULTIPROCESSOR, FAC_BLOCKS_PER_SM)                                            \
    X(RESERVED_SHARED_MEMORY_PER_BLOCK, FAC_SHARED_RESERVED)                                       \
    X(VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1)                                                      \
    X(TEXTURE_PITCH_ALIGNMENT, 32)                                                                 \
    X(SURFACE_ALIGNMENT, 512)                                                                      \
    X(GPU_OVERLAP, 1)                                                                              \
    X(COMPUTE_PREEMPTION_SUPPORTED, 1)                                                             \
    X(HOST_NATIVE_ATOMIC_SUPPORTED, 1)                                                             \
    X(SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 2)                                                    \
    X(PAGEABLE_MEMORY_ACCESS, 0)                                                                   \
    X(CAN_USE_STREAM_WAIT_VALUE_NOR_V1, 1)                                                         \
    X(CAN_USE_64_BIT_STREAM_MEM_OPS_V1, 1)                                                         \
    X(CAN_FLUSH_REMOTE_WRITES, 1)                                                                  \
    X(HOST_REGISTER_SUPPORTED, 1)                                                                  \
    X(MEMORY_POOLS_SUPPORTED, 1)                                                                   \
    X(TENSOR_MAP_ACCESS_SUPPORTED, 1)                                                              \
    X(UNIFIED_FUNCTION_POINTERS, 1)                                                                \
    X(MAX_PERSISTING_L2_CACHE_SIZE, 0)                                                             \
    X(DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED, 0)

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

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
    CUresult r = cuDeviceGetAttribute(major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, dev);
    return r ? r : cuDeviceGetAttribute(minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, dev);
}

CUresult cuDeviceGetProperties(CUdevprop *out, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)))
        *out = (CUdevprop){
            .maxThreadsPerBlock = FAC_MAX_THREADS,
            .maxThreadsDim = {FAC_MAX_THREADS, FAC_MAX_THREADS, FAC_MAX_BLOCK_Z},
            .maxGridSize = {INT_MAX, FAC_MAX_GRID_YZ, FAC_MAX_GRID_YZ},
            .sharedMemPerBlock = FAC_SHARED_DEFAULT,
            .totalConstantMemory = 65536,
            .SIMDWidth = 32,
            .memPitch = INT_MAX,
            .regsPerBlock = 65536,
            .clockRate = 1000000,
            .textureAlign = 512};
    return fac_leave(r);
}

/* A name of the device in Direct3D: it has none there, and is itself in every group of them. */
CUresult cuDeviceGetLuid(char *luid, unsigned *mask, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && (!luid || !mask))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev))) {
        unsigned char uuid[16];
        device_uuid(visible[dev], uuid);
        memcpy(luid, uuid + 8, 8);
        *mask = 1;
    }
    return fac_leave(r);
}

CUresult cuDeviceGetByPCIBusId(CUdevice *out, const char *id)
{
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    CUresult r = fac_enter_device();
    if (!r && (!out || !id))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3 &&
        (domain = 0, sscanf(id, "%x:%x.%x", &bus, &slot, &function)) < 2)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "'%s' is not of the form 0000:00:00.0", id);
    int dev = 0;
    while (!r && dev < n_devices && (domain || slot || function || (int)bus != visible[dev]))
        dev++;
    if (!r && dev == n_devices)
        r = fac_fail(CUDA_ERROR_INVALID_DEVICE, "there is no device at '%s'", id);
    if (!r)
        *out = dev;
    return fac_leave(r);
}

/* ---- of several devices: they share one memory ---- */

CUresult cuDeviceCanAccessPeer(int *out, CUdevice dev, CUdevice peer)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)) && !(r = check_device(peer)))
        *out = dev != peer;
    return fac_leave(r);
}

CUresult cuDeviceGetP2PAttribute(int *out, CUdevice_P2PAttribute id, CUdevice dev, CUdevice peer)
{
    CUresult r = fac_enter_device();
    if (!r && (!out || dev == peer || id < CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK ||
               id > CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)) && !(r = check_device(peer)))
        *out = id == CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED ||
               id == CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
    return fac_leave(r);
}

CUresult cuDeviceGetExecAffinitySupport(int *out, CUexecAffinityType type, CUdevice dev)
{
    (void)type;
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev)))
        *out = 0;
    return fac_leave(r);
}

CUresult cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget target,
                                    CUflushGPUDirectRDMAWritesScope scope)
{
    (void)target, (void)scope;
    return fac_leave(fac_enter());
}

int fac_blocks_per_sm(uint64_t threads, uint64_t shared_bytes)
{
    uint64_t warps = (threads + 31) / 32;
    uint64_t by_threads = warps ? FAC_THREADS_PER_SM / 32 / warps : FAC_BLOCKS_PER_SM;
    uint64_t by_shared = FAC_SHARED_PER_SM / (shared_bytes + FAC_SHARED_RESERVED);
    uint64_t n = by_threads < by_shared ? by_threads : by_shared;
    return n < FAC_BLOCKS_PER_SM ? (int)n : FAC_BLOCKS_PER_SM;
}
