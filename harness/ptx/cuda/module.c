/* Modules, libraries, kernels and their attributes. A library is a module and a CUkernel a
 * CUfunction. */
#include "base/file.h"
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/cuda/ws_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

/* ---- loading ---- */

/* Text of a failed load into the caller's CU_JIT_ERROR_LOG_BUFFER. */
static void write_log(unsigned n, const CUjit_option *option, void **value, const char *text)
{
    char *buffer = NULL;
    size_t size = 0;
    for (unsigned i = 0; i < n; i++) {
        if (option[i] == CU_JIT_ERROR_LOG_BUFFER)
            buffer = value[i];
        if (option[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            size = (size_t)(uintptr_t)value[i];
    }
    if (buffer && size)
        snprintf(buffer, size, "%s", text);
    for (unsigned i = 0; i < n; i++)
        if (option[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            value[i] = (void *)(uintptr_t)(buffer && size ? strlen(buffer) : 0);
}

static CUresult load(CUmodule *out, const void *image)
{
    static const unsigned char elf[4] = {0x7f, 'E', 'L', 'F'}, fatbin[4] = {0x50, 0xed, 0x55, 0xba};
    ptx_module *m = NULL;
    ws_err err = {0};
    if (!out || !image)
        return CUDA_ERROR_INVALID_VALUE;
    /* Any image has at least a NUL; memcmp would read on. */
    if (strncmp(image, (const char *)elf, 4) == 0 || strncmp(image, (const char *)fatbin, 4) == 0)
        return fac_fail(CUDA_ERROR_NO_BINARY_FOR_GPU,
                        "the CPU engine runs PTX text, not machine code: load the PTX");
    if (ptx_module_load(image, strlen(image), fac.mem, &m, &err))
        return fac_fail(CUDA_ERROR_INVALID_PTX, "%s", err.msg);
    CUmodule mod = ws_calloc(1, sizeof *mod);
    mod->ptx = m;
    mod->next = fac.modules;
    fac.modules = mod;
    *out = mod;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n, CUjit_option *option,
                            void **value)
{
    CUresult r = fac_enter();
    if (!r && (r = load(out, image)))
        write_log(n, option, value, fac_detail());
    return fac_leave(r);
}

CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
    return cuModuleLoadDataEx(out, image, 0, NULL, NULL);
}

CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image)
{
    return cuModuleLoadData(out, image);
}

CUresult cuModuleLoad(CUmodule *out, const char *path)
{
    ws_err err = {0};
    ws_buf text = {.max = MAX_FILE_BYTES};
    CUresult r = CUDA_ERROR_FILE_NOT_FOUND;
    if (!ws_read_file(path, MAX_FILE_BYTES, &text, &err))
        r = cuModuleLoadData(out, ws_buf_z(&text));
    ws_buf_release(&text);
    return r;
}

/* The link that points to m; NULL: not one of ours. */
static CUmodule *find_module(CUmodule m)
{
    CUmodule *at = &fac.modules;
    while (*at && *at != m)
        at = &(*at)->next;
    return *at ? at : NULL;
}

CUresult cuModuleUnload(CUmodule m)
{
    CUresult r = fac_enter_device();
    CUmodule *at = r ? NULL : find_module(m);
    if (!r && !at)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r) {
        *at = m->next;
        for (CUfunction f = m->functions, next; f; f = next) {
            next = f->next;
            free(f);
        }
        ptx_module_free(m->ptx);
        free(m);
    }
    return fac_leave(r);
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *out)
{
    *out = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
}

/* ---- what a module has ---- */

int wsEngineVariable(void *module, int i, char *name, size_t size, uint64_t *ptr, size_t *bytes)
{
    CUresult r = fac_enter_device();
    const char *z = "";
    CUmodule m = module;
    if (!r && (!find_module(m) || !ptx_module_variable(m->ptx, i, &z, ptr, bytes)))
        r = CUDA_ERROR_INVALID_VALUE;
    snprintf(name, size, "%s", z);
    return (int)fac_leave(r);
}

static CUfunction function_of(CUmodule m, const ptx_kernel_info *info)
{
    for (CUfunction f = m->functions; f; f = f->next)
        if (f->info == info)
            return f;
    CUfunction f = ws_calloc(1, sizeof *f);
    int spare = FAC_SHARED_DEFAULT - (int)info->static_shared_bytes;
    *f = (struct CUfunc_st){
        .module = m, .info = info, .max_dynamic_shared = spare > 0 ? spare : 0,
        .next = m->functions};
    m->functions = f;
    return f;
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule m, const char *name)
{
    CUresult r = fac_enter();
    if (!r && (!out || !name))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !find_module(m))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r) {
        const ptx_kernel_info *info = ptx_module_find(m->ptx, name);
        if (info)
            *out = function_of(m, info);
        else
            r = fac_fail(CUDA_ERROR_NOT_FOUND, "the module has no kernel '%s'", name);
    }
    return fac_leave(r);
}

CUresult cuModuleGetFunctionCount(unsigned *out, CUmodule m)
{
    CUresult r = fac_enter();
    if (!r && !find_module(m))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r)
        *out = (unsigned)ptx_module_kernels(m->ptx);
    return fac_leave(r);
}

CUresult cuModuleEnumerateFunctions(CUfunction *out, unsigned n, CUmodule m)
{
    CUresult r = fac_enter();
    if (!r && !find_module(m))
        r = CUDA_ERROR_INVALID_HANDLE;
    for (unsigned i = 0; !r && i < n && i < (unsigned)ptx_module_kernels(m->ptx); i++)
        out[i] = function_of(m, ptx_module_kernel(m->ptx, (int)i));
    return fac_leave(r);
}

