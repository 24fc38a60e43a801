/* Which headers a candidate may name, and what NVRTC finds under that name: our prelude holds
 * the usual C and C++ standard library for the device, so their headers are empty; cuda.h and
 * cub.cuh, which are host code, get small replacements; fp16, mma, cooperative_groups and the
 * like are the toolkit's own. */
#include "harness/compile/internal.h"

#include <string.h>

static const char *const std_names[] = {
    "assert.h", "ctype.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h",
    "algorithm", "array", "bit", "cassert", "cfloat", "chrono", "cinttypes", "climits", "cmath",
    "complex", "concepts", "cstddef", "cstdint", "cstdio", "cstdlib", "cstring", "ctime", "functional",
    "initializer_list", "iomanip", "iostream", "iterator", "limits", "memory", "new", "numeric",
    "optional", "random", "ratio", "sstream", "stdexcept", "string", "tuple", "type_traits", "utility",
    "variant", "vector",
    /* host side of CUDA; what a kernel needs of them is built into NVRTC */
    "cuda_runtime.h", "cuda_runtime_api.h", "device_launch_parameters.h", "driver_types.h",
    "device_functions.h", "device_atomic_functions.h", "math_functions.h", "helper_cuda.h",
    "cuda_profiler_api.h",
};

static const char cuda_h[] =
    "#pragma once\n"
    "typedef struct __align__(128) CUtensorMap_st { unsigned long long opaque[16]; } CUtensorMap;\n"
    "typedef int CUresult;\n"
    "typedef struct CUstream_st *CUstream;\n"
    "typedef unsigned long long CUdeviceptr;\n";

/* cub.cuh pulls in device-wide algorithms, which are host code; this is its block and warp part. */
static const char cub_cuh[] =
    "#pragma once\n"
    "#include <cub/block/block_reduce.cuh>\n"
    "#include <cub/block/block_scan.cuh>\n"
    "#include <cub/block/block_load.cuh>\n"
    "#include <cub/block/block_store.cuh>\n"
    "#include <cub/block/block_exchange.cuh>\n"
    "#include <cub/block/block_radix_sort.cuh>\n"
    "#include <cub/block/block_histogram.cuh>\n"
    "#include <cub/block/block_discontinuity.cuh>\n"
    "#include <cub/block/block_merge_sort.cuh>\n"
    "#include <cub/warp/warp_reduce.cuh>\n"
    "#include <cub/warp/warp_scan.cuh>\n"
    "#include <cub/warp/warp_exchange.cuh>\n"
    "#include <cub/warp/warp_merge_sort.cuh>\n";

/* crt/mma.h names its neighbour so. */
static const char mma_hpp[] = "#include <crt/mma.hpp>\n";

static const char *const toolkit_names[] = {
    "cuda_fp16.h", "cuda_fp16.hpp", "cuda_bf16.h", "cuda_bf16.hpp", "cuda_fp8.h", "cuda_fp6.h",
    "cuda_fp4.h", "mma.h", "crt/mma.h", "math_constants.h", "cooperative_groups.h", "cuda_pipeline.h",
    "cuda_pipeline_primitives.h", "cuda_pipeline_helpers.h", "cuda_awbarrier.h",
    "cuda_awbarrier_primitives.h", "cuComplex.h", "vector_types.h", "vector_functions.h",
    "vector_functions.hpp", "library_types.h", "texture_types.h", "surface_types.h", "builtin_types.h",
    "host_defines.h", "curand_kernel.h", "sm_20_intrinsics.h", "sm_30_intrinsics.h",
    "sm_32_intrinsics.h", "sm_35_intrinsics.h", "sm_61_intrinsics.h", "sm_60_atomic_functions.h",
};
static const char *const toolkit_dirs[] = {"cooperative_groups/", "cuda/", "cub/", "nv/", "thrust/"};

enum { N_STD = WS_COUNT(std_names), N_OWN = 4, N_HEADERS = N_STD + N_OWN };

const char *comp_prelude_name(void)
{
    return "warpsmith_prelude.h";
}

static char *join_prelude(void)
{
    ws_buf b = {0};
    for (int i = 0; comp_prelude_part[i]; i++)
        ws_buf_adds(&b, comp_prelude_part[i]);
    return ws_buf_take(&b);
}

