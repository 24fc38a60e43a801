/* Copies and fills. A device address of the engine is a host address, so each side of a copy is an
 * address, and what counts is whether the engine's memory is to know of it. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- sides of a copy ---- */

typedef struct side {
    CUdeviceptr at; /* of the first byte */
    size_t pitch, slice;
    bool device;
} side;

static bool on_device(CUdeviceptr p)
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

/* The bytes from the first to the last of a box; false: they cannot be so many. */
static bool extent(const side *s, const CUDA_MEMCPY3D *c, size_t *out)
{
    size_t rows, slices;
    return ws_size_mul(s->pitch, c->Height - 1, &rows) &&
           ws_size_mul(s->slice, c->Depth - 1, &slices) && ws_size_add(rows, slices, out) &&
           ws_size_add(*out, c->WidthInBytes, out);
}

static CUresult check_side(const side *s, const CUDA_MEMCPY3D *c)
{
    uint64_t start;
    size_t n, bytes;
    if ((c->Height > 1 && s->pitch < c->WidthInBytes) || !extent(s, c, &bytes))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "rows of %zu bytes that are %zu bytes apart",
                        c->WidthInBytes, s->pitch);
    if (!s->device)
        return s->at ? CUDA_SUCCESS
                     : fac_fail(CUDA_ERROR_INVALID_VALUE, "the host's address is NULL");
    if (!ptx_memory_range(fac.mem, s->at, &start, &n) || bytes > n - (s->at - start))
        return outside(s->at, bytes);
    return CUDA_SUCCESS;
}

static CUresult make_side(side *s, CUmemorytype type, const void *host, CUdeviceptr device,
                          CUarray array, const size_t at[3], size_t pitch, size_t height)
{
    if (type == CU_MEMORYTYPE_ARRAY || array)
        return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "copies to and from arrays");
    if (type != CU_MEMORYTYPE_HOST && type != CU_MEMORYTYPE_DEVICE && type != CU_MEMORYTYPE_UNIFIED)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "memory of type %d", (int)type);
    s->at = type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)(uintptr_t)host : device;
    s->pitch = pitch;
    s->slice = pitch * height;
    s->device =
        type == CU_MEMORYTYPE_DEVICE || on_device(s->at); /* pinned memory is written as such */
    if (s->at)
        s->at += at[0] + at[1] * s->pitch + at[2] * s->slice;
    return CUDA_SUCCESS;
}

static CUresult sides(const CUDA_MEMCPY3D *c, side *dst, side *src)
{
    const size_t to[3] = {c->dstXInBytes, c->dstY, c->dstZ};
    const size_t from[3] = {c->srcXInBytes, c->srcY, c->srcZ};
    CUresult r = make_side(dst, c->dstMemoryType, c->dstHost, c->dstDevice,
                           c->dstMemoryType == CU_MEMORYTYPE_ARRAY ? c->dstArray : NULL, to,
                           c->dstPitch ? c->dstPitch : c->WidthInBytes,
                           c->dstHeight ? c->dstHeight : c->Height);
    if (!r)
        r = make_side(src, c->srcMemoryType, c->srcHost, c->srcDevice,
                      c->srcMemoryType == CU_MEMORYTYPE_ARRAY ? c->srcArray : NULL, from,
                      c->srcPitch ? c->srcPitch : c->WidthInBytes,
                      c->srcHeight ? c->srcHeight : c->Height);
    return r;
}

static bool is_empty(const CUDA_MEMCPY3D *c)
{
    return !c->WidthInBytes || !c->Height || !c->Depth;
}

CUresult fac_copy_check(const CUDA_MEMCPY3D *c)
{
    side dst = {0}, src = {0};
    CUresult r = sides(c, &dst, &src);
    if (r || is_empty(c))
        return r;
    r = check_side(&dst, c);
    return r ? r : check_side(&src, c);
}

/* ---- copying ---- */

/* n bytes in a row, which may overlap; ranges were checked. */
static void move(const side *dst, CUdeviceptr to, CUdeviceptr from, size_t n)
{
    const void *src = (const void *)(uintptr_t)from;
    if (!dst->device) {
        memmove((void *)(uintptr_t)to, src, n);
    } else if (to < from + n && from < to + n) {
        void *copy = ws_malloc(n);
        memcpy(copy, src, n);
        (void)ptx_memory_write(fac.mem, to, copy, n);
        free(copy);
    } else if (!ptx_memory_write(fac.mem, to, src, n)) {
        ws_bug("a copy that was checked leaves its allocation");
    }
}

