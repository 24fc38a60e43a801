/* Launches as before CUDA 4: a function's block and parameters are set one by one. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <string.h>

static CUresult enter_function(CUfunction f)
{
    CUresult r = fac_enter();
    if (!r)
        r = fac_function_check(f);
    if (!r && !f->legacy_params)
        f->legacy_params = ws_calloc(FAC_MAX_PARAM_BYTES, 1);
    return r;
}

CUresult cuFuncSetBlockShape(CUfunction f, int x, int y, int z)
{
    CUresult r = enter_function(f);
    if (!r && (x <= 0 || y <= 0 || z <= 0))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "blocks of (%d, %d, %d) threads", x, y, z);
    if (!r) {
        f->legacy_block[0] = (unsigned)x;
        f->legacy_block[1] = (unsigned)y;
        f->legacy_block[2] = (unsigned)z;
    }
    return fac_leave(r);
}

CUresult cuFuncSetSharedSize(CUfunction f, unsigned bytes)
{
    CUresult r = enter_function(f);
    if (!r)
        f->legacy_shared = bytes;
    return fac_leave(r);
}

CUresult cuFuncSetSharedMemConfig(CUfunction f, CUsharedconfig config)
{
    (void)config; /* there is one since Maxwell */
    CUresult r = fac_enter();
    return fac_leave(r ? r : fac_function_check(f));
}

CUresult cuParamSetSize(CUfunction f, unsigned bytes)
{
    CUresult r = enter_function(f);
    if (!r && bytes > FAC_MAX_PARAM_BYTES)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%u bytes of parameters, at most %d", bytes,
                     FAC_MAX_PARAM_BYTES);
    return fac_leave(r);
}

CUresult cuParamSetv(CUfunction f, int offset, void *p, unsigned n)
{
    CUresult r = enter_function(f);
    if (!r && (!p || offset < 0 || n > FAC_MAX_PARAM_BYTES ||
               (unsigned)offset > FAC_MAX_PARAM_BYTES - n))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "%u bytes of parameters at %d", n, offset);
    if (!r)
        memcpy(f->legacy_params + offset, p, n);
    return fac_leave(r);
}

CUresult cuParamSeti(CUfunction f, int offset, unsigned value)
{
    return cuParamSetv(f, offset, &value, sizeof value);
}

CUresult cuParamSetf(CUfunction f, int offset, float value)
{
    return cuParamSetv(f, offset, &value, sizeof value);
}

CUresult cuLaunchGridAsync(CUfunction f, int width, int height, CUstream s)
{
    CUresult r = fac_leave(enter_function(f));
    if (r)
        return r;
    if (width <= 0 || height <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    size_t bytes = FAC_MAX_PARAM_BYTES;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, f->legacy_params, CU_LAUNCH_PARAM_BUFFER_SIZE,
                     &bytes, CU_LAUNCH_PARAM_END};
    return cuLaunchKernel(f, (unsigned)width, (unsigned)height, 1, f->legacy_block[0],
                          f->legacy_block[1], f->legacy_block[2], f->legacy_shared, s, NULL, extra);
}

CUresult cuLaunchGrid(CUfunction f, int width, int height)
{
    return cuLaunchGridAsync(f, width, height, NULL);
}

CUresult cuLaunch(CUfunction f)
{
    return cuLaunchGridAsync(f, 1, 1, NULL);
}

/* Every launch runs to its end before the next: those of one call that wait for each other across
 * devices cannot. */
CUresult cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *p, unsigned n, unsigned flags)
{
    CUresult r = p && n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    (void)flags;
    for (unsigned i = 0; !r && i < n; i++)
        r = cuLaunchCooperativeKernel(p[i].function, p[i].gridDimX, p[i].gridDimY, p[i].gridDimZ,
                                      p[i].blockDimX, p[i].blockDimY, p[i].blockDimZ,
                                      p[i].sharedMemBytes, p[i].hStream, p[i].kernelParams);
    return r;
}
