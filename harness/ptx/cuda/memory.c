/* Device memory, copies and fills. A device address of the engine is a host address, so managed and
 * pinned memory are device allocations that count as initialised. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- allocation ---- */

static CUresult allocate(CUdeviceptr *out, size_t n, bool zero)
{
    if (!out || !n)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "an allocation of 0 bytes");
    size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    uint64_t p = n <= all ? ptx_memory_alloc(fac.mem, n, "") : 0;
    if (!p)
        return fac_fail(CUDA_ERROR_OUT_OF_MEMORY, "no memory for %zu bytes", n);
    if (zero && !ptx_memory_fill(fac.mem, p, 0, n))
        ws_bug("a fresh allocation cannot be filled");
    *out = (CUdeviceptr)p;
    return CUDA_SUCCESS;
}

static CUresult release(CUdeviceptr p)
{
    if (fac_is_mapped(p))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is a mapping, for cuMemUnmap", p);
    return !p || ptx_memory_release(fac.mem, p)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_VALUE,
                          ptx_memory_was_released(fac.mem, p)
                              ? "0x%llx was freed before"
                              : "0x%llx is not the start of an allocation",
                          p);
}

CUresult cuMemAlloc(CUdeviceptr *out, size_t n)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : allocate(out, n, false));
}

CUresult cuMemAllocPitch(CUdeviceptr *out, size_t *pitch, size_t width, size_t height,
                         unsigned element)
{
    (void)element;
    CUresult r = fac_enter();
    size_t row = (width + 511) & ~(size_t)511, n;
    if (!r && (row < width || !ws_size_mul(row, height, &n)))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = allocate(out, n, false)))
        *pitch = row;
    return fac_leave(r);
}

CUresult cuMemFree(CUdeviceptr p)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : release(p));
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemAlloc(out, n);
}

CUresult cuMemFreeAsync(CUdeviceptr p, CUstream stream)
{
    (void)stream;
    return cuMemFree(p);
}

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t n, unsigned flags)
{
    (void)flags;
    CUresult r = fac_enter();
    return fac_leave(r ? r : allocate(out, n, true));
}

CUresult cuMemHostAlloc(void **out, size_t n, unsigned flags)
{
    (void)flags;
    CUdeviceptr p = 0;
    CUresult r = fac_enter();
    if (!r && !(r = allocate(&p, n, true)))
        *out = (void *)(uintptr_t)p;
    return fac_leave(r);
}

CUresult cuMemAllocHost(void **out, size_t n)
{
    return cuMemHostAlloc(out, n, 0);
}

CUresult cuMemFreeHost(void *p)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : release((CUdeviceptr)(uintptr_t)p));
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr *out, void *p, unsigned flags)
{
    uint64_t start;
    size_t n;
    (void)flags;
    CUresult r = fac_enter();
    if (!r && !ptx_memory_range(fac.mem, (uint64_t)(uintptr_t)p, &start, &n))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "the pointer is not from cuMemHostAlloc");
    if (!r)
        *out = (CUdeviceptr)(uintptr_t)p;
    return fac_leave(r);
}

CUresult cuMemGetAddressRange(CUdeviceptr *base, size_t *size, CUdeviceptr p)
{
    uint64_t start;
    size_t n;
    CUresult r = fac_enter();
    if (!r && !ptx_memory_range(fac.mem, p, &start, &n))
        r = CUDA_ERROR_NOT_FOUND;
    if (!r && base)
        *base = (CUdeviceptr)start;
    if (!r && size)
        *size = n;
    return fac_leave(r);
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr p)
{
    uint64_t start;
    size_t n;
    CUresult r = fac_enter();
    if (!r && !ptx_memory_range(fac.mem, p, &start, &n))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r)
        return fac_leave(r);
    switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = CU_MEMORYTYPE_DEVICE;
        break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        *(CUdeviceptr *)data = p;
        break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = 0;
        break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        *(CUdeviceptr *)data = (CUdeviceptr)start;
        break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        *(size_t *)data = n;
        break;
    default:
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "pointer attribute %d", (int)attribute);
    }
    return fac_leave(r);
}

/* ---- copies ---- */

static bool on_device(uint64_t p)
{
    uint64_t start;
    size_t n;
    return ptx_memory_range(fac.mem, p, &start, &n);
}

static CUresult outside(CUdeviceptr p, size_t n)
{
    return fac_fail(CUDA_ERROR_INVALID_VALUE, "%zu bytes at 0x%llx are not inside one allocation",
                    n, p);
}

static CUresult to_device(CUdeviceptr dst, const void *src, size_t n)
{
    return !n || ptx_memory_write(fac.mem, dst, src, n) ? CUDA_SUCCESS : outside(dst, n);
}

static CUresult to_host(void *dst, CUdeviceptr src, size_t n)
{
    return !n || ptx_memory_read(fac.mem, dst, src, n) ? CUDA_SUCCESS : outside(src, n);
}

