/* Memory pools and what is allocated in the order of a stream. Memory goes back when it is freed: a
 * pool keeps none. */
#include "harness/ptx/cuda/graph.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct CUmemPoolHandle_st {
    CUdevice device;
    bool is_default;
    int reuse[3]; /* of the three attributes about it */
    cuuint64_t threshold;
};

static struct CUmemPoolHandle_st defaults[FAC_MAX_DEVICES];
static CUmemoryPool current[FAC_MAX_DEVICES]; /* NULL: the default */

static CUmemoryPool default_of(CUdevice dev)
{
    CUmemoryPool p = &defaults[dev];
    if (!fac_handle_is(FAC_POOL, p)) {
        *p = (struct CUmemPoolHandle_st){.device = dev, .is_default = true, .reuse = {1, 1, 1}};
        fac_handle_add(FAC_POOL, p);
    }
    return p;
}

static CUresult enter_device(CUdevice dev, const void *out)
{
    CUresult r = fac_enter_device();
    if (!r && !fac_is_device(dev))
        r = fac_fail(CUDA_ERROR_INVALID_DEVICE, "there is no device %d", dev);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    return r;
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice dev)
{
    CUresult r = enter_device(dev, out);
    if (!r)
        *out = default_of(dev);
    return fac_leave(r);
}

CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice dev)
{
    CUresult r = enter_device(dev, out);
    if (!r)
        *out = current[dev] ? current[dev] : default_of(dev);
    return fac_leave(r);
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool p)
{
    CUresult r = enter_device(dev, p);
    if (!r)
        r = fac_handle_check(FAC_POOL, p);
    if (!r && p->device != dev)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the pool is another device's");
    if (!r)
        current[dev] = p;
    return fac_leave(r);
}

/* By a place: a device is the only one with pools. */
static CUresult device_at(const CUmemLocation *where, CUmemAllocationType type, CUdevice *out)
{
    if (!where || where->type != CU_MEM_LOCATION_TYPE_DEVICE ||
        type != CU_MEM_ALLOCATION_TYPE_PINNED)
        return CUDA_ERROR_INVALID_VALUE;
    *out = where->id;
    return CUDA_SUCCESS;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *out, CUmemLocation *where, CUmemAllocationType type)
{
    CUdevice dev;
    CUresult r = device_at(where, type, &dev);
    return r ? r : cuDeviceGetDefaultMemPool(out, dev);
}

CUresult cuMemGetMemPool(CUmemoryPool *out, CUmemLocation *where, CUmemAllocationType type)
{
    CUdevice dev;
    CUresult r = device_at(where, type, &dev);
    return r ? r : cuDeviceGetMemPool(out, dev);
}

CUresult cuMemSetMemPool(CUmemLocation *where, CUmemAllocationType type, CUmemoryPool p)
{
    CUdevice dev;
    CUresult r = device_at(where, type, &dev);
    return r ? r : cuDeviceSetMemPool(dev, p);
}

CUresult cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
    CUresult r = enter_device(props ? props->location.id : 0, out);
    if (!r && (!props || props->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
               props->allocType != CU_MEM_ALLOCATION_TYPE_PINNED))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a pool is of pinned memory of a device");
    if (!r && props->handleTypes)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "pools that other processes share");
    if (!r) {
        CUmemoryPool p = ws_calloc(1, sizeof *p);
        *p = (struct CUmemPoolHandle_st){.device = props->location.id, .reuse = {1, 1, 1}};
        fac_handle_add(FAC_POOL, p);
        *out = p;
    }
    return fac_leave(r);
}

static CUresult enter_pool(CUmemoryPool p)
{
    CUresult r = fac_enter_device();
    return r ? r : fac_handle_check(FAC_POOL, p);
}

CUresult cuMemPoolDestroy(CUmemoryPool p)
{
    CUresult r = enter_pool(p);
    if (!r && p->is_default)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a device's default pool stays");
    if (!r) {
        if (current[p->device] == p)
            current[p->device] = NULL;
        fac_handle_drop(FAC_POOL, p);
        free(p);
    }
    return fac_leave(r);
}

