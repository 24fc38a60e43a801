/* Tensor maps: the driver's arguments into the engine's 128 bytes. */
#include "harness/ptx/cuda/internal.h"

#include "base/mem.h"
#include "harness/ptx/tensormap.h"

#include <string.h>

typedef struct encoding { /* what the three functions have in common */
    CUtensorMap *out;
    CUtensorMapDataType type;
    cuuint32_t rank;
    void *address;
    const cuuint64_t *dim, *stride;
    const cuuint32_t *step;
    CUtensorMapInterleave interleave;
    CUtensorMapSwizzle swizzle;
    CUtensorMapL2promotion promotion;
    CUtensorMapFloatOOBfill fill;
} encoding;

static const uint8_t types[] = {
    [CU_TENSOR_MAP_DATA_TYPE_UINT8] = PTX_TM_U8,
    [CU_TENSOR_MAP_DATA_TYPE_UINT16] = PTX_TM_U16,
    [CU_TENSOR_MAP_DATA_TYPE_UINT32] = PTX_TM_U32,
    [CU_TENSOR_MAP_DATA_TYPE_INT32] = PTX_TM_S32,
    [CU_TENSOR_MAP_DATA_TYPE_UINT64] = PTX_TM_U64,
    [CU_TENSOR_MAP_DATA_TYPE_INT64] = PTX_TM_S64,
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT16] = PTX_TM_F16,
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT32] = PTX_TM_F32,
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT64] = PTX_TM_F64,
    [CU_TENSOR_MAP_DATA_TYPE_BFLOAT16] = PTX_TM_BF16,
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT32_FTZ] = PTX_TM_F32_FTZ,
    [CU_TENSOR_MAP_DATA_TYPE_TFLOAT32] = PTX_TM_TF32,
    [CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ] = PTX_TM_TF32_FTZ,
    [CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN8B] = PTX_TM_B4X16,
    [CU_TENSOR_MAP_DATA_TYPE_16U4_ALIGN16B] = PTX_TM_B4X16_P64,
    [CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B] = PTX_TM_B6X16_P32,
};
static const struct {
    uint8_t swizzle, atom;
} swizzles[] = {
    [CU_TENSOR_MAP_SWIZZLE_NONE] = {PTX_TM_SWIZZLE_NONE, PTX_TM_ATOM_16},
    [CU_TENSOR_MAP_SWIZZLE_32B] = {PTX_TM_SWIZZLE_32, PTX_TM_ATOM_16},
    [CU_TENSOR_MAP_SWIZZLE_64B] = {PTX_TM_SWIZZLE_64, PTX_TM_ATOM_16},
    [CU_TENSOR_MAP_SWIZZLE_128B] = {PTX_TM_SWIZZLE_128, PTX_TM_ATOM_16},
    [CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B] = {PTX_TM_SWIZZLE_128, PTX_TM_ATOM_32},
    [CU_TENSOR_MAP_SWIZZLE_128B_ATOM_32B_FLIP_8B] = {PTX_TM_SWIZZLE_128, PTX_TM_ATOM_32_FLIP},
    [CU_TENSOR_MAP_SWIZZLE_128B_ATOM_64B] = {PTX_TM_SWIZZLE_128, PTX_TM_ATOM_64},
};

static CUresult start(const encoding *e, ptx_tensor_map *m)
{
    CUresult r = fac_enter_device();
    if (r)
        return r;
    if (!e->out || (uintptr_t)e->out % PTX_TM_ALIGN)
        return fac_fail(CUDA_ERROR_INVALID_VALUE,
                        "the tensor map's own address must be a multiple of %d", PTX_TM_ALIGN);
    if (!e->dim || !e->step || (e->rank > 1 && !e->stride))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "an array of the tensor map is missing");
    if (e->rank < 1 || e->rank > PTX_TM_RANK)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "the rank is %u, allowed are 1 to %d", e->rank,
                        PTX_TM_RANK);
    if ((size_t)e->type >= WS_COUNT(types) || (size_t)e->swizzle >= WS_COUNT(swizzles))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "an unknown type or swizzle");
    *m = (ptx_tensor_map){.magic = PTX_TM_MAGIC,
                          .rank = (uint8_t)e->rank,
                          .type = types[e->type],
                          .interleave = (uint8_t)e->interleave,
                          .swizzle = swizzles[e->swizzle].swizzle,
                          .atom = swizzles[e->swizzle].atom,
                          .fill = (uint8_t)e->fill,
                          .promotion = (uint8_t)e->promotion,
                          .address = (uint64_t)(uintptr_t)e->address};
    for (cuuint32_t d = 0; d < e->rank; d++) {
        if (e->dim[d] < 1 || e->dim[d] > 1ull << 32)
            return fac_fail(CUDA_ERROR_INVALID_VALUE,
                            "globalDim[%u] is %llu, allowed are 1 to 2^32", d,
                            (unsigned long long)e->dim[d]);
        m->last[d] = (uint32_t)(e->dim[d] - 1);
        m->step[d] = (uint8_t)(e->step[d] > UINT8_MAX ? UINT8_MAX : e->step[d]);
        if (d)
            m->stride[d - 1] = e->stride[d - 1];
    }
    if (!m->interleave)
        m->step[0] = 1; /* is ignored */
    return CUDA_SUCCESS;
}

