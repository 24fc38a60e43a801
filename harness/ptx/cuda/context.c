/* Contexts: each thread's stack of current ones, and what they remember. The memory is one: it goes
 * with the last context. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CONTEXT_STACK = 1024 };

static _Thread_local CUcontext stack[MAX_CONTEXT_STACK];
static _Thread_local int depth;

CUcontext fac_current(void)
{
    return depth ? stack[depth - 1] : NULL;
}

CUresult fac_enter(void)
{
    CUresult r = fac_enter_device();
    if (r)
        return r;
    if (!fac_current())
        return fac_fail(CUDA_ERROR_INVALID_CONTEXT, "no context is current to this thread");
    if (!fac_handle_is(FAC_CONTEXT, fac_current()))
        return fac_fail(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the thread's context was destroyed");
    return fac.sticky ? fac_fail(fac.sticky, "an earlier kernel failed") : CUDA_SUCCESS;
}

CUresult fac_enter_uncaptured(void)
{
    CUresult r = fac_enter();
    return r ? r : fac_capture_forbids();
}

static CUresult check_device(CUdevice dev)
{
    return fac_is_device(dev) ? CUDA_SUCCESS
                              : fac_fail(CUDA_ERROR_INVALID_DEVICE, "there is no device %d", dev);
}

static CUresult push(CUcontext c)
{
    if (depth == MAX_CONTEXT_STACK)
        return fac_fail(CUDA_ERROR_INVALID_VALUE, "more than %d contexts pushed",
                        MAX_CONTEXT_STACK);
    stack[depth++] = c;
    return CUDA_SUCCESS;
}

/* What a device has before anything is set. */
static void begin_context(CUcontext c, CUdevice dev, unsigned flags)
{
    static const size_t limits[CU_LIMIT_MAX] = {
        [CU_LIMIT_STACK_SIZE] = 1024,
        [CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20,
        [CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20,
        [CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64,
    };
    *c = (struct CUctx_st){.device = dev, .flags = flags, .id = ++fac.ids};
    memcpy(c->limit, limits, sizeof limits);
    fac_handle_add(FAC_CONTEXT, c);
}

static void end_context(CUcontext c)
{
    fac_handle_drop(FAC_CONTEXT, c);
    fac_streams_forget(c);
    fac_flush_printf();
    if (!fac_handle_at(FAC_CONTEXT, 0))
        fac_reset();
}

/* ---- primary contexts ---- */

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev))) {
        if (!fac.primary_refs[dev]++ && !fac_handle_is(FAC_CONTEXT, &fac.primary[dev]))
            begin_context(&fac.primary[dev], dev, fac.primary[dev].flags);
        *out = &fac.primary[dev];
    }
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        if (!fac.primary_refs[dev])
            r = fac_fail(CUDA_ERROR_INVALID_CONTEXT, "the primary context is not retained");
        else if (!--fac.primary_refs[dev])
            end_context(&fac.primary[dev]);
    }
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_device(dev))) {
        fac_streams_forget(&fac.primary[dev]);
        fac_reset();
    }
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned flags)
{
    CUresult r = fac_enter_device();
    if (!r && flags & ~(unsigned)CU_CTX_FLAGS_MASK)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a context with flags 0x%x", flags);
    if (!r && !(r = check_device(dev)))
        fac.primary[dev].flags = flags;
    return fac_leave(r);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned *flags, int *active)
{
    CUresult r = fac_enter_device();
    if (!r && (!flags || !active))
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_device(dev))) {
        *flags = fac.primary[dev].flags;
        *active = fac.primary_refs[dev] > 0;
    }
    return fac_leave(r);
}

/* ---- contexts of a program's own ---- */

CUresult cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice dev)
{
    CUresult r = fac_enter_device();
    if (!r && (!out || flags & ~(unsigned)CU_CTX_FLAGS_MASK))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a context with flags 0x%x", flags);
    if (!r && !(r = check_device(dev))) {
        CUcontext c = ws_calloc(1, sizeof *c);
        if ((r = push(c))) {
            free(c);
        } else {
            begin_context(c, dev, flags);
            *out = c;
            fac_forgive();
        }
    }
    return fac_leave(r);
}

/* A share of a device's multiprocessors makes no difference here. */
CUresult cuCtxCreate_v3(CUcontext *out, CUexecAffinityParam *affinity, int n, unsigned flags,
                        CUdevice dev)
{
    (void)affinity, (void)n;
    return cuCtxCreate_v2(out, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *params, unsigned flags, CUdevice dev)
{
    (void)params;
    return cuCtxCreate_v2(out, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r && (!fac_handle_is(FAC_CONTEXT, c) || c == &fac.primary[c->device]))
        r = fac_fail(CUDA_ERROR_INVALID_CONTEXT, "%p is no context of cuCtxCreate", (void *)c);
    if (!r) {
        for (int i = depth - 1; i >= 0; i--)
            if (stack[i] == c)
                memmove(&stack[i], &stack[i + 1], (size_t)(--depth - i) * sizeof stack[0]);
        end_context(c);
        free(c);
    }
    return fac_leave(r);
}

/* ---- the current one ---- */

static CUresult check_context(CUcontext c)
{
    return fac_handle_is(FAC_CONTEXT, c)
               ? CUDA_SUCCESS
               : fac_fail(CUDA_ERROR_INVALID_CONTEXT, "%p is no context", (void *)c);
}

CUresult cuCtxPushCurrent_v2(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r && !(r = check_context(c)))
        r = push(c);
    return fac_leave(r);
}

