/* Streams and events. Work is done when it is enqueued, so waiting has nothing to wait for. */
#include "base/mem.h"
#include "harness/ptx/cuda/internal.h"

#include <stdio.h>
#include <stdlib.h>

#undef cuEventElapsedTime
CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end);
CUresult cuEventElapsedTime_v2(float *ms, CUevent start, CUevent end);

/* Device printf of a program that did not configure the engine goes to its stdout, as on a GPU. */
static void flush_printf(void)
{
    char text[4096];
    size_t n;
    while (!fac.configured && fac.mem && (n = ptx_take_printf(fac.mem, text, sizeof text)) > 0) {
        fwrite(text, 1, n, stdout);
        if (n < sizeof text)
            break;
    }
}

static CUresult wait(void)
{
    CUresult r = fac_enter();
    flush_printf();
    return fac_leave(r);
}

CUresult cuCtxSynchronize(void)
{
    return wait();
}

/* ---- streams ---- */

CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority)
{
    CUresult r = fac_enter();
    if (!r) {
        CUstream s = ws_calloc(1, sizeof *s);
        s->flags = flags;
        s->priority = priority;
        *out = s;
    }
    return fac_leave(r);
}

CUresult cuStreamCreate(CUstream *out, unsigned flags)
{
    return cuStreamCreateWithPriority(out, flags, 0);
}

/* NULL, CU_STREAM_LEGACY and CU_STREAM_PER_THREAD are no objects. */
static bool is_object(CUstream s)
{
    return (uintptr_t)s > 2;
}

CUresult cuStreamDestroy(CUstream s)
{
    CUresult r = fac_enter_device();
    if (!r && !is_object(s))
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r)
        free(s);
    return fac_leave(r);
}

CUresult cuStreamSynchronize(CUstream s)
{
    (void)s;
    return wait();
}

CUresult cuStreamQuery(CUstream s)
{
    (void)s;
    return wait();
}

CUresult cuStreamWaitEvent(CUstream s, CUevent event, unsigned flags)
{
    (void)s, (void)event, (void)flags;
    return fac_leave(fac_enter());
}

CUresult cuStreamGetFlags(CUstream s, unsigned *out)
{
    CUresult r = fac_enter();
    if (!r)
        *out = is_object(s) ? s->flags : 0;
    return fac_leave(r);
}

CUresult cuStreamGetPriority(CUstream s, int *out)
{
    CUresult r = fac_enter();
    if (!r)
        *out = is_object(s) ? s->priority : 0;
    return fac_leave(r);
}

CUresult cuStreamIsCapturing(CUstream s, CUstreamCaptureStatus *out)
{
    (void)s;
    CUresult r = fac_enter();
    if (!r)
        *out = CU_STREAM_CAPTURE_STATUS_NONE;
    return fac_leave(r);
}

/* Callbacks run unlocked: they may call the API. */
CUresult cuLaunchHostFunc(CUstream s, CUhostFn fn, void *ud)
{
    (void)s;
    CUresult r = fac_leave(fac_enter());
    if (!r)
        fn(ud);
    return r;
}

CUresult cuStreamAddCallback(CUstream s, CUstreamCallback callback, void *ud, unsigned flags)
{
    (void)flags;
    CUresult r = fac_leave(fac_enter());
    if (r == CUDA_ERROR_NOT_INITIALIZED || r == CUDA_ERROR_INVALID_CONTEXT)
        return r;
    callback(s, r, ud);
    return CUDA_SUCCESS;
}

/* ---- events ---- */

CUresult cuEventCreate(CUevent *out, unsigned flags)
{
    CUresult r = fac_enter();
    if (!r) {
        CUevent e = ws_calloc(1, sizeof *e);
        e->flags = flags;
        *out = e;
    }
    return fac_leave(r);
}

CUresult cuEventDestroy(CUevent e)
{
    CUresult r = fac_enter_device();
    if (!r && !e)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r)
        free(e);
    return fac_leave(r);
}

CUresult cuEventRecord(CUevent e, CUstream s)
{
    (void)s;
    CUresult r = fac_enter();
    if (!r && !e)
        r = CUDA_ERROR_INVALID_HANDLE;
    if (!r)
        e->recorded_s = fac_clock_now(), e->recorded = true;
    return fac_leave(r);
}

CUresult cuEventRecordWithFlags(CUevent e, CUstream s, unsigned flags)
{
    (void)flags;
    return cuEventRecord(e, s);
}

CUresult cuEventQuery(CUevent e)
{
    (void)e;
    return wait();
}

CUresult cuEventSynchronize(CUevent e)
{
    (void)e;
    return wait();
}

CUresult cuEventElapsedTime_v2(float *ms, CUevent start, CUevent end)
{
    CUresult r = fac_enter();
    if (!r && (!start || !end || !start->recorded || !end->recorded ||
               ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING)))
        r = fac_fail(CUDA_ERROR_INVALID_HANDLE, "both events must be recorded, with timing");
    if (!r)
        *ms = (float)(fac_clock_between(start->recorded_s, end->recorded_s) * 1e3);
    return fac_leave(r);
}

CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
    return cuEventElapsedTime_v2(ms, start, end);
}
