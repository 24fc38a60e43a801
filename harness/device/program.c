#include "harness/device/program.h"

#include "base/random.h"
#include "harness/launch.h"
#include "harness/ptx/ptx.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TENSORS = 65536, MAX_KERNELS = 4096 };

/* ---- reading ---- */

static ws_status read_role(const jl_value *t, run_tensor_role *out, ws_err *err)
{
    static const char *const names[] = {"input", "output", "inout"};
    const char *role;
    if (jl_text(t, "role", &role, err))
        return err->status;
    for (int i = 0; i < 3; i++)
        if (strcmp(role, names[i]) == 0) {
            *out = (run_tensor_role)i;
            return WS_OK;
        }
    return ws_fail(err, WS_EINPUT, "unknown role '%s'", role);
}

static ws_status read_place(const dev_worker *w, const jl_value *t, const char *key, size_t bytes,
                            bool needed, unsigned char **out, ws_err *err)
{
    int64_t at;
    *out = NULL;
    if (!needed && !jl_get(t, key))
        return WS_OK;
    return jl_int(t, key, 0, INT64_MAX, &at, err)
               ? err->status
               : dev_bulk_at(w, at, (int64_t)bytes, out, err);
}

static ws_status read_tensor(const dev_worker *w, const jl_value *t, dev_tensor *out, ws_err *err)
{
    int64_t bytes;
    if (jl_text(t, "name", &out->name, err) || read_role(t, &out->role, err) ||
        jl_int(t, "bytes", 0, INT64_MAX / 4, &bytes, err))
        return err->status;
    out->bytes = (size_t)bytes;
    if (read_place(w, t, "in", out->bytes, out->role != RUN_OUTPUT, &out->in, err) ||
        read_place(w, t, "out", out->bytes, out->role != RUN_INPUT, &out->out, err) ||
        read_place(w, t, "written", out->bytes, false, &out->written, err))
        return ws_wrap(err, "tensor '%s'", out->name);
    return WS_OK;
}

static ws_status read_tensors(dev_worker *w, const jl_value *list, dev_program *p, ws_err *err)
{
    p->tensor = WS_ARENA_NEW(&w->arena, dev_tensor, list->n + 1);
    p->tensor_at = WS_ARENA_NEW(&w->arena, uint64_t, list->n + 1);
    if (list->n > MAX_TENSORS)
        return ws_fail(err, WS_EINPUT, "%d tensors are too many", list->n);
    for (const jl_value *t = list->child; t; t = t->next)
        if (read_tensor(w, t, &p->tensor[p->n_tensors++], err))
            return err->status;
    return WS_OK;
}

static ws_status read_scratch(dev_worker *w, const jl_value *list, dev_program *p, ws_err *err)
{
    p->scratch = WS_ARENA_NEW(&w->arena, dev_buffer, list->n + 1);
    p->scratch_at = WS_ARENA_NEW(&w->arena, uint64_t, list->n + 1);
    p->scratch_name = WS_ARENA_NEW(&w->arena, const char *, list->n + 1);
    p->plan.scratch_bytes = WS_ARENA_NEW(&w->arena, int64_t, list->n + 1);
    if (list->n > PLAN_MAX_SCRATCH)
        return ws_fail(err, WS_EINPUT, "%d scratch buffers are too many", list->n);
    for (const jl_value *s = list->child; s; s = s->next) {
        const int i = p->plan.n_scratch++;
        if (jl_text(s, "name", &p->scratch_name[i], err) ||
            jl_int(s, "bytes", 1, INT64_MAX / 4, &p->plan.scratch_bytes[i], err))
            return err->status;
    }
    return WS_OK;
}

/* [x, y, z]; *out is left alone when the member is absent. */
static ws_status read_triple(const jl_value *o, const char *key, int64_t min, int64_t out[3],
                             ws_err *err)
{
    const jl_value *v = jl_get(o, key);
    if (!v)
        return WS_OK;
    if (v->kind != JL_ARRAY || v->n != 3)
        return ws_fail(err, WS_EINPUT, "'%s': expected three numbers", key);
    int i = 0;
    for (const jl_value *x = v->child; x; x = x->next) {
        if (x->kind != JL_INT || x->whole < min || x->whole > UINT32_MAX)
            return ws_fail(err, WS_EINPUT, "'%s': a number is out of range", key);
        out[i++] = x->whole;
    }
    return WS_OK;
}