CUresult cuCtxPopCurrent_v2(CUcontext *out)
{
    CUresult r = fac_enter_device();
    if (!r && !depth)
        r = fac_fail(CUDA_ERROR_INVALID_CONTEXT, "no context is current to this thread");
    if (!r) {
        depth--;
        if (out)
            *out = stack[depth];
    }
    return fac_leave(r);
}

CUresult cuCtxSetCurrent(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r && c)
        r = check_context(c);
    if (!r) {
        depth -= depth > 0;
        r = c ? push(c) : CUDA_SUCCESS;
    }
    return fac_leave(r);
}

CUresult cuCtxGetCurrent(CUcontext *out)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = fac_current();
    return fac_leave(r);
}

/* ---- what contexts have ---- */

/* As fac_enter, for a call that gives *out. */
static CUresult enter_for(const void *out)
{
    CUresult r = fac_enter();
    return !r && !out ? CUDA_ERROR_INVALID_VALUE : r;
}

CUresult cuCtxGetDevice(CUdevice *out)
{
    CUresult r = enter_for(out);
    if (!r)
        *out = fac_current()->device;
    return fac_leave(r);
}

CUresult cuCtxGetDevice_v2(CUdevice *out, CUcontext c)
{
    CUresult r = c ? fac_enter_device() : fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && c)
        r = check_context(c);
    if (!r)
        *out = (c ? c : fac_current())->device;
    return fac_leave(r);
}

CUresult cuCtxGetId(CUcontext c, unsigned long long *out)
{
    CUresult r = c ? fac_enter_device() : fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && c)
        r = check_context(c);
    if (!r)
        *out = (c ? c : fac_current())->id;
    return fac_leave(r);
}

CUresult cuCtxGetFlags(unsigned *out)
{
    CUresult r = enter_for(out);
    if (!r)
        *out = fac_current()->flags;
    return fac_leave(r);
}

CUresult cuCtxSetFlags(unsigned flags)
{
    CUresult r = fac_enter();
    if (!r && flags & ~(unsigned)CU_CTX_FLAGS_MASK)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a context with flags 0x%x", flags);
    if (!r)
        fac_current()->flags = flags;
    return fac_leave(r);
}

CUresult cuCtxGetApiVersion(CUcontext c, unsigned *out)
{
    CUresult r = fac_enter_device();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && c)
        r = check_context(c);
    if (!r)
        *out = 3020; /* what libcuda answers since CUDA 3.2 */
    return fac_leave(r);
}

CUresult cuCtxGetLimit(size_t *out, CUlimit limit)
{
    CUresult r = enter_for(out);
    if (!r && (unsigned)limit >= CU_LIMIT_MAX)
        r = CUDA_ERROR_UNSUPPORTED_LIMIT;
    if (!r)
        *out = fac_current()->limit[limit];
    return fac_leave(r);
}

/* Remembered alone: the engine's stacks and printf buffer grow as they are used. */
CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
    CUresult r = fac_enter();
    if (!r && (unsigned)limit >= CU_LIMIT_MAX)
        r = CUDA_ERROR_UNSUPPORTED_LIMIT;
    if (!r)
        fac_current()->limit[limit] = value;
    return fac_leave(r);
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *out)
{
    CUresult r = enter_for(out);
    if (!r)
        *out = fac_current()->cache;
    return fac_leave(r);
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config)
{
    CUresult r = fac_enter();
    if (!r && (unsigned)config > CU_FUNC_CACHE_PREFER_EQUAL)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        fac_current()->cache = config;
    return fac_leave(r);
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *out)
{
    CUresult r = enter_for(out);
    if (!r)
        *out = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE; /* the only one since Maxwell */
    return fac_leave(r);
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config)
{
    CUresult r = fac_enter();
    if (!r && (unsigned)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
        r = CUDA_ERROR_INVALID_VALUE;
    return fac_leave(r);
}

CUresult cuCtxResetPersistingL2Cache(void)
{
    return fac_leave(fac_enter());
}

CUresult cuCtxAttach(CUcontext *out, unsigned flags)
{
    CUresult r = enter_for(out);
    if (!r && flags)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r)
        *out = fac_current();
    return fac_leave(r);
}

CUresult cuCtxDetach(CUcontext c)
{
    CUresult r = fac_enter_device();
    return fac_leave(r ? r : check_context(c));
}

/* ---- peers: all memory is within reach, and asking for it is remembered ---- */

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags)
{
    CUresult r = fac_enter();
    if (!r && flags)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = check_context(peer)) && peer->device == fac_current()->device)
        r = fac_fail(CUDA_ERROR_INVALID_CONTEXT, "a device is no peer of itself");
    if (!r && fac_current()->peers >> peer->device & 1)
        r = CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    if (!r)
        fac_current()->peers |= 1u << peer->device;
    return fac_leave(r);
}

CUresult cuCtxDisablePeerAccess(CUcontext peer)
{
    CUresult r = fac_enter();
    if (!r && !(r = check_context(peer)) && !(fac_current()->peers >> peer->device & 1))
        r = CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
    if (!r)
        fac_current()->peers &= ~(1u << peer->device);
    return fac_leave(r);
}
