/* Events. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <stdlib.h>

CUresult cuEventCreate(CUevent *out, unsigned flags)
{
    const unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    CUresult r = fac_enter();
    if (!r && (!out || flags & ~known))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "an event with flags 0x%x", flags);
    if (!r && flags & CU_EVENT_INTERPROCESS)
        r = fac_fail(CUDA_ERROR_NOT_SUPPORTED, "events of several processes");
    if (!r) {
        CUevent e = ws_calloc(1, sizeof *e);
        e->flags = flags;
        e->context = fac_current();
        fac_handle_add(FAC_EVENT, e);
        *out = e;
    }
    return fac_leave(r);
}

CUresult cuEventDestroy_v2(CUevent e)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = fac_handle_check(FAC_EVENT, e);
    if (!r) {
        fac_handle_drop(FAC_EVENT, e);
        fac_capture_leave(&e->capture);
        free(e->leaves.node);
        free(e);
    }
    return fac_leave(r);
}

void fac_event_happen(CUevent e)
{
    e->recorded_s = fac_clock_now();
    e->recorded = true;
}

CUresult cuEventRecordWithFlags(CUevent e, CUstream handle, unsigned flags)
{
    fac_op op = {.kind = FAC_OP_RECORD, .event = e};
    CUstream s = NULL;
    bool done = false;
    CUresult r = fac_enter();
    if (!r && flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "recording an event with flags 0x%x", flags);
    if (!r)
        r = fac_handle_check(FAC_EVENT, e);
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r)
        r = fac_capture_record(s, e, flags, &done);
    if (!r && !done)
        r = fac_submit(handle, &op);
    return fac_leave(r);
}

CUresult cuEventRecord(CUevent e, CUstream s)
{
    return cuEventRecordWithFlags(e, s, CU_EVENT_RECORD_DEFAULT);
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent e, unsigned flags)
{
    fac_op op = {.kind = FAC_OP_WAIT, .event = e};
    CUstream s = NULL;
    bool done = false;
    CUresult r = fac_enter();
    if (!r && flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "waiting for an event with flags 0x%x", flags);
    if (!r)
        r = fac_handle_check(FAC_EVENT, e);
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r)
        r = fac_capture_wait(s, e, flags, &done);
    if (!r && !done)
        r = fac_submit(handle, &op);
    return fac_leave(r);
}

static CUresult enter_event(CUevent e)
{
    CUresult r = fac_enter();
    if (!r)
        r = fac_handle_check(FAC_EVENT, e);
    if (!r && e->capture)
        r = fac_capture_spoil(e->capture, CUDA_ERROR_CAPTURED_EVENT);
    return r;
}

CUresult cuEventQuery(CUevent e)
{
    CUresult r = enter_event(e);
    if (!r) {
        fac_progress();
        r = fac.sticky ? fac.sticky : e->pending ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
    }
    fac_flush_printf();
    return fac_leave(r);
}

CUresult cuEventSynchronize(CUevent e)
{
    CUresult r = enter_event(e);
    while (!r && fac_handle_is(FAC_EVENT, e) && e->pending) {
        fac_pause();
        fac_progress();
    }
    fac_flush_printf();
    return fac_leave(r ? r : fac.sticky);
}

CUresult cuEventElapsedTime_v2(float *ms, CUevent start, CUevent end)
{
    CUresult r = fac_enter();
    if (!r && !ms)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !(r = fac_handle_check(FAC_EVENT, start)))
        r = fac_handle_check(FAC_EVENT, end);
    if (!r && (!start->recorded || !end->recorded ||
               ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING)))
        r = fac_fail(CUDA_ERROR_INVALID_HANDLE, "both events must be recorded, with timing");
    if (!r && (start->pending || end->pending))
        r = CUDA_ERROR_NOT_READY;
    if (!r)
        *ms = (float)(fac_clock_between(start->recorded_s, end->recorded_s) * 1e3);
    return fac_leave(r);
}

/* ---- of a context: there is one queue of all work behind it ---- */

CUresult cuCtxRecordEvent(CUcontext c, CUevent e)
{
    CUresult r = fac_enter();
    if (!r && !(r = fac_handle_check(FAC_CONTEXT, c)) && !(r = fac_handle_check(FAC_EVENT, e)))
        r = fac_capture_forbids();
    if (!r) {
        fac_wait_stream(NULL);
        fac_event_happen(e);
    }
    return fac_leave(r);
}

CUresult cuCtxWaitEvent(CUcontext c, CUevent e)
{
    CUresult r = fac_enter();
    if (!r && !(r = fac_handle_check(FAC_CONTEXT, c)) && !(r = fac_handle_check(FAC_EVENT, e)))
        r = fac_capture_forbids();
    while (!r && fac_handle_is(FAC_EVENT, e) && e->pending) {
        fac_pause();
        fac_progress();
    }
    return fac_leave(r);
}
