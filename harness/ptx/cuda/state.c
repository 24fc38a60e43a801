/* The facade's state, entering and leaving it, and the engine's own entry points. */
#include "harness/ptx/cuda/internal.h"
#include "harness/ptx/cuda/ws_engine.h"
#include "harness/ptx/protect.h"
#include "harness/ptx/sanitizer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fac_state fac = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local char detail[1024];

CUresult fac_fail(CUresult r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    return r;
}

const char *fac_detail(void)
{
    return detail;
}

CUresult fac_enter_device(void)
{
    pthread_mutex_lock(&fac.lock);
    detail[0] = '\0';
    return fac.initialised ? CUDA_SUCCESS
                           : fac_fail(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
}

CUresult fac_leave(CUresult r)
{
    if (r && fac_monitor_is_on())
        fac_monitor_call(r);
    pthread_mutex_unlock(&fac.lock);
    return r;
}

void fac_unlock(void)
{
    pthread_mutex_unlock(&fac.lock);
}

void fac_lock(void)
{
    pthread_mutex_lock(&fac.lock);
}

void fac_functions_free(CUfunction f)
{
    for (CUfunction next; f; f = next) {
        next = f->next;
        fac_handle_drop(FAC_FUNCTION, f);
        free(f->legacy_params);
        free(f);
    }
}

static void add_leak(void *ud, uint64_t ptr, size_t bytes, bool by_kernel)
{
    const fac_mem kind = fac_memory_kind(ptr, NULL);
    if (!by_kernel && (kind == FAC_MEM_HOST || kind == FAC_MEM_REGISTERED))
        return; /* of the program, not of the device */
    if (fac_monitor_is_on())
        fac_monitor_leak(ptr, bytes);
    else
        ptx_sanitizer_leak(ptr, bytes, ud);
}

/* As compute-sanitizer --leak-check full, when the environment asks for it. */
void fac_tell_leaks(void)
{
    const char *wanted = getenv("WARPSMITH_LEAK_CHECK");
    ws_buf text = {0};
    if (!wanted || strcmp(wanted, "full") != 0)
        return;
    ptx_memory_leaks(fac.mem, add_leak, &text);
    fputs(ws_buf_z(&text), stderr);
    ws_buf_release(&text);
}

void fac_forgive(void)
{
    fac.sticky = CUDA_SUCCESS;
    if (!fac.configured && !fac_monitor_is_on())
        fac.report = (ptx_report){.ok = true};
}

void fac_reset(void)
{
    fac_tell_leaks();
    for (CUmodule m = fac.modules, next; m; m = next) {
        next = m->next;
        fac_functions_free(m->functions);
        ptx_module_free(m->ptx);
        free(m);
    }
    fac.modules = NULL;
    ptx_memory_free(fac.mem);
    fac_memory_forget();
    fac_forget_mappings();
    fac.mem = ptx_memory_new();
    fac_forgive();
}

/* ---- what libcuda lacks ---- */

int wsEngineConfigure(const ptx_options *options)
{
    CUresult r = fac_enter_device();
    if (!r && !options)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r) {
        fac.options = *options;
        fac.configured = true;
        fac.report = (ptx_report){.ok = true};
        if (options->cover) {
            fac.coverage.n = 0;
            fac.coverage.full = false;
            fac.report.coverage = &fac.coverage;
        }
        if (options->lines) {
            fac.lines.n = 0;
            fac.lines.full = false;
            fac.report.lines = &fac.lines;
        }
        fac.sticky = CUDA_SUCCESS;
    }
    return (int)fac_leave(r);
}

int wsEngineNameBuffer(uint64_t ptr, const char *name)
{
    CUresult r = fac_enter_device();
    if (!r && !ptx_memory_name(fac.mem, ptr, name))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineMarkUninitialized(uint64_t ptr, size_t bytes)
{
    CUresult r = fac_enter_device();
    if (!r && bytes && !ptx_memory_mark_uninitialized(fac.mem, ptr, bytes))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineProtect(uint64_t ptr)
{
    CUresult r = fac_enter_device();
    if (!r && !ptx_memory_protect(fac.mem, ptr))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineHold(uint64_t ptr, size_t bytes, int floats)
{
    CUresult r = fac_enter_device();
    if (!r && bytes && !ptx_memory_hold(fac.mem, ptr, bytes, floats != 0))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineCarve(uint64_t ptr, size_t bytes)
{
    CUresult r = fac_enter_device();
    if (!r && !ptx_memory_carve(fac.mem, ptr, bytes))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineWritten(uint64_t ptr, size_t bytes, uint8_t *written)
{
    CUresult r = fac_enter_device();
    if (!r && bytes && !ptx_memory_written(fac.mem, ptr, bytes, written))
        r = CUDA_ERROR_INVALID_VALUE;
    return (int)fac_leave(r);
}

int wsEngineReport(ptx_report *out)
{
    CUresult r = fac_enter_device();
    if (!r)
        *out = fac.report;
    return (int)fac_leave(r);
}

int wsEnginePrintf(char *out, size_t size)
{
    CUresult r = fac_enter_device();
    if (!r && size) {
        size_t n = ptx_take_printf(fac.mem, out, size - 1);
        out[n < size ? n : size - 1] = '\0';
    }
    return (int)fac_leave(r);
}

int wsEngineErrorDetail(char *out, size_t size)
{
    snprintf(out, size, "%s", fac_detail());
    return 0;
}
