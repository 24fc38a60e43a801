/* What has no object behind it: the profiler's switches and tables that are private to NVIDIA. */
#include "harness/ptx/cuda/internal.h"

#include <cudaProfiler.h>
#include <stdatomic.h>
#include <stdio.h>

CUresult cuProfilerStart(void)
{
    return fac_leave(fac_enter());
}

CUresult cuProfilerStop(void)
{
    return fac_leave(fac_enter());
}

/* Tables of functions without names or documentation, by UUID: libcudart asks for some of them and
 * does not start without. There are none here. */
CUresult cuGetExportTable(const void **out, const CUuuid *id)
{
    static atomic_bool told;
    if (!out || !id)
        return CUDA_ERROR_INVALID_VALUE;
    *out = NULL;
    if (!atomic_exchange(&told, true))
        fputs("warpsmith: the CPU driver has none of the tables that are private to NVIDIA's "
              "(cuGetExportTable); the CUDA runtime API does not start without them\n",
              stderr);
    return CUDA_ERROR_NOT_FOUND;
}
