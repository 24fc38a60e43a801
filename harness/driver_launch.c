/* Launches, and the descriptors of tensors that they take. */
#include "harness/driver_state.h"

/* Static and dynamic shared memory above 48 KiB together has to be allowed per kernel first. */
static ws_status allow_shared(cu_device *d, CUfunction f, const cu_launch_args *l, ws_err *err)
{
    uint32_t most = l->max_shared_bytes > l->shared_bytes ? l->max_shared_bytes : l->shared_bytes;
    if (!most)
        return WS_OK;
    return TRY(d, function_set, err, f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)most);
}

static ws_status launch_ex(cu_device *d, CUfunction f, const cu_launch_args *l, void **params,
                           void **extra, ws_err *err)
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
    return TRY(d, launch_ex, err, &c, f, params, extra);
}

ws_status cu_launch(cu_device *d, cu_module *m, const cu_launch_args *l, ws_err *err)
{
    CUfunction f;
    size_t bytes = l->params_bytes;
    union { /* the interface takes void *; it does not write through it */
        const void *from;
        void *to;
    } params = {l->params};
    void *block[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, params.to, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                     CU_LAUNCH_PARAM_END};
    void *single[CU_MAX_PARAMS];
    for (int i = 0; l->param_at && i < l->n_params; i++)
        single[i] = (unsigned char *)params.to + l->param_at[i];
    void **each = l->param_at ? single : NULL, **extra = l->param_at ? NULL : block;
    if (TRY(d, module_function, err, &f, m->module, l->kernel))
        return ws_wrap(err, "kernel '%s'", l->kernel);
    if (allow_shared(d, f, l, err))
        return err->status;
    if (l->cooperative || l->cluster[0])
        return launch_ex(d, f, l, each, extra, err);
    return TRY(d, launch, err, f, l->grid[0], l->grid[1], l->grid[2], l->block[0], l->block[1],
               l->block[2], l->shared_bytes, NULL, each, extra);
}

ws_status cu_synchronize(cu_device *d, ws_err *err)
{
    return cu_try(d, d->cu.ctx_synchronize(), offsetof(symbols, ctx_synchronize), err);
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
    if (d->capability < 90) {
        d->reason = HX_INVALID_LAUNCH;
        return ws_fail(err, WS_EINPUT, "tensor maps need compute capability 9.0, '%s' has %d.%d",
                       d->name, d->capability / 10, d->capability % 10);
    }
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
