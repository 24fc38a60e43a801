/* What our own driver alone can do. */
#include "harness/driver_state.h"

#include <stdio.h>

static void engine_try(int r, const char *call)
{
    if (r)
        ws_bug("%s gave %d", call, r);
}

void cu_engine_configure(cu_device *d, const ptx_options *o)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_configure(o), "wsEngineConfigure");
}

void cu_engine_mark_uninitialized(cu_device *d, uint64_t ptr, size_t bytes)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_mark(ptr, bytes), "wsEngineMarkUninitialized");
}

void cu_engine_protect(cu_device *d, uint64_t ptr)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_protect(ptr), "wsEngineProtect");
}

void cu_engine_hold(cu_device *d, uint64_t ptr, size_t bytes, bool floats)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_hold(ptr, bytes, floats), "wsEngineHold");
}

void cu_engine_carve(cu_device *d, uint64_t ptr, size_t bytes)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_carve(ptr, bytes), "wsEngineCarve");
}

void cu_engine_written(cu_device *d, uint64_t ptr, size_t bytes, uint8_t *written)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_written(ptr, bytes, written), "wsEngineWritten");
}

bool cu_engine_variable(cu_device *d, cu_module *m, int i, cu_variable *out)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    return d->cu.engine_variable(m->module, i, out->name, sizeof out->name, &out->ptr,
                                 &out->bytes) == 0;
}

bool cu_engine_restart(cu_device *d, cu_module *m)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    return d->cu.engine_restart(m->module) == 0;
}

ws_status cu_engine_clock(cu_device *d, const char *gpu, const tim_noise *noise, uint64_t seed,
                          ws_err *err)
{
    ws_engine_clock c = {.seed = seed};
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    if (!gpu)
        return cu_try(d, (CUresult)d->cu.engine_clock(NULL), offsetof(symbols, engine_clock), err);
    snprintf(c.gpu, sizeof c.gpu, "%s", gpu);
    if (noise)
        c.noise = *noise;
    return cu_try(d, (CUresult)d->cu.engine_clock(&c), offsetof(symbols, engine_clock), err);
}

double cu_engine_clock_hz(cu_device *d)
{
    double hz = 0;
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_hz(&hz), "wsEngineClockHz");
    return hz;
}

void cu_engine_report(cu_device *d, ptx_report *out)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_report(out), "wsEngineReport");
}

void cu_engine_printf(cu_device *d, char *out, size_t size)
{
    if (!cu_is_engine(d))
        ws_bug("'%s' is not the CPU engine", d->name);
    engine_try(d->cu.engine_printf(out, size), "wsEnginePrintf");
}
