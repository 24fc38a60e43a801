/* Memory: of the device, of the host, managed, registered. A device address of the engine is a host
 * address, so all kinds are allocations of the engine; those of the host count as initialised. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"
#include "harness/ptx/map.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PITCH = 512, GRANULE = 512 };

/* ---- what is known of allocations beside the engine's own ---- */

typedef struct note { /* of those that are not plain device memory */
    CUdeviceptr start;
    fac_mem kind;
    unsigned flags;
    size_t bytes; /* that were asked for; 0: all that there are */
} note;
static note *notes; /* ascending */
static int n_notes, cap_notes;

static int note_at(CUdeviceptr start)
{
    int lo = 0, hi = n_notes;
    while (lo < hi) {
        const int mid = (lo + hi) / 2;
        if (notes[mid].start < start)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_note(CUdeviceptr p, fac_mem kind, unsigned flags, size_t bytes)
{
    const int at = note_at(p);
    if (at < n_notes && notes[at].start == p) {
        notes[at].kind = kind;
        notes[at].flags = flags;
        return;
    }
    WS_GROW(notes, n_notes, cap_notes);
    memmove(notes + at + 1, notes + at, (size_t)(n_notes - at) * sizeof *notes);
    notes[at] = (note){p, kind, flags, bytes};
    n_notes++;
}

void fac_memory_note(CUdeviceptr p, fac_mem kind, unsigned flags)
{
    add_note(p, kind, flags, 0);
}

size_t fac_memory_asked(CUdeviceptr start, size_t n)
{
    const int at = note_at(start);
    return at < n_notes && notes[at].start == start && notes[at].bytes ? notes[at].bytes : n;
}

void fac_memory_unnote(CUdeviceptr p)
{
    const int at = note_at(p);
    if (at == n_notes || notes[at].start != p)
        return;
    n_notes--;
    memmove(notes + at, notes + at + 1, (size_t)(n_notes - at) * sizeof *notes);
}

void fac_memory_forget(void)
{
    fac.used_bytes = 0;
    n_notes = 0;
}

fac_mem fac_memory_kind(CUdeviceptr p, unsigned *flags)
{
    uint64_t start;
    size_t n;
    if (!ptx_memory_range(fac.mem, p, &start, &n))
        return FAC_MEM_NONE;
    const int at = note_at(start);
    const bool noted = at < n_notes && notes[at].start == start;
    if (flags)
        *flags = noted ? notes[at].flags : 0;
    return noted ? notes[at].kind : FAC_MEM_DEVICE;
}

/* ---- allocation ---- */

/* A GPU gives whole granules, and programs read past the end of what they asked for: it is a fault
 * where somebody looks for such. */
static size_t given_bytes(size_t n)
{
    return fac.exact || fac.configured || n % GRANULE == 0 ? n : n + GRANULE - n % GRANULE;
}

CUresult fac_memory_alloc(CUdeviceptr *out, size_t n, bool zero)
{
    if (!out || !n)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "an allocation of 0 bytes");
    const size_t left = fac.memory_bytes - fac.used_bytes;
    const size_t given = n <= left ? given_bytes(n) : 0;
    uint64_t p = given && given <= left ? ptx_memory_alloc(fac.mem, given, "") : 0;
    if (!p)
        return fac_fail(CUDA_ERROR_OUT_OF_MEMORY, "no memory for %zu bytes", n);
    if (zero && !ptx_memory_fill(fac.mem, p, 0, given))
        ws_bug("a fresh allocation cannot be filled");
    fac.used_bytes += given;
    if (given != n)
        add_note(p, FAC_MEM_DEVICE, 0, n);
    *out = (CUdeviceptr)p;
    return CUDA_SUCCESS;
}

static CUresult no_start(CUdeviceptr p)
{
    const char *text = ptx_memory_was_released(fac.mem, p)
                           ? "0x%llx was freed before"
                           : "0x%llx is not the start of an allocation";
    return fac_fail(CUDA_ERROR_INVALID_VALUE, text, p);
}

CUresult fac_memory_release(CUdeviceptr p)
{
    if (fac_is_mapped(p))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is a mapping, for cuMemUnmap", p);
    if (!p)
        return CUDA_SUCCESS;
    uint64_t start;
    size_t n = 0;
    const bool is_one = ptx_memory_range(fac.mem, p, &start, &n);
    if (!ptx_memory_release(fac.mem, p))
        return no_start(p);
    fac.used_bytes -= is_one && n < fac.used_bytes ? n : fac.used_bytes;
    fac_memory_unnote(p);
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t n)
{
    CUresult r = fac_enter_uncaptured();
    return fac_leave(r ? r : fac_memory_alloc(out, n, false));
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height,
                            unsigned element)
{
    CUresult r = fac_enter_uncaptured();
    size_t row = (width + PITCH - 1) & ~(size_t)(PITCH - 1), n = 0;
    if (!r && (!pitch || (element != 4 && element != 8 && element != 16) || row < width ||
               !ws_size_mul(row, height, &n)))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%zu rows of %zu bytes, elements of %u", height,
                     width, element);
    if (!r && !(r = fac_memory_alloc(out, n, false)))
        *pitch = row;
    return fac_leave(r);
}

