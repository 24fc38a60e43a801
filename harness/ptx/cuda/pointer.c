/* What is known of an address. */
#include "harness/ptx/cuda/internal.h"

#include <string.h>

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr p)
{
    uint64_t start;
    size_t n;
    CUresult r = fac_enter();
    if (!r && !ptx_memory_range(fac.mem, p, &start, &n))
        r = fac_fail(CUDA_ERROR_NOT_FOUND, "0x%llx is in no allocation", p);
    if (!r && base)
        *base = (CUdeviceptr)start;
    if (!r && size)
        *size = fac_memory_asked(start, n);
    return fac_leave(r);
}

typedef struct found {
    CUdeviceptr at, start;
    size_t bytes;
    fac_mem kind;
} found;

static bool is_host(const found *f)
{
    return f->kind == FAC_MEM_HOST || f->kind == FAC_MEM_REGISTERED;
}

/* An attribute of an address: bytes of its value, 0: it has none of its own there. */
static size_t value_of(CUpointer_attribute id, const found *f, unsigned char out[16])
{
#define GIVE(type, v)                                                                              \
    do {                                                                                           \
        const type value = (v);                                                                    \
        memcpy(out, &value, sizeof value);                                                         \
        return sizeof value;                                                                       \
    } while (0)
    switch ((int)id) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        GIVE(CUcontext, fac_current());
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        GIVE(unsigned, is_host(f) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        GIVE(CUdeviceptr, f->at);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (f->kind == FAC_MEM_DEVICE)
            return 0;
        GIVE(CUdeviceptr, f->at);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
        GIVE(unsigned, 1);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
        GIVE(unsigned long long, f->start);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
        GIVE(unsigned, f->kind == FAC_MEM_MANAGED);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        GIVE(int, fac_current() ? fac_current()->device : 0);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
        GIVE(unsigned, 0);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
        GIVE(CUdeviceptr, f->start);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
        GIVE(size_t, f->bytes);
    case CU_POINTER_ATTRIBUTE_MAPPED:
        GIVE(bool, true);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        GIVE(unsigned long long, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
        GIVE(unsigned, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
        GIVE(void *, NULL);
    default:
        return 0;
    }
#undef GIVE
}

/* Bytes of an attribute's value, also where an address has none. */
static size_t size_of(CUpointer_attribute id)
{
    const found any = {.kind = FAC_MEM_HOST};
    unsigned char unused[16];
    return value_of(id, &any, unused);
}

static bool find(CUdeviceptr p, found *f)
{
    uint64_t start;
    size_t n;
    if (!ptx_memory_range(fac.mem, p, &start, &n))
        return false;
    *f = (found){p, start, fac_memory_asked(start, n), fac_memory_kind(p, NULL)};
    return true;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute id, CUdeviceptr p)
{
    unsigned char value[16];
    found f;
    CUresult r = fac_enter();
    if (!r && !data)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !size_of(id))
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "pointer attribute %d", (int)id);
    if (!r && !find(p, &f))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is in no allocation", p);
    const size_t n = r ? 0 : value_of(id, &f, value);
    if (!r && !n)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "device memory has no pointer of the host");
    if (!r)
        memcpy(data, value, n);
    return fac_leave(r);
}

/* What an address has nothing of is zeros, and no error. */
CUresult cuPointerGetAttributes(unsigned n, CUpointer_attribute *ids, void **data, CUdeviceptr p)
{
    unsigned char value[16];
    found f;
    CUresult r = fac_enter();
    if (!r && (!n || !ids || !data))
        r = CUDA_ERROR_INVALID_VALUE;
    const bool known = !r && find(p, &f);
    for (unsigned i = 0; !r && i < n; i++) {
        const size_t size = size_of(ids[i]);
        if (!data[i] || !size) {
            r = fac_fail(CUDA_ERROR_INVALID_VALUE, "pointer attribute %d", (int)ids[i]);
            break;
        }
        memset(data[i], 0, size);
        if (known)
            memcpy(data[i], value, value_of(ids[i], &f, value));
        else if (ids[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
            *(int *)data[i] = CU_DEVICE_INVALID;
    }
    return fac_leave(r);
}

/* Copies are done when they return: they are synchronous already. */
CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute id, CUdeviceptr p)
{
    found f;
    CUresult r = fac_enter();
    if (!r && (!value || id != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || !find(p, &f)))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "pointer attribute %d cannot be set", (int)id);
    return fac_leave(r);
}
