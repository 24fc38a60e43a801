/* Streams: their queues, what they tell, and what is enqueued that is neither launch nor copy. */
#include "harness/ptx/cuda/stream.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_PRIORITY = 0, GREATEST_PRIORITY = -5 };

static struct CUstream_st legacy;
static _Thread_local CUstream per_thread;

void fac_flush_printf(void)
{
    char text[4096];
    size_t n = 0;
    bool any = false;
    while (!fac.configured && fac.mem && (n = ptx_take_printf(fac.mem, text, sizeof text)) > 0) {
        any = true;
        fwrite(text, 1, n, stdout);
        if (n < sizeof text)
            break;
    }
    if (any)
        fflush(stdout);
}

/* ---- handles ---- */

static CUstream new_stream(unsigned flags, int priority)
{
    CUstream s = ws_calloc(1, sizeof *s);
    s->flags = flags;
    s->priority = priority;
    s->context = fac_current();
    s->id = ++fac.ids;
    fac_handle_add(FAC_STREAM, s);
    return s;
}

CUresult fac_stream_of(CUstream handle, CUstream *out)
{
    if (!handle || handle == CU_STREAM_LEGACY) {
        if (!legacy.id)
            legacy.id = ++fac.ids;
        *out = &legacy;
        return CUDA_SUCCESS;
    }
    if (handle == CU_STREAM_PER_THREAD) {
        if (!per_thread || !fac_handle_is(FAC_STREAM, per_thread))
            per_thread = new_stream(CU_STREAM_DEFAULT, LEAST_PRIORITY);
        *out = per_thread;
        return CUDA_SUCCESS;
    }
    *out = handle;
    return fac_handle_check(FAC_STREAM, handle);
}

/* ---- queues ---- */

static bool waits(const struct CUstream_st *s)
{
    return s->n_queue > 0 || s->busy;
}

/* Whether what is enqueued in s has to wait for what other streams hold. */
static bool held_by_others(const struct CUstream_st *s)
{
    if (s != &legacy)
        return !(s->flags & CU_STREAM_NON_BLOCKING) && waits(&legacy);
    for (int i = 0; fac_handle_at(FAC_STREAM, i); i++) {
        const struct CUstream_st *o = fac_handle_at(FAC_STREAM, i);
        if (!(o->flags & CU_STREAM_NON_BLOCKING) && waits(o))
            return true;
    }
    return false;
}

static void run_queued(fac_op *op)
{
    if (op->kind == FAC_OP_RECORD && fac_handle_is(FAC_EVENT, op->event))
        op->event->pending--;
    if (!fac.sticky && !fac_op_check(op)) {
        const CUresult r = fac_op_run(op);
        if (r)
            fac.sticky = r;
    }
    fac_op_release(op);
}

/* One operation of one stream; false: none could run. */
static bool advance(CUstream s)
{
    if (!s->n_queue || s->busy || !fac_op_ready(&s->queue[0]))
        return false;
    fac_op op = s->queue[0];
    s->n_queue--;
    memmove(s->queue, s->queue + 1, (size_t)s->n_queue * sizeof *s->queue);
    s->busy = true; /* a host function runs unlocked */
    run_queued(&op);
    if (s == &legacy || fac_handle_is(FAC_STREAM, s))
        s->busy = false;
    return true;
}

/* What is enqueued in s later may not overtake what waits in others: queues of blocking streams go
 * on in the order of the ids that their heads got. The legacy stream's is behind theirs. */
void fac_progress(void)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (int i = 0; fac_handle_at(FAC_STREAM, i); i++) {
            CUstream s = (CUstream)(uintptr_t)fac_handle_at(FAC_STREAM, i);
            if (advance(s)) {
                moved = true;
                break;
            }
        }
        if (!moved && legacy.n_queue && !held_by_others(&legacy))
            moved = advance(&legacy);
    }
}

static void enqueue(CUstream s, const fac_op *op)
{
    WS_GROW(s->queue, s->n_queue, s->cap_queue);
    fac_op *o = &s->queue[s->n_queue++];
    fac_op_clone(op, o);
    fac_op_stage(o);
    if (o->kind == FAC_OP_RECORD)
        o->event->pending++;
}

CUresult fac_submit(CUstream handle, fac_op *op)
{
    CUstream s = NULL;
    CUresult r = fac_stream_of(handle, &s);
    if (!r && s == &legacy)
        r = fac_capture_implicit(s);
    if (!r)
        r = fac_op_check(op);
    if (r)
        return s && s->capture ? fac_capture_spoil(s->capture, r) : r;
    if (s->capture)
        return fac_capture_add(s, op, NULL);
    fac_progress();
    if (waits(s) || held_by_others(s) || !fac_op_ready(op)) {
        enqueue(s, op);
        return CUDA_SUCCESS;
    }
    s->busy = op->kind == FAC_OP_HOST || op->kind == FAC_OP_CALLBACK || op->kind == FAC_OP_EXEC;
    r = fac_op_run(op);
    if (s == &legacy || fac_handle_is(FAC_STREAM, s))
        s->busy = false;
    return r;
}