/* [offset, size, is float] */
static ws_status read_param(const jl_value *v, ptx_param *out, ws_err *err)
{
    const jl_value *offset = v->kind == JL_ARRAY && v->n == 3 ? v->child : NULL;
    const jl_value *size = offset ? offset->next : NULL, *is_float = size ? size->next : NULL;
    if (!offset || offset->kind != JL_INT || size->kind != JL_INT || is_float->kind != JL_BOOL ||
        offset->whole < 0 || size->whole < 1 ||
        (size->whole > 8 && size->whole != PTX_TM_BYTES) || (size->whole & (size->whole - 1)) ||
        offset->whole > PLAN_PARAM_BYTES - size->whole ||
        (is_float->yes && (size->whole < 4 || size->whole > 8)))
        return ws_fail(err, WS_EINPUT, "a parameter is [offset, size, whether it is a float]");
    *out = (ptx_param){.offset = (uint32_t)offset->whole, .size = (uint32_t)size->whole,
                       .is_float = is_float->yes};
    return WS_OK;
}

static ws_status read_kernels(dev_worker *w, const jl_value *list, dev_program *p, ws_err *err)
{
    p->kernel = WS_ARENA_NEW(&w->arena, comp_kernel, list->n + 1);
    if (list->n > MAX_KERNELS)
        return ws_fail(err, WS_EINPUT, "%d kernels are too many", list->n);
    for (const jl_value *k = list->child; k; k = k->next) {
        comp_kernel *out = &p->kernel[p->n_kernels++];
        const jl_value *params;
        if (jl_text(k, "name", &out->name, err) || jl_array(k, "params", &params, err))
            return err->status;
        out->param = WS_ARENA_NEW(&w->arena, ptx_param, params->n + 1);
        for (const jl_value *v = params->child; v; v = v->next)
            if (read_param(v, &out->param[out->n_params++], err))
                return ws_wrap(err, "kernel '%s'", out->name);
    }
    return WS_OK;
}

/* ["t", tensor], ["s", scratch], ["i", integer], ["f", number] or ["m", tensor map] */
static ws_status read_arg(const dev_program *p, const jl_value *v, const ptx_param *to, int n_maps,
                          plan_bound_arg *out, ws_err *err)
{
    const jl_value *kind = v->kind == JL_ARRAY && v->n == 2 ? v->child : NULL;
    const jl_value *x = kind ? kind->next : NULL;
    if (!x || kind->kind != JL_TEXT || (x->kind != JL_INT && x->kind != JL_NUMBER))
        return ws_fail(err, WS_EINPUT, "an argument is [kind, value]");
    const bool whole = x->kind == JL_INT, pointer = whole && to->size == 8 && !to->is_float;
    switch (kind->text[0]) {
    case 't':
        *out = (plan_bound_arg){.kind = PLAN_ARG_TENSOR, .index = (int)x->whole};
        return pointer && x->whole >= 0 && x->whole < p->n_tensors
                   ? WS_OK
                   : ws_fail(err, WS_EINPUT, "a tensor argument does not fit");
    case 's':
        *out = (plan_bound_arg){.kind = PLAN_ARG_SCRATCH, .index = (int)x->whole};
        return pointer && x->whole >= 0 && x->whole < p->plan.n_scratch
                   ? WS_OK
                   : ws_fail(err, WS_EINPUT, "a scratch argument does not fit");
    case 'i':
        *out = (plan_bound_arg){.kind = PLAN_ARG_INT, .integer = x->whole};
        return whole && to->size <= 8 ? WS_OK
                                      : ws_fail(err, WS_EINPUT, "an integer argument is none");
    case 'f':
        *out = (plan_bound_arg){.kind = PLAN_ARG_FLOAT, .number = x->number};
        return to->is_float ? WS_OK : ws_fail(err, WS_EINPUT, "a float argument does not fit");
    case 'm':
        *out = (plan_bound_arg){.kind = PLAN_ARG_MAP, .index = (int)x->whole};
        return whole && to->size == PTX_TM_BYTES && x->whole >= 0 && x->whole < n_maps
                   ? WS_OK
                   : ws_fail(err, WS_EINPUT, "a tensor map argument does not fit");
    default:
        return ws_fail(err, WS_EINPUT, "unknown kind of argument '%s'", kind->text);
    }
}