CUresult cuMemFree_v2(CUdeviceptr p)
{
    CUresult r = fac_enter_uncaptured();
    const fac_mem kind = r ? FAC_MEM_NONE : fac_memory_kind(p, NULL);
    if (kind == FAC_MEM_HOST || kind == FAC_MEM_REGISTERED)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is host memory, for cuMemFreeHost or "
                                               "cuMemHostUnregister", p);
    if (!r)
        fac_wait_stream(NULL); /* what still uses it */
    return fac_leave(r ? r : fac_memory_release(p));
}

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t n, unsigned flags)
{
    CUresult r = fac_enter_uncaptured();
    if (!r && flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "managed memory with flags 0x%x", flags);
    if (!r && !(r = fac_memory_alloc(out, n, true)))
        fac_memory_note(*out, FAC_MEM_MANAGED, flags);
    return fac_leave(r);
}

/* ---- the host's ---- */

CUresult cuMemHostAlloc(void **out, size_t n, unsigned flags)
{
    const unsigned known =
        CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    CUdeviceptr p = 0;
    CUresult r = fac_enter_uncaptured();
    if (!r && (!out || flags & ~known))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "host memory with flags 0x%x", flags);
    if (!r && !(r = fac_memory_alloc(&p, n, true))) {
        fac_memory_note(p, FAC_MEM_HOST, flags | CU_MEMHOSTALLOC_DEVICEMAP);
        *out = (void *)(uintptr_t)p;
    }
    return fac_leave(r);
}

CUresult cuMemAllocHost_v2(void **out, size_t n)
{
    return cuMemHostAlloc(out, n, 0);
}

CUresult cuMemFreeHost(void *at)
{
    const CUdeviceptr p = (CUdeviceptr)(uintptr_t)at;
    CUresult r = fac_enter_uncaptured();
    if (!r && p && fac_memory_kind(p, NULL) != FAC_MEM_HOST)
        r = ptx_memory_was_released(fac.mem, p)
                ? no_start(p)
                : fac_fail(CUDA_ERROR_INVALID_VALUE, "%p is not from cuMemHostAlloc", at);
    if (!r)
        fac_wait_stream(NULL);
    return fac_leave(r ? r : fac_memory_release(p));
}

/* Kernels reach the program's own memory where it is. */
CUresult cuMemHostRegister_v2(void *at, size_t n, unsigned flags)
{
    const unsigned known = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP |
                           CU_MEMHOSTREGISTER_READ_ONLY;
    const CUdeviceptr p = (CUdeviceptr)(uintptr_t)at;
    CUresult r = fac_enter_uncaptured();
    if (!r && (!at || !n || p + n < p || flags & ~known))
        r = fac_fail(flags & CU_MEMHOSTREGISTER_IOMEMORY ? CUDA_ERROR_NOT_SUPPORTED
                                                         : CUDA_ERROR_INVALID_VALUE,
                     "%zu bytes at %p cannot be registered with flags 0x%x", n, at, flags);
    if (!r && !ptx_memory_adopt(fac.mem, p, n))
        r = fac_fail(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
                     "some of the %zu bytes at %p are known already", n, at);
    if (!r)
        fac_memory_note(p, FAC_MEM_REGISTERED, flags | CU_MEMHOSTALLOC_DEVICEMAP);
    return fac_leave(r);
}