CUresult fac_copy_run(const CUDA_MEMCPY3D *c)
{
    side dst = {0}, src = {0};
    CUresult r = sides(c, &dst, &src);
    if (r || is_empty(c))
        return r;
    size_t width = c->WidthInBytes, rows = c->Height, slices = c->Depth;
    if (dst.pitch == width && src.pitch == width) { /* whole slices in one go */
        width *= rows;
        rows = 1;
    }
    for (size_t z = 0; z < slices; z++)
        for (size_t y = 0; y < rows; y++)
            move(&dst, dst.at + z * dst.slice + y * dst.pitch,
                 src.at + z * src.slice + y * src.pitch, width);
    if (dst.device && src.device)
        fac_clock_bytes(2 * width * rows * slices); /* read and written */
    return CUDA_SUCCESS;
}

/* ---- the calls ---- */

static fac_op row(CUmemorytype to, CUmemorytype from, CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    fac_op op = {.kind = FAC_OP_COPY};
    op.copy = (CUDA_MEMCPY3D){.srcMemoryType = from,
                              .srcHost = (const void *)(uintptr_t)src,
                              .srcDevice = src,
                              .dstMemoryType = to,
                              .dstHost = (void *)(uintptr_t)dst,
                              .dstDevice = dst,
                              .WidthInBytes = n,
                              .Height = 1,
                              .Depth = 1};
    return op;
}

/* As on the legacy stream, and done when it returns. */
static CUresult now(fac_op *op)
{
    CUstream legacy;
    CUresult r = fac_enter();
    if (!r)
        r = fac_submit(NULL, op);
    if (!r && !(r = fac_stream_of(NULL, &legacy)))
        fac_wait_stream(legacy);
    fac_flush_printf();
    return fac_leave(r ? r : fac.sticky);
}

#define HOST(p) ((CUdeviceptr)(uintptr_t)(p))

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s)
{
    fac_op op = row(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, dst, HOST(src), n);
    return fac_submit_alone(s, &op);
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s)
{
    fac_op op = row(CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_DEVICE, HOST(dst), src, n);
    return fac_submit_alone(s, &op);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s)
{
    fac_op op = row(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE, dst, src, n);
    return fac_submit_alone(s, &op);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s)
{
    fac_op op = row(CU_MEMORYTYPE_UNIFIED, CU_MEMORYTYPE_UNIFIED, dst, src, n);
    return fac_submit_alone(s, &op);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t n)
{
    fac_op op = row(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, dst, HOST(src), n);
    return now(&op);
}

CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t n)
{
    fac_op op = row(CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_DEVICE, HOST(dst), src, n);
    return now(&op);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    fac_op op = row(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE, dst, src, n);
    return now(&op);
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
    fac_op op = row(CU_MEMORYTYPE_UNIFIED, CU_MEMORYTYPE_UNIFIED, dst, src, n);
    return now(&op);
}

/* All contexts share one memory. */
CUresult cuMemcpyPeer(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t n)
{
    (void)to, (void)from;
    return cuMemcpyDtoD_v2(dst, src, n);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from, size_t n,
                           CUstream s)
{
    (void)to, (void)from;
    return cuMemcpyDtoDAsync_v2(dst, src, n, s);
}

/* ---- of two and three dimensions ---- */

static fac_op plane(const CUDA_MEMCPY2D *c)
{
    fac_op op = {.kind = FAC_OP_COPY};
    op.copy = (CUDA_MEMCPY3D){.srcXInBytes = c->srcXInBytes,
                              .srcY = c->srcY,
                              .srcMemoryType = c->srcMemoryType,
                              .srcHost = c->srcHost,
                              .srcDevice = c->srcDevice,
                              .srcArray = c->srcArray,
                              .srcPitch = c->srcPitch,
                              .dstXInBytes = c->dstXInBytes,
                              .dstY = c->dstY,
                              .dstMemoryType = c->dstMemoryType,
                              .dstHost = c->dstHost,
                              .dstDevice = c->dstDevice,
                              .dstArray = c->dstArray,
                              .dstPitch = c->dstPitch,
                              .WidthInBytes = c->WidthInBytes,
                              .Height = c->Height,
                              .Depth = 1};
    return op;
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *c)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = plane(c);
    return now(&op);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *c)
{
    return cuMemcpy2D_v2(c);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *c, CUstream s)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = plane(c);
    return fac_submit_alone(s, &op);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *c)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = {.kind = FAC_OP_COPY, .copy = *c};
    return now(&op);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *c, CUstream s)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = {.kind = FAC_OP_COPY, .copy = *c};
    return fac_submit_alone(s, &op);
}

