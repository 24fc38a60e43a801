/* What has no object behind it: the profiler's switches and tables that are private to NVIDIA. */
#include "harness/ptx/cuda/internal.h"

#include <cudaProfiler.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

CUresult cuProfilerStart(void)
{
    return fac_leave(fac_enter());
}

CUresult cuProfilerStop(void)
{
    return fac_leave(fac_enter());
}

/* Tables of functions without names or documentation, by UUID. There are none here. NVRTC and others
 * ask for some and do without; libcudart does not start without the one that is named here. */
CUresult cuGetExportTable(const void **out, const CUuuid *id)
{
    static const unsigned char runtime[16] = {0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a,
                                              0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9};
    static atomic_bool told;
    if (!out || !id)
        return CUDA_ERROR_INVALID_VALUE;
    *out = NULL;
    if (memcmp(id->bytes, runtime, sizeof runtime) == 0 && !atomic_exchange(&told, true))
        fputs("warpsmith: the CPU driver has none of the tables that are private to NVIDIA's "
              "(cuGetExportTable); the CUDA runtime API does not start without them\n",
              stderr);
    return CUDA_ERROR_NOT_FOUND;
}
