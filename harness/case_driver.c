#include "harness/case_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number of ".target sm_90a", and whether it is one for that architecture alone. */
static int target_of(const ptx_case *c, bool *only)
{
    const char *p = strstr(ws_buf_z(&c->text), "\n.target sm_");
    char *end = NULL;
    long sm = p ? strtol(p + strlen("\n.target sm_"), &end, 10) : 0;
    *only = p && (*end == 'a' || *end == 'f');
    return (int)sm;
}

const char *case_driver_skips(cu_device *d, const ptx_case *c)
{
    bool only = false;
    int target = target_of(c, &only), have = cu_compute_capability(d);
    if (cu_is_engine(d))
        return NULL;
    if (target > have || (only && target != have))
        return "it is for another architecture than the device's";
    if (c->reason[0])
        return "a GPU does not tell what it expects, or loses its context over it";
    return c->n_counts ? "it expects counters, which a GPU does not have" : NULL;
}

static ws_status set_buffers(cu_device *d, const ptx_case *c, ptx_case_outcome *o, ws_err *err)
{
    ws_status st = WS_OK;
    for (int b = 0; b < c->n_buffers && !st; b++) {
        const ptx_case_buffer *x = &c->buffer[b];
        st = cu_alloc(d, x->bytes, x->name, &o->ptr[b], err);
        if (!st && x->init)
            st = cu_upload(d, o->ptr[b], x->init, x->bytes, err);
    }
    return st;
}

static ws_status encode(void *ud, const ptx_tensor_map *m, void *out, ws_err *err)
{
    return cu_tensor_map(ud, m, out, err);
}

static ws_status run_launches(cu_device *d, cu_module *m, const ptx_case *c, const ptx_module *text,
                              ptx_case_outcome *o, ws_err *err)
{
    _Alignas(PTX_TM_ALIGN) uint8_t params[PTX_CASE_PARAM_BYTES];
    ws_status st = WS_OK;
    for (int n = 0; n < c->n_launches && !st; n++) {
        const ptx_case_launch *l = &c->launch[n];
        const ptx_kernel_info *k = ptx_module_find(text, l->kernel);
        st = ptx_case_params(c, l, k, o->ptr, encode, d, params, err);
        if (st)
            return st;
        cu_launch_args args = {.kernel = l->kernel,
                               .shared_bytes = l->shared,
                               .cooperative = l->cooperative,
                               .params = params,
                               .params_bytes = k->param_bytes};
        memcpy(args.grid, l->grid, sizeof args.grid);
        memcpy(args.block, l->block, sizeof args.block);
        memcpy(args.cluster, l->cluster, sizeof args.cluster);
        st = cu_launch(d, m, &args, err);
        if (!st)
            st = cu_synchronize(d, err);
        for (int b = 0; b < c->n_buffers && !st; b++)
            if (c->buffer[b].free_after == n + 1)
                cu_free(d, o->ptr[b]);
    }
    return st;
}

/* The CPU driver's findings. What it refuses before a launch, as a GPU's driver does, is one, too.
 */
static ws_status take_report(cu_device *d, ptx_case_outcome *o, ws_status st, const ws_err *err)
{
    hx_reason reason = st ? cu_last_reason(d) : HX_PASS;
    cu_engine_report(d, &o->report);
    if (o->report.lines) { /* the driver's */
        const ptx_lines *lines = o->report.lines;
        o->report.lines = ws_malloc(sizeof *lines);
        memcpy(o->report.lines, lines, ptx_lines_bytes(lines));
    }
    cu_engine_printf(d, o->printed, sizeof o->printed);
    if (reason != HX_PASS && !o->report.n_faults) {
        ptx_fault *f = &o->report.fault[o->report.n_faults++];
        *f = (ptx_fault){.reason = reason};
        snprintf(f->text, sizeof f->text, "%.500s", err->msg);
    }
    return o->report.n_faults ? WS_OK : st;
}

ws_status case_driver_run(cu_device *d, const ptx_case *c, const ptx_options *options,
                          ptx_case_outcome *o, ws_err *err)
{
    memset(o, 0, sizeof *o);
    o->report.ok = true;
    ptx_module *text = NULL;
    cu_module *m = NULL;
    bool engine = cu_is_engine(d);
    if (engine)
        cu_engine_configure(d, options);
    ws_status st = ptx_module_load(c->text.p, c->text.n, NULL, &text, err);
    if (!st)
        st = cu_module_load(d, ws_buf_z(&c->text), c->text.n + 1, &m, err);
    if (!st)
        st = set_buffers(d, c, o, err);
    if (!st)
        st = run_launches(d, m, c, text, o, err);
    if (engine)
        st = take_report(d, o, st, err);
    for (int b = 0; !st && b < c->n_buffers; b++) {
        if (c->buffer[b].free_after)
            continue;
        o->data[b] = ws_malloc(c->buffer[b].bytes + 1);
        if (!o->report.n_faults)
            st = cu_download(d, o->data[b], o->ptr[b], c->buffer[b].bytes, err);
    }
    for (int b = 0; b < c->n_buffers; b++)
        if (o->ptr[b] && !c->buffer[b].free_after)
            cu_free(d, o->ptr[b]);
    if (m)
        cu_module_unload(d, m);
    ptx_module_free(text);
    return st;
}