static CUresult within_device(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    if (!n)
        return CUDA_SUCCESS;
    void *copy = malloc(n);
    if (!copy)
        return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult r = to_host(copy, src, n);
    if (!r)
        r = to_device(dst, copy, n);
    free(copy);
    if (!r)
        fac_clock_bytes(2 * n); /* read and written */
    return r;
}

/* Either side may be host or device memory, as the address says. */
static CUresult copy_any(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    bool to = on_device(dst), from = on_device(src);
    if (to && from)
        return within_device(dst, src, n);
    if (to)
        return to_device(dst, (const void *)(uintptr_t)src, n);
    if (from)
        return to_host((void *)(uintptr_t)dst, src, n);
    memmove((void *)(uintptr_t)dst, (const void *)(uintptr_t)src, n);
    return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD(CUdeviceptr dst, const void *src, size_t n)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : to_device(dst, src, n));
}

CUresult cuMemcpyDtoH(void *dst, CUdeviceptr src, size_t n)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : to_host(dst, src, n));
}

CUresult cuMemcpyDtoD(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : within_device(dst, src, n));
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : copy_any(dst, src, n));
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemcpyHtoD(dst, src, n);
}

CUresult cuMemcpyDtoHAsync(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemcpyDtoH(dst, src, n);
}

CUresult cuMemcpyDtoDAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemcpyDtoD(dst, src, n);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemcpy(dst, src, n);
}

/* The address of one side of a 2D copy; false for arrays. */
static bool side(CUmemorytype type, const void *host, CUdeviceptr device, size_t pitch, size_t x,
                 size_t y, CUdeviceptr *out)
{
    if (type == CU_MEMORYTYPE_ARRAY)
        return false;
    *out = (type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)(uintptr_t)host : device) + y * pitch + x;
    return true;
}

CUresult cuMemcpy2D(const CUDA_MEMCPY2D *c)
{
    CUdeviceptr src = 0, dst = 0;
    CUresult r = fac_enter();
    if (!r && (!side(c->srcMemoryType, c->srcHost, c->srcDevice, c->srcPitch, c->srcXInBytes,
                     c->srcY, &src) ||
               !side(c->dstMemoryType, c->dstHost, c->dstDevice, c->dstPitch, c->dstXInBytes,
                     c->dstY, &dst)))
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "copies to and from arrays");
    for (size_t y = 0; !r && y < c->Height; y++)
        r = copy_any(dst + y * c->dstPitch, src + y * c->srcPitch, c->WidthInBytes);
    return fac_leave(r);
}

CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D *c, CUstream stream)
{
    (void)stream;
    return cuMemcpy2D(c);
}

CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D *c)
{
    return cuMemcpy2D(c);
}

/* ---- fills ---- */

/* `rows` rows of `n` elements of `size` bytes, `pitch` bytes apart. */
static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned value, size_t size, size_t n,
                     size_t rows)
{
    CUresult r = fac_enter();
    size_t bytes;
    if (!r && (!ws_size_mul(n, size, &bytes) || dst % size))
        r = CUDA_ERROR_INVALID_VALUE;
    if (r || !bytes)
        return fac_leave(r);
    unsigned char *row = malloc(bytes);
    if (!row)
        return fac_leave(CUDA_ERROR_OUT_OF_MEMORY);
    for (size_t i = 0; i < n; i++)
        memcpy(row + i * size, &value, size); /* little-endian: the low bytes */
    for (size_t y = 0; !r && y < rows; y++)
        r = to_device(dst + y * pitch, row, bytes);
    free(row);
    if (!r)
        fac_clock_bytes(rows * bytes);
    return fac_leave(r);
}

CUresult cuMemsetD8(CUdeviceptr dst, unsigned char value, size_t n)
{
    CUresult r = fac_enter();
    if (!r && n && !ptx_memory_fill(fac.mem, dst, value, n))
        r = outside(dst, n);
    return fac_leave(r);
}

CUresult cuMemsetD16(CUdeviceptr dst, unsigned short value, size_t n)
{
    return fill(dst, 0, value, 2, n, 1);
}

CUresult cuMemsetD32(CUdeviceptr dst, unsigned value, size_t n)
{
    return fill(dst, 0, value, 4, n, 1);
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char value, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemsetD8(dst, value, n);
}

CUresult cuMemsetD16Async(CUdeviceptr dst, unsigned short value, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemsetD16(dst, value, n);
}

CUresult cuMemsetD32Async(CUdeviceptr dst, unsigned value, size_t n, CUstream stream)
{
    (void)stream;
    return cuMemsetD32(dst, value, n);
}

CUresult cuMemsetD2D8(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width,
                      size_t height)
{
    return fill(dst, pitch, value, 1, width, height);
}

CUresult cuMemsetD2D16(CUdeviceptr dst, size_t pitch, unsigned short value, size_t width,
                       size_t height)
{
    return fill(dst, pitch, value, 2, width, height);
}

CUresult cuMemsetD2D32(CUdeviceptr dst, size_t pitch, unsigned value, size_t width, size_t height)
{
    return fill(dst, pitch, value, 4, width, height);
}