static ws_status read_args(dev_worker *w, const dev_program *p, const jl_value *list,
                           const comp_kernel *k, plan_bound_launch *out, ws_err *err)
{
    if (list->n != k->n_params)
        return ws_fail(err, WS_EINPUT, "%d arguments for %d parameters", list->n, k->n_params);
    out->arg = WS_ARENA_NEW(&w->arena, plan_bound_arg, list->n + 1);
    for (const jl_value *v = list->child; v; v = v->next, out->n_args++)
        if (read_arg(p, v, &k->param[out->n_args], out->n_maps, &out->arg[out->n_args],
                     err))
            return err->status;
    return WS_OK;
}

static ws_status read_launch(dev_worker *w, dev_program *p, const jl_value *v, int i, ws_err *err)
{
    plan_bound_launch *out = &p->plan.launch[i];
    const jl_value *args;
    int64_t kernel;
    *out = (plan_bound_launch){.grid = {1, 1, 1}, .block = {1, 1, 1}};
    if (jl_int(v, "kernel", 0, p->n_kernels - 1, &kernel, err) ||
        read_triple(v, "grid", 1, out->grid, err) || read_triple(v, "block", 1, out->block, err) ||
        read_triple(v, "cluster", 0, out->cluster, err) || jl_array(v, "args", &args, err))
        return err->status;
    p->of_launch[i] = &p->kernel[kernel];
    out->kernel = p->kernel[kernel].name;
    out->shared = jl_int_or(v, "shared", 0);
    out->max_dynamic_shared = jl_int_or(v, "max_shared", 0);
    out->cooperative = jl_bool_or(v, "cooperative", false);
    if (out->shared < 0 || out->shared > INT_MAX || out->max_dynamic_shared < 0 ||
        out->max_dynamic_shared > INT_MAX)
        return ws_fail(err, WS_EINPUT, "shared memory is out of range");
    if (dev_maps_read(w, p, v, out, err))
        return err->status;
    return read_args(w, p, args, p->of_launch[i], out, err);
}

static ws_status read_launches(dev_worker *w, const jl_value *list, dev_program *p, ws_err *err)
{
    if (list->n > PLAN_MAX_LAUNCHES)
        return ws_fail(err, WS_EINPUT, "%d launches are too many", list->n);
    p->plan.launch = WS_ARENA_NEW(&w->arena, plan_bound_launch, list->n + 1);
    p->of_launch = WS_ARENA_NEW(&w->arena, const comp_kernel *, list->n + 1);
    for (const jl_value *v = list->child; v; v = v->next, p->plan.n_launches++)
        if (read_launch(w, p, v, p->plan.n_launches, err))
            return ws_wrap(err, "launch %d", p->plan.n_launches + 1);
    return WS_OK;
}

ws_status dev_program_read(dev_worker *w, const jl_value *request, dev_program *out, ws_err *err)
{
    const jl_value *tensors, *scratch, *kernels, *launches;
    unsigned char *image;
    *out = (dev_program){0};
    if (dev_bulk(w, request, "image", &image, &out->image_bytes, err) ||
        jl_array(request, "tensors", &tensors, err) ||
        jl_array(request, "scratch", &scratch, err) ||
        jl_array(request, "kernels", &kernels, err) ||
        jl_array(request, "launches", &launches, err) || read_tensors(w, tensors, out, err) ||
        read_scratch(w, scratch, out, err) || read_kernels(w, kernels, out, err) ||
        read_launches(w, launches, out, err))
        return err->status;
    out->image = image;
    return ws_random(&out->key, sizeof out->key, err);
}

/* ---- on the device ---- */

static ws_status make_buffers(dev_worker *w, dev_program *p, ws_err *err)
{
    for (int i = 0; i < p->n_tensors; i++) {
        dev_tensor *t = &p->tensor[i];
        if (dev_buffer_new(w->d, t->name, t->bytes, &p->key, (uint64_t)i, &t->buffer, err))
            return err->status;
        p->tensor_at[i] = t->buffer.ptr;
        if (t->in && cu_upload(w->d, t->buffer.ptr, t->in, t->bytes, err))
            return err->status;
        if (t->in)
            t->digest = dev_digest(&p->key, 0, t->in, t->bytes);
    }
    for (int i = 0; i < p->plan.n_scratch; i++) {
        if (dev_buffer_new(w->d, p->scratch_name[i], (size_t)p->plan.scratch_bytes[i], &p->key,
                           (uint64_t)(p->n_tensors + i), &p->scratch[i], err))
            return err->status;
        p->scratch_at[i] = p->scratch[i].ptr;
    }
    return WS_OK;
}