CUresult cuMemPoolTrimTo(CUmemoryPool p, size_t keep)
{
    (void)keep;
    return fac_leave(enter_pool(p));
}

static bool is_reuse(CUmemPool_attribute id)
{
    return id >= CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES &&
           id <= CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool p, CUmemPool_attribute id, void *out)
{
    CUresult r = enter_pool(p);
    if (!r && (!out || id < CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES ||
               id > CU_MEMPOOL_ATTR_USED_MEM_HIGH))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "pool attribute %d", (int)id);
    if (!r && is_reuse(id))
        *(int *)out = p->reuse[id - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES];
    else if (!r)
        *(cuuint64_t *)out = id == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD ? p->threshold : 0;
    return fac_leave(r);
}

CUresult cuMemPoolSetAttribute(CUmemoryPool p, CUmemPool_attribute id, void *value)
{
    CUresult r = enter_pool(p);
    if (!r && !value)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && is_reuse(id))
        p->reuse[id - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] = *(const int *)value;
    else if (!r && id == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
        p->threshold = *(const cuuint64_t *)value;
    else if (!r && (*(const cuuint64_t *)value || (id != CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH &&
                                                   id != CU_MEMPOOL_ATTR_USED_MEM_HIGH)))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "pool attribute %d cannot be set", (int)id);
    return fac_leave(r);
}

/* Every device reaches all memory. */
CUresult cuMemPoolSetAccess(CUmemoryPool p, const CUmemAccessDesc *map, size_t n)
{
    CUresult r = enter_pool(p);
    if (!r && n && !map)
        r = CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; !r && i < n; i++)
        if (map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
            !fac_is_device(map[i].location.id))
            r = CUDA_ERROR_INVALID_DEVICE;
    return fac_leave(r);
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *out, CUmemoryPool p, CUmemLocation *where)
{
    CUresult r = enter_pool(p);
    if (!r && (!out || !where))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return fac_leave(r);
}

/* ---- in the order of a stream ---- */

/* In a capture the memory is a node's. */
static CUresult alloc_captured(CUdeviceptr *out, size_t n, CUstream s)
{
    fac_op op = {.kind = FAC_OP_ALLOC, .memory = {.bytes = n}};
    CUgraphNode node = NULL;
    CUresult r = fac_memory_alloc(&op.memory.ptr, n, false);
    if (!r && (r = fac_capture_add(s, &op, &node)))
        (void)fac_memory_release(op.memory.ptr);
    if (!r) {
        node->op.memory.owner = true;
        node->alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
        node->alloc.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
        node->alloc.poolProps.location.id = fac_current()->device;
        node->alloc.bytesize = n;
        node->alloc.dptr = *out = op.memory.ptr;
    }
    return r;
}

static CUresult alloc(CUdeviceptr *out, size_t n, CUstream handle)
{
    CUstream s = NULL;
    CUresult r = out ? fac_stream_of(handle, &s) : CUDA_ERROR_INVALID_VALUE;
    if (r)
        return r;
    return s->capture ? alloc_captured(out, n, s) : fac_memory_alloc(out, n, false);
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t n, CUstream s)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : alloc(out, n, s));
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t n, CUmemoryPool p, CUstream s)
{
    CUresult r = fac_enter();
    if (!r)
        r = fac_handle_check(FAC_POOL, p);
    return fac_leave(r ? r : alloc(out, n, s));
}

CUresult cuMemFreeAsync(CUdeviceptr p, CUstream s)
{
    fac_op op = {.kind = FAC_OP_FREE, .memory = {.ptr = p, .owner = true}};
    CUresult r = fac_enter();
    const fac_mem kind = r ? FAC_MEM_NONE : fac_memory_kind(p, NULL);
    if (!r && kind != FAC_MEM_DEVICE && kind != FAC_MEM_MANAGED)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE,
                     ptx_memory_was_released(fac.mem, p) ? "0x%llx was freed before"
                                                         : "0x%llx is no device memory",
                     p);
    return fac_leave(r ? r : fac_submit(s, &op));
}
