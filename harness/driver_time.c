/* Events, and what timing needs beside them. */
#include "harness/driver_state.h"

#include <stdlib.h>

ws_status cu_event_new(cu_device *d, cu_event **out, ws_err *err)
{
    CUevent e;
    if (TRY(d, event_create, err, &e, CU_EVENT_DEFAULT))
        return err->status;
    *out = ws_malloc(sizeof **out);
    (*out)->event = e;
    return WS_OK;
}

void cu_event_free(cu_device *d, cu_event *e)
{
    if (!e)
        return;
    d->cu.event_destroy(e->event);
    free(e);
}

ws_status cu_event_record(cu_device *d, cu_event *e, ws_err *err)
{
    return TRY(d, event_record, err, e->event, NULL);
}

ws_status cu_event_seconds(cu_device *d, const cu_event *from, const cu_event *to, double *out,
                           ws_err *err)
{
    float ms = 0;
    if (TRY(d, event_synchronize, err, to->event) ||
        TRY(d, event_elapsed, err, &ms, from->event, to->event))
        return err->status;
    *out = (double)ms * 1e-3;
    return WS_OK;
}

ws_status cu_time_ms(cu_device *d, ws_status (*body)(void *ud, ws_err *err), void *ud, double *out,
                     ws_err *err)
{
    float ms = 0;
    if ((!d->start && TRY(d, event_create, err, &d->start, CU_EVENT_DEFAULT)) ||
        (!d->end && TRY(d, event_create, err, &d->end, CU_EVENT_DEFAULT)) ||
        TRY(d, event_record, err, d->start, NULL) || body(ud, err) ||
        TRY(d, event_record, err, d->end, NULL) || TRY(d, event_synchronize, err, d->end) ||
        TRY(d, event_elapsed, err, &ms, d->start, d->end))
        return err->status;
    *out = (double)ms;
    return WS_OK;
}

/* ---- a word of the host's ---- */

ws_status cu_flag_new(cu_device *d, cu_flag *out, ws_err *err)
{
    void *p;
    CUdeviceptr at;
    *out = (cu_flag){0};
    if (TRY(d, host_alloc, err, &p, sizeof *out->host, CU_MEMHOSTALLOC_DEVICEMAP))
        return err->status;
    if (TRY(d, host_address, err, &at, p, 0)) {
        d->cu.host_free(p);
        return err->status;
    }
    *out = (cu_flag){p, (uint64_t)at};
    cu_flag_set(out, 0);
    return WS_OK;
}

void cu_flag_set(cu_flag *f, uint32_t value)
{
    __atomic_store_n(f->host, value, __ATOMIC_RELEASE);
}

void cu_flag_free(cu_device *d, cu_flag *f)
{
    if (f->host)
        d->cu.host_free((void *)(uintptr_t)f->host);
    *f = (cu_flag){0};
}

ws_status cu_reset_persisting(cu_device *d, ws_err *err)
{
    if (!d->cu.reset_persisting)
        return WS_OK; /* a driver from before caches could be told so */
    return cu_try(d, d->cu.reset_persisting(), offsetof(symbols, reset_persisting), err);
}