CUresult cuMemHostUnregister(void *at)
{
    const CUdeviceptr p = (CUdeviceptr)(uintptr_t)at;
    CUresult r = fac_enter_uncaptured();
    if (!r && (fac_memory_kind(p, NULL) != FAC_MEM_REGISTERED || !ptx_memory_disown(fac.mem, p)))
        r = fac_fail(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "%p was not registered", at);
    if (!r)
        fac_memory_unnote(p);
    return fac_leave(r);
}

static CUresult check_host(const void *at, unsigned *flags)
{
    const fac_mem kind = fac_memory_kind((CUdeviceptr)(uintptr_t)at, flags);
    return kind == FAC_MEM_HOST || kind == FAC_MEM_REGISTERED || kind == FAC_MEM_MANAGED
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_VALUE,
                          "%p is neither from cuMemHostAlloc nor registered", at);
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *p, unsigned flags)
{
    CUresult r = fac_enter();
    if (!r && (!out || flags))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_host(p, NULL)))
        *out = (CUdeviceptr)(uintptr_t)p;
    return fac_leave(r);
}

CUresult cuMemHostGetFlags(unsigned *out, void *p)
{
    unsigned flags = 0;
    CUresult r = fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_host(p, &flags)))
        *out = flags;
    return fac_leave(r);
}

/* ---- managed memory: it is where everybody reaches it, and advice changes nothing ---- */

static CUresult check_range(CUdeviceptr p, size_t n)
{
    uint64_t start;
    size_t all;
    return ptx_memory_range(fac.mem, p, &start, &all) && n && n <= all - (p - start)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_VALUE, "%zu bytes at 0x%llx are not managed memory", n,
                          p);
}

CUresult cuMemAdvise_v2(CUdeviceptr p, size_t n, CUmem_advise advice, CUmemLocation where)
{
    CUresult r = fac_enter();
    if (!r && (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "advice %d", (int)advice);
    if (!r && where.type == CU_MEM_LOCATION_TYPE_DEVICE && !fac_is_device(where.id))
        r = CUDA_ERROR_INVALID_DEVICE;
    return fac_leave(r ? r : check_range(p, n));
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr p, size_t n, CUmemLocation where, unsigned flags,
                               CUstream s)
{
    fac_op op = {.kind = FAC_OP_EMPTY};
    CUresult r = fac_enter();
    if (!r && flags)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && where.type == CU_MEM_LOCATION_TYPE_DEVICE && !fac_is_device(where.id))
        r = CUDA_ERROR_INVALID_DEVICE;
    if (!r && !(r = check_range(p, n)))
        r = fac_submit(s, &op);
    return fac_leave(r);
}

CUresult cuMemRangeGetAttribute(void *data, size_t size, CUmem_range_attribute id, CUdeviceptr p,
                                size_t n)
{
    CUresult r = fac_enter();
    if (!r && (!data || size < sizeof(int) || size % sizeof(int)))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_range(p, n))) {
        memset(data, 0, size);
        if (id == CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION ||
            id == CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION ||
            id == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY)
            for (size_t i = 0; i < size / sizeof(int); i++)
                ((int *)data)[i] = CU_DEVICE_INVALID;
        else if (id < CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY)
            r = CUDA_ERROR_INVALID_VALUE;
    }
    return fac_leave(r);
}

CUresult cuMemRangeGetAttributes(void **data, size_t *sizes, CUmem_range_attribute *ids, size_t n,
                                 CUdeviceptr p, size_t bytes)
{
    CUresult r = data && sizes && ids && n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; !r && i < n; i++)
        r = cuMemRangeGetAttribute(data[i], sizes[i], ids[i], p, bytes);
    return r;
}