static fac_op box_of_peers(const CUDA_MEMCPY3D_PEER *c)
{
    fac_op op = {.kind = FAC_OP_COPY};
    op.copy = (CUDA_MEMCPY3D){.srcXInBytes = c->srcXInBytes,
                              .srcY = c->srcY,
                              .srcZ = c->srcZ,
                              .srcMemoryType = c->srcMemoryType,
                              .srcHost = c->srcHost,
                              .srcDevice = c->srcDevice,
                              .srcArray = c->srcArray,
                              .srcPitch = c->srcPitch,
                              .srcHeight = c->srcHeight,
                              .dstXInBytes = c->dstXInBytes,
                              .dstY = c->dstY,
                              .dstZ = c->dstZ,
                              .dstMemoryType = c->dstMemoryType,
                              .dstHost = c->dstHost,
                              .dstDevice = c->dstDevice,
                              .dstArray = c->dstArray,
                              .dstPitch = c->dstPitch,
                              .dstHeight = c->dstHeight,
                              .WidthInBytes = c->WidthInBytes,
                              .Height = c->Height,
                              .Depth = c->Depth};
    return op;
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *c)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = box_of_peers(c);
    return now(&op);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *c, CUstream s)
{
    if (!c)
        return CUDA_ERROR_INVALID_VALUE;
    fac_op op = box_of_peers(c);
    return fac_submit_alone(s, &op);
}

/* The copies of a batch are in no order among each other: here in that of the arrays. */
CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *dst, CUdeviceptr *src, size_t *n, size_t count,
                               CUmemcpyAttributes *attrs, size_t *indices, size_t n_attrs,
                               CUstream s)
{
    (void)attrs, (void)indices, (void)n_attrs; /* hints */
    CUresult r = fac_enter();
    if (!r && (!dst || !src || !n || !count || !s || s == CU_STREAM_LEGACY))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a batch has copies, and a stream of its own");
    for (size_t i = 0; !r && i < count; i++) {
        fac_op op = row(CU_MEMORYTYPE_UNIFIED, CU_MEMORYTYPE_UNIFIED, dst[i], src[i], n[i]);
        r = fac_submit(s, &op);
    }
    return fac_leave(r);
}

/* ---- fills ---- */

CUresult fac_fill_check(const CUDA_MEMSET_NODE_PARAMS *f)
{
    uint64_t start;
    size_t n, width, rows = 0;
    if ((f->elementSize != 1 && f->elementSize != 2 && f->elementSize != 4) ||
        f->dst % f->elementSize || !ws_size_mul(f->width, f->elementSize, &width))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "a fill of %zu elements of %u bytes at 0x%llx",
                        f->width, f->elementSize, f->dst);
    if (!width || !f->height)
        return CUDA_SUCCESS;
    if (f->height > 1 && (f->pitch < width || f->pitch % f->elementSize ||
                          !ws_size_mul(f->pitch, f->height - 1, &rows)))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "rows of %zu bytes that are %zu bytes apart",
                        width, f->pitch);
    if (!ws_size_add(rows, width, &rows) || !ptx_memory_range(fac.mem, f->dst, &start, &n) ||
        rows > n - (f->dst - start))
        return outside(f->dst, rows);
    return CUDA_SUCCESS;
}

CUresult fac_fill_run(const CUDA_MEMSET_NODE_PARAMS *f)
{
    const size_t width = f->width * f->elementSize;
    if (!width || !f->height)
        return CUDA_SUCCESS;
    unsigned char *line = f->elementSize == 1 ? NULL : malloc(width);
    if (f->elementSize != 1 && !line)
        return fac_fail(CUDA_ERROR_OUT_OF_MEMORY, "no memory for %zu bytes", width);
    for (size_t i = 0; line && i < f->width; i++)
        memcpy(line + i * f->elementSize, &f->value, f->elementSize); /* the low bytes */
    for (size_t y = 0; y < f->height; y++)
        if (line)
            (void)ptx_memory_write(fac.mem, f->dst + y * f->pitch, line, width);
        else
            (void)ptx_memory_fill(fac.mem, f->dst + y * f->pitch, (int)(f->value & 0xff), width);
    free(line);
    fac_clock_bytes(f->height * width);
    return CUDA_SUCCESS;
}

static CUresult fill(CUdeviceptr dst, size_t pitch, unsigned value, unsigned size, size_t width,
                     size_t height, CUstream s)
{
    fac_op op = {.kind = FAC_OP_FILL};
    op.fill = (CUDA_MEMSET_NODE_PARAMS){dst, pitch, value, size, width, height};
    return fac_submit_alone(s, &op);
}

#define FILLS(bits, type)                                                                          \
    CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type value, size_t n, CUstream s)             \
    {                                                                                              \
        return fill(dst, 0, value, bits / 8, n, 1, s);                                             \
    }                                                                                              \
    CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type value, size_t n)                           \
    {                                                                                              \
        return fill(dst, 0, value, bits / 8, n, 1, NULL);                                          \
    }                                                                                              \
    CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type value, size_t width,     \
                                      size_t height, CUstream s)                                   \
    {                                                                                              \
        return fill(dst, pitch, value, bits / 8, width, height, s);                                \
    }                                                                                              \
    CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type value, size_t width,       \
                                    size_t height)                                                 \
    {                                                                                              \
        return fill(dst, pitch, value, bits / 8, width, height, NULL);                             \
    }
FILLS(8, unsigned char)
FILLS(16, unsigned short)
FILLS(32, unsigned)