CUresult fac_submit_alone(CUstream handle, fac_op *op)
{
    CUresult r = fac_enter();
    if (!r)
        r = fac_submit(handle, op);
    fac_op_release(op);
    return fac_leave(r);
}

static bool any_waits(void)
{
    for (int i = 0; fac_handle_at(FAC_STREAM, i); i++)
        if (waits(fac_handle_at(FAC_STREAM, i)))
            return true;
    return waits(&legacy);
}

void fac_pause(void)
{
    const struct timespec t = {.tv_nsec = 200000};
    fac_unlock();
    nanosleep(&t, NULL);
    fac_lock();
}

void fac_wait_stream(CUstream s)
{
    for (;;) {
        fac_progress();
        if (s ? s != &legacy && !fac_handle_is(FAC_STREAM, s) : false)
            return; /* destroyed meanwhile */
        if (!(s ? waits(s) || (s == &legacy && held_by_others(s)) : any_waits()))
            return;
        fac_pause();
    }
}

void fac_streams_forget(CUcontext c)
{
    for (int i = 0; fac_handle_at(FAC_STREAM, i);) {
        CUstream s = (CUstream)(uintptr_t)fac_handle_at(FAC_STREAM, i);
        if (s->context != c) {
            i++;
            continue;
        }
        fac_handle_drop(FAC_STREAM, s);
        for (int k = 0; k < s->n_queue; k++)
            fac_op_release(&s->queue[k]);
        fac_capture_leave(&s->capture);
        free(s->leaves.node);
        free(s->queue);
        free(s);
    }
}

/* ---- making and ending ---- */

CUresult cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority)
{
    CUresult r = fac_enter();
    if (!r && (!out || flags & ~(unsigned)CU_STREAM_NON_BLOCKING))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "a stream with flags 0x%x", flags);
    if (!r)
        *out = new_stream(flags, priority > LEAST_PRIORITY     ? LEAST_PRIORITY
                                 : priority < GREATEST_PRIORITY ? GREATEST_PRIORITY
                                                                : priority);
    return fac_leave(r);
}

CUresult cuStreamCreate(CUstream *out, unsigned flags)
{
    return cuStreamCreateWithPriority(out, flags, LEAST_PRIORITY);
}

CUresult cuStreamDestroy_v2(CUstream s)
{
    CUresult r = fac_enter_device();
    if (!r)
        r = fac_handle_check(FAC_STREAM, s);
    if (!r && s->capture)
        fac_capture_spoil(s->capture, CUDA_SUCCESS);
    if (!r) {
        fac_wait_stream(s); /* what it holds is still done */
        if (fac_handle_is(FAC_STREAM, s)) {
            fac_handle_drop(FAC_STREAM, s);
            fac_capture_leave(&s->capture);
            free(s->leaves.node);
            free(s->queue);
            free(s);
        }
    }
    return fac_leave(r);
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    CUresult r = fac_enter();
    if (!r && least)
        *least = LEAST_PRIORITY;
    if (!r && greatest)
        *greatest = GREATEST_PRIORITY;
    return fac_leave(r);
}

/* ---- waiting ---- */

static CUresult wait_all(void)
{
    CUresult r = fac_enter_uncaptured();
    if (!r)
        fac_wait_stream(NULL);
    fac_flush_printf();
    return fac_leave(r ? r : fac.sticky);
}

CUresult cuCtxSynchronize(void)
{
    return wait_all();
}

CUresult cuCtxSynchronize_v2(CUcontext c)
{
    CUresult r = fac_enter_device();
    if (!r && c)
        r = fac_handle_check(FAC_CONTEXT, c);
    if (!r && !(r = fac_capture_forbids())) {
        fac_wait_stream(NULL);
        r = fac.sticky;
    }
    fac_flush_printf();
    return fac_leave(r);
}

CUresult cuStreamSynchronize(CUstream handle)
{
    CUstream s = NULL;
    CUresult r = fac_enter();
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r && s->capture)
        r = fac_capture_spoil(s->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (!r) {
        fac_wait_stream(s);
        r = fac.sticky;
    }
    fac_flush_printf();
    return fac_leave(r);
}

