/* What has no object behind it: the profiler's switches and tables that are private to NVIDIA. */
#include "harness/ptx/cuda/internal.h"

#include <cudaProfiler.h>

CUresult cuProfilerStart(void)
{
    return fac_leave(fac_enter());
}

CUresult cuProfilerStop(void)
{
    return fac_leave(fac_enter());
}

/* Tables of functions without names or documentation, by UUID. There are none here. */
CUresult cuGetExportTable(const void **out, const CUuuid *id)
{
    if (!out || !id)
        return CUDA_ERROR_INVALID_VALUE;
    *out = NULL;
    return CUDA_ERROR_NOT_FOUND;
}
