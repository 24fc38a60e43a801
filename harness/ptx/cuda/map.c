/* Virtual memory management: reserved addresses, memory, and mappings of the one in the other.
 *
 * A mapping becomes an allocation of the engine once cuMemSetAccess lets kernels read and write it.
 * Memory has no life apart from its mapping: it can be mapped once, whole, and is zeros then. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/map.h"

#include <stdlib.h>

enum { GRANULE = 64 << 10 }; /* a GPU's is 2 MiB; programs have to ask */

typedef struct range {
    CUdeviceptr start;
    size_t bytes;
} range;

typedef struct memory { /* what a handle points to */
    size_t bytes;
    CUdeviceptr at;     /* 0: not mapped */
    int handles;        /* 0: released */
    bool mapped_before, accessible;
    CUmemAllocationProp prop;
} memory;

static range *ranges;
static int n_ranges, cap_ranges;
static memory **memories;
static int n_memories, cap_memories;

static bool whole(size_t n)
{
    return n && n % GRANULE == 0;
}

static memory *memory_of(CUmemGenericAllocationHandle h)
{
    for (int i = 0; i < n_memories; i++)
        if ((CUmemGenericAllocationHandle)(uintptr_t)memories[i] == h)
            return memories[i];
    return NULL;
}

static memory *memory_at(CUdeviceptr p)
{
    for (int i = 0; p && i < n_memories; i++)
        if (memories[i]->at == p)
            return memories[i];
    return NULL;
}

static memory *memory_holding(CUdeviceptr p)
{
    for (int i = 0; i < n_memories; i++)
        if (memories[i]->at && p >= memories[i]->at && p - memories[i]->at < memories[i]->bytes)
            return memories[i];
    return NULL;
}

static void drop_memory(memory *m)
{
    int i = 0;
    while (memories[i] != m)
        i++;
    memories[i] = memories[--n_memories];
    free(m);
}

bool fac_is_mapped(CUdeviceptr p)
{
    return memory_at(p) != NULL;
}

void fac_forget_mappings(void)
{
    while (n_memories)
        drop_memory(memories[0]);
    while (n_ranges) {
        n_ranges--;
        ptx_range_release(ranges[n_ranges].start, ranges[n_ranges].bytes);
    }
}

CUresult cuMemGetAllocationGranularity(size_t *out, const CUmemAllocationProp *prop,
                                       CUmemAllocationGranularity_flags option)
{
    (void)option;
    CUresult r = fac_enter_device();
    if (!r && (!out || !prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = GRANULE;
    return fac_leave(r);
}

CUresult cuMemAddressReserve(CUdeviceptr *out, size_t n, size_t align, CUdeviceptr wish,
                             unsigned long long flags)
{
    (void)wish;
    CUresult r = fac_enter();
    if (!r && (!out || !whole(n) || flags || (align & (align - 1))))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a range is whole granules of %d bytes", GRANULE);
    CUdeviceptr p = r ? 0 : ptx_range_reserve(n, align > GRANULE ? align : GRANULE);
    if (!r && !p)
        r = fac_fail(CUDA_ERROR_OUT_OF_MEMORY, "no addresses for %zu bytes", n);
    if (!r) {
        WS_GROW(ranges, n_ranges, cap_ranges);
        ranges[n_ranges++] = (range){p, n};
        *out = p;
    }
    return fac_leave(r);
}

/* Whether something is mapped in it. */
static bool in_use(const range *g)
{
    for (int i = 0; i < n_memories; i++)
        if (memories[i]->at >= g->start && memories[i]->at < g->start + g->bytes)
            return true;
    return false;
}

CUresult cuMemAddressFree(CUdeviceptr p, size_t n)
{
    CUresult r = fac_enter();
    int i = 0;
    while (i < n_ranges && (ranges[i].start != p || ranges[i].bytes != n))
        i++;
    if (!r && i == n_ranges)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "no range of %zu bytes is reserved at 0x%llx", n, p);
    if (!r && in_use(&ranges[i]))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "something is mapped in the range at 0x%llx", p);
    if (!r) {
        ptx_range_release(p, n);
        ranges[i] = ranges[--n_ranges];
    }
    return fac_leave(r);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *out, size_t n, const CUmemAllocationProp *prop,
                     unsigned long long flags)
{
    CUresult r = fac_enter();
    if (!r && (!out || !prop || flags || !whole(n) || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "memory is pinned and whole granules of %d bytes",
                     GRANULE);
    if (!r && prop->requestedHandleTypes)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "memory that other processes share");
    if (!r && prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "memory that is not the device's");
    if (!r) {
        memory *m = ws_calloc(1, sizeof *m);
        m->bytes = n;
        m->handles = 1;
        m->prop = *prop;
        WS_GROW(memories, n_memories, cap_memories);
        memories[n_memories++] = m;
        *out = (CUmemGenericAllocationHandle)(uintptr_t)m;
    }
    return fac_leave(r);
}