CUresult cuModuleGetGlobal(CUdeviceptr *out, size_t *bytes, CUmodule m, const char *name)
{
    uint64_t p;
    size_t n;
    CUresult r = fac_enter();
    if (!r && !find_module(m))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r && (!name || !ptx_module_global(m->ptx, name, &p, &n)))
        r = fac_fail(CUDA_ERROR_NOT_FOUND, "the module has no variable '%s'", name ? name : "");
    if (!r && out)
        *out = (CUdeviceptr)p;
    if (!r && bytes)
        *bytes = n;
    return fac_leave(r);
}

/* ---- functions ---- */

static CUresult function_attribute(int *out, CUfunction_attribute attribute, CUfunction f)
{
    switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *out = f->info->max_threads;
        break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *out = (int)f->info->static_shared_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
        *out = (int)f->info->local_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *out = ptx_module_registers(f->module->ptx, f->info->name);
        *out = *out < 255 ? *out : 255;
        break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *out = 90;
        break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *out = f->max_dynamic_shared;
        break;
    default:
        if (attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX)
            return CUDA_ERROR_INVALID_VALUE;
        if (!fac_cluster_attribute(out, attribute, f))
            *out = 0;
    }
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *out, CUfunction_attribute attribute, CUfunction f)
{
    CUresult r = fac_enter();
    if (!r)
        r = f ? function_attribute(out, attribute, f) : CUDA_ERROR_INVALID_HANDLE;
    return fac_leave(r);
}

static CUresult set_attribute(CUfunction f, CUfunction_attribute attribute, int value)
{
    switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        if (value < 0 || value > FAC_SHARED_OPTIN - (int)f->info->static_shared_bytes)
            return fac_fail(
                CUDA_ERROR_INVALID_VALUE,
                "%d bytes of dynamic shared memory, at most %d beside the %u static ones", value,
                FAC_SHARED_OPTIN - (int)f->info->static_shared_bytes, f->info->static_shared_bytes);
        f->max_dynamic_shared = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        return CUDA_SUCCESS; /* a hint */
    default:
        return fac_set_cluster_attribute(f, attribute, value);
    }
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute attribute, int value)
{
    CUresult r = fac_enter();
    if (!r)
        r = f ? set_attribute(f, attribute, value) : CUDA_ERROR_INVALID_HANDLE;
    return fac_leave(r);
}

CUresult cuFuncSetCacheConfig(CUfunction f, CUfunc_cache config)
{
    (void)f, (void)config;
    return fac_leave(fac_enter());
}

CUresult cuFuncGetModule(CUmodule *out, CUfunction f)
{
    CUresult r = fac_enter();
    if (!r)
        *out = f->module;
    return fac_leave(r);
}

CUresult cuFuncGetName(const char **out, CUfunction f)
{
    CUresult r = fac_enter();
    if (!r)
        *out = f->info->name;
    return fac_leave(r);
}

CUresult cuFuncGetParamInfo(CUfunction f, size_t index, size_t *offset, size_t *size)
{
    CUresult r = fac_enter();
    if (!r && index >= (size_t)f->info->n_params)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *offset = f->info->param[index].offset;
    if (!r && size)
        *size = f->info->param[index].size;
    return fac_leave(r);
}

/* ---- libraries ---- */

/* CUlibrary and CUkernel are other names for what CUmodule and CUfunction point to. */
static CUmodule module_of(CUlibrary l)
{
    return (CUmodule)(void *)l;
}

static CUfunction function_of_kernel(CUkernel k)
{
    return (CUfunction)(void *)k;
}

CUresult cuLibraryLoadData(CUlibrary *out, const void *code, CUjit_option *jit, void **jit_values,
                           unsigned n_jit, CUlibraryOption *options, void **values, unsigned n)
{
    CUmodule m = NULL;
    (void)options, (void)values, (void)n;
    CUresult r = fac_enter_device();
    if (!r && (r = load(&m, code)))
        write_log(n_jit, jit, jit_values, fac_detail());
    if (!r)
        *out = (CUlibrary)(void *)m;
    return fac_leave(r);
}

CUresult cuLibraryUnload(CUlibrary l)
{
    return cuModuleUnload(module_of(l));
}

CUresult cuLibraryGetModule(CUmodule *out, CUlibrary l)
{
    CUresult r = fac_enter();
    if (!r)
        *out = module_of(l);
    return fac_leave(r);
}

CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary l, const char *name)
{
    CUfunction f = NULL;
    CUresult r = cuModuleGetFunction(&f, module_of(l), name);
    if (!r)
        *out = (CUkernel)(void *)f;
    return r;
}

CUresult cuLibraryGetGlobal(CUdeviceptr *out, size_t *bytes, CUlibrary l, const char *name)
{
    return cuModuleGetGlobal(out, bytes, module_of(l), name);
}

CUresult cuKernelGetFunction(CUfunction *out, CUkernel k)
{
    CUresult r = fac_enter();
    if (!r)
        *out = function_of_kernel(k);
    return fac_leave(r);
}

CUresult cuKernelGetAttribute(int *out, CUfunction_attribute attribute, CUkernel k, CUdevice dev)
{
    (void)dev;
    return cuFuncGetAttribute(out, attribute, function_of_kernel(k));
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel k, CUdevice dev)
{
    (void)dev;
    return cuFuncSetAttribute(function_of_kernel(k), attribute, value);
}
