/* Modules, functions and their attributes. */
#include "harness/ptx/cuda/internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "harness/ptx/cuda/ws_engine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

/* ---- loading ---- */

/* Text of a failed load into the program's error log, and "" into its other one. */
void fac_module_write_log(unsigned n, const CUjit_option *option, void **value, const char *text)
{
    static const CUjit_option logs[2][2] = {
        {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES},
        {CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES}};
    for (int k = 0; k < 2; k++) {
        char *buffer = NULL;
        size_t size = 0;
        for (unsigned i = 0; i < n; i++) {
            if (option[i] == logs[k][0])
                buffer = value[i];
            if (option[i] == logs[k][1])
                size = (size_t)(uintptr_t)value[i] & UINT_MAX;
        }
        if (buffer && size)
            snprintf(buffer, size, "%s", k ? "" : text);
        for (unsigned i = 0; i < n; i++)
            if (option[i] == logs[k][1])
                value[i] = (void *)(uintptr_t)(buffer && size ? strlen(buffer) : 0);
    }
}

CUresult fac_module_load(CUmodule *out, const void *image, size_t bytes)
{
    ptx_module *m = NULL;
    ws_err err = {0};
    ws_buf text = {.max = MAX_FILE_BYTES};
    if (!out || !image)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "there is no image");
    CUresult r = fac_image_ptx(image, bytes, &text);
    if (!r && ptx_module_load(ws_buf_z(&text), text.n, fac.mem, &m, &err))
        r = fac_fail(CUDA_ERROR_INVALID_PTX, "%s", err.msg);
    ws_buf_release(&text);
    if (r)
        return r;
    CUmodule mod = ws_calloc(1, sizeof *mod);
    mod->ptx = m;
    mod->next = fac.modules;
    fac.modules = mod;
    *out = mod;
    return CUDA_SUCCESS;
}

static CUresult load_data(CUmodule *out, const void *image, size_t bytes, unsigned n,
                          CUjit_option *option, void **value)
{
    CUresult r = fac_enter();
    if (!r && n && (!option || !value))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        r = fac_module_load(out, image, bytes);
        fac_module_write_log(n, option, value, r ? fac_detail() : "");
    }
    return fac_leave(r);
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned n, CUjit_option *option,
                            void **value)
{
    return load_data(out, image, 0, n, option, value);
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
    if (!path)
        return CUDA_ERROR_INVALID_VALUE;
    if (!ws_read_file(path, MAX_FILE_BYTES, &text, &err)) {
        (void)ws_buf_z(&text);
        r = text.n ? load_data(out, text.p, text.n, 0, NULL, NULL) : CUDA_ERROR_INVALID_IMAGE;
    }
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
        fac_functions_free(m->functions);
        ptx_module_free(m->ptx);
        free(m);
    }
    return fac_leave(r);
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *out)
{
    if (!out)
        return CUDA_ERROR_INVALID_VALUE;
    *out = CU_MODULE_EAGER_LOADING;
    return CUDA_SUCCESS;
}

/* ---- what a module has ---- */

int wsEngineRestart(void *module)
{
    CUresult r = fac_enter_device();
    CUmodule m = module;
    ws_err err = {0};
    if (!r &&
        (!find_module(m) || ptx_memory_heap_used(fac.mem) || ptx_module_restart(m->ptx, &err)))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

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
    fac_handle_add(FAC_FUNCTION, f);
    return f;
}

bool fac_module_is(CUmodule m)
{
    return m && find_module(m);
}

CUresult fac_module_function(CUfunction *out, CUmodule m, const char *name)
{
    if (!out || !name)
        return CUDA_ERROR_INVALID_VALUE;
    if (!find_module(m))
        return fac_fail(CUDA_ERROR_INVALID_HANDLE, "%p is no module", (void *)m);
    const ptx_kernel_info *info = ptx_module_find(m->ptx, name);
    if (!info)
        return fac_fail(CUDA_ERROR_NOT_FOUND, "the module has no kernel '%s'", name);
    *out = function_of(m, info);
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule m, const char *name)
{
    CUresult r = fac_enter();
    return fac_leave(r ? r : fac_module_function(out, m, name));
}

CUresult cuModuleGetFunctionCount(unsigned *out, CUmodule m)
{
    CUresult r = fac_enter();
    if (!r && !find_module(m))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
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

CUresult cuModuleGetGlobal_v2(CUdeviceptr *out, size_t *bytes, CUmodule m, const char *name)
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

CUresult fac_function_check(CUfunction f)
{
    return fac_handle_check(FAC_FUNCTION, f);
}

static CUresult enter_function(CUfunction f)
{
    CUresult r = fac_enter();
    return r ? r : fac_function_check(f);
}

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
    CUresult r = enter_function(f);
    if (!r)
        r = out ? function_attribute(out, attribute, f) : CUDA_ERROR_INVALID_VALUE;
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
    CUresult r = enter_function(f);
    if (!r)
        r = set_attribute(f, attribute, value);
    return fac_leave(r);
}

CUresult cuFuncSetCacheConfig(CUfunction f, CUfunc_cache config)
{
    (void)config;
    return fac_leave(enter_function(f));
}

CUresult cuFuncGetModule(CUmodule *out, CUfunction f)
{
    CUresult r = enter_function(f);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = f->module;
    return fac_leave(r);
}

CUresult cuFuncGetName(const char **out, CUfunction f)
{
    CUresult r = enter_function(f);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = f->info->name;
    return fac_leave(r);
}

CUresult cuFuncGetParamInfo(CUfunction f, size_t index, size_t *offset, size_t *size)
{
    CUresult r = enter_function(f);
    if (!r && (!offset || index >= (size_t)f->info->n_params))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *offset = f->info->param[index].offset;
    if (!r && size)
        *size = f->info->param[index].size;
    return fac_leave(r);
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState *out, CUfunction f)
{
    CUresult r = enter_function(f);
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = CU_FUNCTION_LOADING_STATE_LOADED;
    return fac_leave(r);
}

CUresult cuFuncLoad(CUfunction f)
{
    return fac_leave(enter_function(f));
}