ws_status dev_program_load(dev_worker *w, dev_program *p, ws_err *err)
{
    if (cu_module_load(w->d, p->image, p->image_bytes, &p->module, err))
        return dev_explain(w, err);
    return make_buffers(w, p, err);
}

static ws_status poison(dev_worker *w, const dev_buffer *b, unsigned char byte, ws_err *err)
{
    if (cu_fill(w->d, b->ptr, byte, b->bytes, err))
        return err->status;
    if (cu_is_engine(w->d) && b->bytes)
        cu_engine_mark_uninitialized(w->d, b->ptr, b->bytes);
    return WS_OK;
}

ws_status dev_program_prepare(dev_worker *w, dev_program *p, unsigned char byte, ws_err *err)
{
    for (int i = 0; i < p->n_tensors; i++) {
        const dev_tensor *t = &p->tensor[i];
        if (t->role == RUN_OUTPUT && poison(w, &t->buffer, byte, err))
            return err->status;
        if (t->role == RUN_INOUT && cu_upload(w->d, t->buffer.ptr, t->in, t->bytes, err))
            return err->status;
    }
    for (int i = 0; i < p->plan.n_scratch; i++)
        if (poison(w, &p->scratch[i], byte, err))
            return err->status;
    return WS_OK;
}

ws_status dev_program_enqueue(dev_worker *w, dev_program *p, int *at, ws_err *err)
{
    for (*at = 0; *at < p->plan.n_launches; ++*at) {
        if (launch_bound(w->d, p->module, &p->plan.launch[*at], p->of_launch[*at], p->tensor_at,
                         p->scratch_at, err))
            return err->status;
        /* The engine has run it by now; its fault belongs to this launch. */
        if (cu_is_engine(w->d) && cu_synchronize(w->d, err))
            return err->status;
    }
    return WS_OK;
}

ws_status dev_program_launch(dev_worker *w, dev_program *p, ws_err *err)
{
    int at;
    if (!dev_program_enqueue(w, p, &at, err) && !cu_synchronize(w->d, err))
        return WS_OK;
    if (dev_explain(w, err))
        return err->status;
    if (at < p->plan.n_launches && p->plan.n_launches > 1) {
        char text[sizeof w->text];
        snprintf(text, sizeof text, "%s", w->text);
        snprintf(w->text, sizeof w->text, "launch %d of %d: %.960s", at + 1, p->plan.n_launches,
                 text);
    }
    return WS_OK;
}

/* ---- afterwards ---- */

static ws_status examine_zones(dev_worker *w, dev_program *p, ws_err *err)
{
    for (int i = 0; i < p->n_tensors + p->plan.n_scratch; i++) {
        const dev_buffer *b =
            i < p->n_tensors ? &p->tensor[i].buffer : &p->scratch[i - p->n_tensors];
        bool broken;
        int64_t at;
        if (dev_buffer_check(w->d, b, &p->key, &broken, &at, err))
            return err->status;
        if (broken)
            return at < 0 ? dev_reject(w, HX_OUT_OF_BOUNDS,
                                       "a kernel wrote %" PRId64 " bytes before buffer '%s'", -at,
                                       b->name)
                          : dev_reject(w, HX_OUT_OF_BOUNDS,
                                       "a kernel wrote at byte %" PRId64
                                       " of buffer '%s', past its end", at, b->name);
    }
    return WS_OK;
}

ws_status dev_program_examine(dev_worker *w, dev_program *p, ws_err *err)
{
    if (examine_zones(w, p, err) || w->reason != HX_PASS)
        return err->status;
    for (int i = 0; i < p->n_tensors; i++) {
        const dev_tensor *t = &p->tensor[i];
        uint64_t now;
        if (t->role != RUN_INPUT)
            continue;
        if (dev_buffer_digest(w->d, &t->buffer, &p->key, &now, err))
            return err->status;
        if (now != t->digest)
            return dev_reject(w, HX_INPUT_MODIFIED, "a kernel changed input '%s'", t->name);
    }
    return WS_OK;
}

void dev_program_unload(dev_worker *w, dev_program *p)
{
    for (int i = 0; i < p->n_tensors; i++)
        dev_buffer_free(w->d, &p->tensor[i].buffer);
    for (int i = 0; i < p->plan.n_scratch; i++)
        dev_buffer_free(w->d, &p->scratch[i]);
    cu_module_unload(w->d, p->module);
    p->module = NULL;
}