/* The memory lives on until it is unmapped. */
CUresult cuMemRelease(CUmemGenericAllocationHandle h)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_of(h);
    if (!r && (!m || !m->handles))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        if (!--m->handles && !m->at)
            drop_memory(m);
    }
    return fac_leave(r);
}

static bool reserved(CUdeviceptr p, size_t n)
{
    for (int i = 0; i < n_ranges; i++)
        if (p >= ranges[i].start && p - ranges[i].start <= ranges[i].bytes &&
            n <= ranges[i].bytes - (p - ranges[i].start))
            return true;
    return false;
}

static bool overlaps(CUdeviceptr p, size_t n)
{
    for (int i = 0; i < n_memories; i++)
        if (memories[i]->at && p < memories[i]->at + memories[i]->bytes && memories[i]->at < p + n)
            return true;
    return false;
}

CUresult cuMemMap(CUdeviceptr p, size_t n, size_t offset, CUmemGenericAllocationHandle h,
                  unsigned long long flags)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_of(h);
    if (!r && (!m || !m->handles || offset || flags || !whole(n) || p % GRANULE))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && (!reserved(p, n) || overlaps(p, n)))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is not reserved, or mapped already", p);
    if (!r && (n != m->bytes || m->mapped_before))
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "memory mapped in part, or more than once");
    if (!r) {
        m->at = p;
        m->mapped_before = true;
    }
    return fac_leave(r);
}

CUresult cuMemSetAccess(CUdeviceptr p, size_t n, const CUmemAccessDesc *desc, size_t count)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_at(p);
    if (!r && (!m || n != m->bytes || !desc || count != 1))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && desc->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "access other than reading and writing");
    if (!r && !m->accessible && !ptx_memory_map(fac.mem, p, n))
        r = fac_fail(CUDA_ERROR_OUT_OF_MEMORY, "no memory for %zu bytes", n);
    if (!r)
        m->accessible = true;
    return fac_leave(r);
}

CUresult cuMemUnmap(CUdeviceptr p, size_t n)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_at(p);
    if (!r && (!m || n != m->bytes))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "no mapping of %zu bytes is at 0x%llx", n, p);
    if (!r) {
        if (m->accessible && !ptx_memory_unmap(fac.mem, p))
            ws_bug("the mapping at 0x%llx has no allocation", p);
        m->at = 0;
        m->accessible = false;
        if (!m->handles)
            drop_memory(m);
    }
    return fac_leave(r);
}

/* ---- what is known of mappings ---- */

CUresult cuMemGetAccess(unsigned long long *out, const CUmemLocation *where, CUdeviceptr p)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_holding(p);
    if (!r && (!out || !where || !m))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = m->accessible ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return fac_leave(r);
}

/* The handle lives until it is released as often as it was made and retained. */
CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *p)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_holding((CUdeviceptr)(uintptr_t)p);
    if (!r && (!out || !m))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        m->handles++;
        *out = (CUmemGenericAllocationHandle)(uintptr_t)m;
    }
    return fac_leave(r);
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *out,
                                                CUmemGenericAllocationHandle h)
{
    CUresult r = fac_enter();
    memory *m = r ? NULL : memory_of(h);
    if (!r && (!out || !m))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = m->prop;
    return fac_leave(r);
}