CUresult cuStreamQuery(CUstream handle)
{
    CUstream s = NULL;
    CUresult r = fac_enter();
    if (!r)
        r = fac_stream_of(handle, &s);
    if (!r && s->capture)
        r = fac_capture_spoil(s->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (!r) {
        fac_progress();
        r = fac.sticky                                                         ? fac.sticky
            : waits(s) || (s == &legacy && held_by_others(s)) ? CUDA_ERROR_NOT_READY
                                                                               : CUDA_SUCCESS;
    }
    fac_flush_printf();
    return fac_leave(r);
}

/* ---- what a stream tells ---- */

/* Locks and looks the stream up. */
static CUresult enter_stream(CUstream handle, const void *out, CUstream *s)
{
    CUresult r = fac_enter();
    if (!r && !out)
        r = CUDA_ERROR_INVALID_VALUE;
    return r ? r : fac_stream_of(handle, s);
}

CUresult cuStreamGetFlags(CUstream handle, unsigned *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r)
        *out = s->flags;
    return fac_leave(r);
}

CUresult cuStreamGetPriority(CUstream handle, int *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r)
        *out = s->priority;
    return fac_leave(r);
}

CUresult cuStreamGetId(CUstream handle, unsigned long long *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r)
        *out = s->id;
    return fac_leave(r);
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r)
        *out = s->context ? s->context : fac_current();
    return fac_leave(r);
}

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext *out, CUgreenCtx *green)
{
    CUresult r = cuStreamGetCtx(handle, out);
    if (!r && green)
        *green = NULL;
    return r;
}

CUresult cuStreamGetDevice(CUstream handle, CUdevice *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r)
        *out = (s->context ? s->context : fac_current())->device;
    return fac_leave(r);
}

CUresult cuStreamGetAttribute(CUstream handle, CUstreamAttrID id, CUstreamAttrValue *out)
{
    CUstream s;
    CUresult r = enter_stream(handle, out, &s);
    if (!r && (unsigned)id >= FAC_ATTRIBUTES)
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "stream attribute %d", (int)id);
    if (!r) {
        *out = s->attributes.value[id];
        if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY)
            out->priority = s->priority;
        else if (id == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY && !out->syncPolicy)
            out->syncPolicy = CU_SYNC_POLICY_AUTO;
    }
    return fac_leave(r);
}

CUresult cuStreamSetAttribute(CUstream handle, CUstreamAttrID id, const CUstreamAttrValue *value)
{
    CUstream s;
    CUresult r = enter_stream(handle, value, &s);
    if (!r)
        r = fac_attribute_set(&s->attributes, id, value);
    if (!r && id == CU_LAUNCH_ATTRIBUTE_PRIORITY)
        s->priority = value->priority;
    return fac_leave(r);
}

CUresult cuStreamCopyAttributes(CUstream to, CUstream from)
{
    CUstream d, s;
    CUresult r = enter_stream(to, &to, &d);
    if (!r)
        r = fac_stream_of(from, &s);
    if (!r)
        d->attributes = s->attributes;
    return fac_leave(r);
}

/* ---- host functions ---- */

CUresult cuLaunchHostFunc(CUstream s, CUhostFn fn, void *ud)
{
    fac_op op = {.kind = FAC_OP_HOST, .host = {.fn = fn, .userData = ud}};
    return fac_submit_alone(s, &op);
}

/* It is told of an error, and so runs after one. */
CUresult cuStreamAddCallback(CUstream handle, CUstreamCallback fn, void *ud, unsigned flags)
{
    fac_op op = {.kind = FAC_OP_CALLBACK, .callback = {.fn = fn, .stream = handle, .ud = ud}};
    CUstream s = NULL;
    CUresult r = fac_enter();
    const bool failed = r && r == fac.sticky;
    if ((!r || failed) && (flags || !fn))
        r = CUDA_ERROR_INVALID_VALUE;
    else if (failed)
        r = fac_op_run(&op);
    if (!r && !failed && !(r = fac_stream_of(handle, &s)) && s->capture)
        r = fac_capture_spoil(s->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (!r && !failed)
        r = fac_submit(handle, &op);
    return fac_leave(r);
}

/* Memory is everybody's: there is nothing to attach it to. */
CUresult cuStreamAttachMemAsync(CUstream handle, CUdeviceptr p, size_t n, unsigned flags)
{
    uint64_t start;
    size_t bytes;
    (void)n;
    CUstream s;
    CUresult r = enter_stream(handle, &p, &s);
    if (!r && flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST &&
        flags != CU_MEM_ATTACH_SINGLE)
        r = CUDA_ERROR_INVALID_VALUE;
    if (!r && !ptx_memory_range(fac.mem, p, &start, &bytes))
        r = fac_fail(CUDA_ERROR_INVALID_VALUE, "0x%llx is not managed memory", p);
    return fac_leave(r);
}