const comp_headers *comp_headers_get(void)
{
    static const char *name[N_HEADERS], *text[N_HEADERS];
    static const comp_headers headers = {name, text, N_HEADERS};
    if (name[0])
        return &headers;
    for (int i = 0; i < N_STD; i++) {
        name[N_OWN + i] = std_names[i];
        text[N_OWN + i] = "";
    }
    text[0] = join_prelude();
    name[0] = comp_prelude_name();
    name[1] = "cuda.h", text[1] = cuda_h;
    name[2] = "cub/cub.cuh", text[2] = cub_cuh;
    name[3] = "mma.hpp", text[3] = mma_hpp;
    return &headers;
}

const char *comp_headers_sha256(void)
{
    static char hex[WS_SHA256_HEX];
    const comp_headers *h = comp_headers_get();
    ws_sha256 s;
    if (hex[0])
        return hex;
    ws_sha256_init(&s);
    for (int i = 0; i < h->n; i++) {
        ws_sha256_add_field(&s, h->name[i], strlen(h->name[i]));
        ws_sha256_add_field(&s, h->text[i], strlen(h->text[i]));
    }
    ws_sha256_hex(&s, hex);
    return hex;
}

/* ---- what may be named ---- */

static bool is_listed(ws_str name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ws_str_eqz(name, list[i]))
            return true;
    return false;
}

static bool starts(ws_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

static bool has_parent_step(ws_str s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '.' && s.p[i + 1] == '.' && (i == 0 || s.p[i - 1] == '/') &&
            (i + 2 == s.n || s.p[i + 2] == '/'))
            return true;
    return false;
}

/* Why a header that is not on the list is not: what people try most, first. */
static const char *explain(ws_str name)
{
    static const struct {
        const char *prefix, *why;
    } known[] = {
        {"torch/", "PyTorch headers are host code; the kernel gets plain pointers and integers"},
        {"ATen/", "PyTorch headers are host code; the kernel gets plain pointers and integers"},
        {"c10/", "PyTorch headers are host code; the kernel gets plain pointers and integers"},
        {"pybind11/", "Python bindings are host code; the harness launches the kernel from its plan"},
        {"Python.h", "Python bindings are host code; the harness launches the kernel from its plan"},
        {"cublas", "library calls are host code; the kernel must do the work itself"},
        {"cudnn", "library calls are host code; the kernel must do the work itself"},
        {"cufft", "library calls are host code; the kernel must do the work itself"},
        {"cusparse", "library calls are host code; the kernel must do the work itself"},
        {"cusolver", "library calls are host code; the kernel must do the work itself"},
        {"nccl", "library calls are host code; the kernel must do the work itself"},
        {"curand.h", "it is the host side; device code includes <curand_kernel.h>"},
        {"cutlass/", "CUTLASS is not part of the CUDA toolkit"},
        {"cute/", "CUTLASS is not part of the CUDA toolkit"},
        {"nvtx3/", "profiling marks are host code"},
    };
    for (size_t i = 0; i < WS_COUNT(known); i++)
        if (starts(name, known[i].prefix))
            return known[i].why;
    return "candidates may include standard C and C++ headers, cuda_fp16.h, cuda_bf16.h, mma.h, "
           "cooperative_groups and the device headers of the CUDA toolkit only";
}

bool comp_include_is_empty(const char *name, size_t n)
{
    return is_listed((ws_str){name, n}, std_names, N_STD);
}

const char *comp_include_refused(const char *z, size_t n)
{
    ws_str name = {z, n};
    if (n == 0)
        return "it names no file";
    if (z[0] == '/' || z[0] == '~' || memchr(z, '\\', n) || memchr(z, ':', n))
        return "it is a path outside the CUDA headers";
    if (has_parent_step(name))
        return "it leaves the CUDA headers through '..'";
    for (size_t i = 0; i < WS_COUNT(toolkit_dirs); i++)
        if (starts(name, toolkit_dirs[i]))
            return NULL;
    if (is_listed(name, std_names, N_STD) || ws_str_eqz(name, "cuda.h") ||
        is_listed(name, toolkit_names, WS_COUNT(toolkit_names)))
        return NULL;
    return explain(name);
}