static CUresult check(const encoding *e, const ptx_tensor_map *m)
{
    char why[200];
    if (ptx_tm_invalid(m, why, sizeof why))
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "%s", why);
    const char *lacks = ptx_tm_unsupported(m);
    if (lacks)
        return fac_fail(CUDA_ERROR_NOT_SUPPORTED, "the CPU engine does not support %s", lacks);
    memcpy(e->out, m, sizeof *m);
    return CUDA_SUCCESS;
}

/* `r`: whether the map is whole */
static CUresult finish(CUresult r, const encoding *e, const ptx_tensor_map *m)
{
    return fac_leave(r ? r : check(e, m));
}

static uint16_t clamp16(cuuint32_t v)
{
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
                                void *address, const cuuint64_t *dim, const cuuint64_t *strides,
                                const cuuint32_t *box, const cuuint32_t *steps,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
    encoding e = {map, type, rank, address, dim, strides, steps, interleave, swizzle, promotion,
                  fill};
    ptx_tensor_map m;
    CUresult r = start(&e, &m);
    if (!r && !box)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "boxDim is missing");
    for (cuuint32_t d = 0; !r && d < rank; d++)
        m.box[d] = clamp16(box[d]);
    return finish(r, &e, &m);
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
                                 void *address, const cuuint64_t *dim, const cuuint64_t *strides,
                                 const int *lower, const int *upper, cuuint32_t channels,
                                 cuuint32_t pixels, const cuuint32_t *steps,
                                 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
    encoding e = {map, type, rank, address, dim, strides, steps, interleave, swizzle, promotion,
                  fill};
    ptx_tensor_map m;
    CUresult r = start(&e, &m);
    if (!r && (!lower || !upper))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a corner of the pixel box is missing");
    for (cuuint32_t d = 0; !r && rank >= 3 && d < rank - 2; d++) {
        if (lower[d] != (int16_t)lower[d] || upper[d] != (int16_t)upper[d])
            r = fac_fail(CUDA_ERROR_INVALID_VALUE,
                         "a corner of the pixel box has more than 16 bits");
        m.lower[d] = (int16_t)lower[d];
        m.upper[d] = (int16_t)upper[d];
    }
    if (!r) {
        m.mode = PTX_TM_IM2COL;
        m.channels = clamp16(channels);
        m.pixels = clamp16(pixels);
    }
    return finish(r, &e, &m);
}

/* Its modes im2col::w and im2col::w::128 are instructions of sm_100. */
CUresult cuTensorMapEncodeIm2colWide(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
                                     void *address, const cuuint64_t *dim,
                                     const cuuint64_t *strides, int lower, int upper,
                                     cuuint32_t channels, cuuint32_t pixels,
                                     const cuuint32_t *steps, CUtensorMapInterleave interleave,
                                     CUtensorMapIm2ColWideMode mode, CUtensorMapSwizzle swizzle,
                                     CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
    (void)map, (void)type, (void)rank, (void)address, (void)dim, (void)strides, (void)lower;
    (void)upper, (void)channels, (void)pixels, (void)steps, (void)interleave, (void)mode;
    (void)swizzle, (void)promotion, (void)fill;
    CUresult r = fac_enter_device();
    return fac_leave(r ? r : fac_fail(CUDA_ERROR_NOT_SUPPORTED,
                                      "the CPU engine does not support tensor maps of im2col::w"));
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
    ptx_tensor_map m;
    CUresult r = fac_enter_device();
    if (!r && (!map || (uintptr_t)map % PTX_TM_ALIGN))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE,
                     "the tensor map's own address must be a multiple of %d", PTX_TM_ALIGN);
    if (r)
        return fac_leave(r);
    memcpy(&m, map, sizeof m);
    if (m.magic != PTX_TM_MAGIC)
        return fac_leave(fac_fail(CUDA_ERROR_INVALID_VALUE, "this is no tensor map"));
    m.address = (uint64_t)(uintptr_t)address;
    encoding e = {.out = map};
    return finish(r, &e, &m);
}
