/* Libraries and their kernels: other names for modules and functions, which need no context. */
#include "harness/ptx/cuda/internal.h"

#include "base/file.h"

enum { MAX_FILE_BYTES = 256 << 20 };

static CUmodule module_of(CUlibrary l)
{
    return (CUmodule)(void *)l;
}

static CUfunction function_of(CUkernel k)
{
    return (CUfunction)(void *)k;
}

static CUresult load(CUlibrary *out, const void *code, size_t bytes, CUjit_option *jit,
                     void **jit_values, unsigned n_jit)
{
    CUmodule m = NULL;
    CUresult r = fac_enter_device();
    if (!r && (!out || (n_jit && (!jit || !jit_values))))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        r = fac_module_load(&m, code, bytes);
        fac_module_write_log(n_jit, jit, jit_values, r ? fac_detail() : "");
    }
    if (!r)
        *out = (CUlibrary)(void *)m;
    return fac_leave(r);
}

CUresult cuLibraryLoadData(CUlibrary *out, const void *code, CUjit_option *jit, void **jit_values,
                           unsigned n_jit, CUlibraryOption *options, void **values, unsigned n)
{
    (void)options, (void)values, (void)n; /* all are hints */
    return load(out, code, 0, jit, jit_values, n_jit);
}

CUresult cuLibraryLoadFromFile(CUlibrary *out, const char *path, CUjit_option *jit,
                               void **jit_values, unsigned n_jit, CUlibraryOption *options,
                               void **values, unsigned n)
{
    ws_err err = {0};
    ws_buf data = {.max = MAX_FILE_BYTES};
    CUresult r = CUDA_ERROR_FILE_NOT_FOUND;
    (void)options, (void)values, (void)n;
    if (!path)
        return CUDA_ERROR_INVALID_VALUE;
    if (!ws_read_file(path, MAX_FILE_BYTES, &data, &err)) {
        (void)ws_buf_z(&data);
        r = data.n ? load(out, data.p, data.n, jit, jit_values, n_jit) : CUDA_ERROR_INVALID_IMAGE;
    }
    ws_buf_release(&data);
    return r;
}

CUresult cuLibraryUnload(CUlibrary l)
{
    return cuModuleUnload(module_of(l));
}

static CUresult enter_library(CUlibrary l, const void *out)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !fac_module_is(module_of(l)))
        r = fac_fail(CUDA_ERROR_INVALID_HANDLE, "%p is no library", (void *)l);
    return r;
}

CUresult cuLibraryGetModule(CUmodule *out, CUlibrary l)
{
    CUresult r = enter_library(l, out);
    if (!r)
        *out = module_of(l);
    return fac_leave(r);
}

CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary l, const char *name)
{
    CUfunction f = NULL;
    CUresult r = enter_library(l, out);
    if (!r && !(r = fac_module_function(&f, module_of(l), name)))
        *out = (CUkernel)(void *)f;
    return fac_leave(r);
}

CUresult cuLibraryGetKernelCount(unsigned *out, CUlibrary l)
{
    CUresult r = enter_library(l, out);
    if (!r)
        *out = (unsigned)ptx_module_kernels(module_of(l)->ptx);
    return fac_leave(r);
}

CUresult cuLibraryEnumerateKernels(CUkernel *out, unsigned n, CUlibrary l)
{
    CUresult r = enter_library(l, out);
    for (unsigned i = 0; !r && i < n && i < (unsigned)ptx_module_kernels(module_of(l)->ptx); i++) {
        CUfunction f = NULL;
        r = fac_module_function(&f, module_of(l),
                                ptx_module_kernel(module_of(l)->ptx, (int)i)->name);
        out[i] = (CUkernel)(void *)f;
    }
    return fac_leave(r);
}

CUresult cuLibraryGetGlobal(CUdeviceptr *out, size_t *bytes, CUlibrary l, const char *name)
{
    return cuModuleGetGlobal_v2(out, bytes, module_of(l), name);
}

/* The engine's managed variables are its global ones. */
CUresult cuLibraryGetManaged(CUdeviceptr *out, size_t *bytes, CUlibrary l, const char *name)
{
    return cuModuleGetGlobal_v2(out, bytes, module_of(l), name);
}

/* ---- kernels ---- */

static CUresult enter_kernel(CUkernel k, const void *out)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    return r ? r : fac_function_check(function_of(k));
}

CUresult cuKernelGetFunction(CUfunction *out, CUkernel k)
{
    CUresult r = enter_kernel(k, out);
    if (!r)
        *out = function_of(k);
    return fac_leave(r);
}

CUresult cuKernelGetLibrary(CUlibrary *out, CUkernel k)
{
    CUresult r = enter_kernel(k, out);
    if (!r)
        *out = (CUlibrary)(void *)function_of(k)->module;
    return fac_leave(r);
}

CUresult cuKernelGetName(const char **out, CUkernel k)
{
    CUresult r = enter_kernel(k, out);
    if (!r)
        *out = function_of(k)->info->name;
    return fac_leave(r);
}

CUresult cuKernelGetParamInfo(CUkernel k, size_t index, size_t *offset, size_t *size)
{
    return cuFuncGetParamInfo(function_of(k), index, offset, size);
}

CUresult cuKernelGetAttribute(int *out, CUfunction_attribute attribute, CUkernel k, CUdevice dev)
{
    (void)dev;
    return cuFuncGetAttribute(out, attribute, function_of(k));
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel k, CUdevice dev)
{
    (void)dev;
    return cuFuncSetAttribute(function_of(k), attribute, value);
}

CUresult cuKernelSetCacheConfig(CUkernel k, CUfunc_cache config, CUdevice dev)
{
    (void)dev;
    return cuFuncSetCacheConfig(function_of(k), config);
}
