#include "harness/device/request.h"

#include "harness/ptx/ptx.h"

#include <string.h>

enum { ALIGN = 64 };

size_t dev_run_bytes(const run_request *r)
{
    size_t n = r->image_bytes + ALIGN;
    for (int i = 0; i < r->n_tensors; i++)
        n += 3 * (r->tensor[i].bytes + ALIGN);
    return n;
}

static ws_status encode_tensor(const run_tensor *t, dev_bulk_memory *bulk, jl_writer *w,
                               dev_places *at, ws_err *err)
{
    static const char *const roles[] = {"input", "output", "inout"};
    *at = (dev_places){SIZE_MAX, SIZE_MAX, SIZE_MAX};
    jl_open(w, NULL, '{');
    jl_put_text(w, "name", t->name);
    jl_put_text(w, "role", roles[t->role]);
    jl_put_int(w, "bytes", (int64_t)t->bytes);
    if (t->role != RUN_OUTPUT) {
        if (dev_bulk_add(bulk, t->in, t->bytes, &at->in, err))
            return err->status;
        jl_put_int(w, "in", (int64_t)at->in);
    }
    if (t->role != RUN_INPUT) {
        if (dev_bulk_add(bulk, NULL, t->bytes, &at->out, err))
            return err->status;
        jl_put_int(w, "out", (int64_t)at->out);
    }
    if (t->written) {
        if (dev_bulk_add(bulk, NULL, t->bytes, &at->written, err))
            return err->status;
        jl_put_int(w, "written", (int64_t)at->written);
    }
    jl_close(w, '}');
    return WS_OK;
}

static ws_status encode_tensors(const run_request *r, dev_bulk_memory *bulk, jl_writer *w,
                                dev_places *places, ws_err *err)
{
    jl_open(w, "tensors", '[');
    for (int i = 0; i < r->n_tensors; i++)
        if (encode_tensor(&r->tensor[i], bulk, w, &places[i], err))
            return ws_wrap(err, "tensor '%s'", r->tensor[i].name);
    jl_close(w, ']');
    jl_open(w, "scratch", '[');
    for (int i = 0; i < r->plan->n_scratch; i++) {
        jl_open(w, NULL, '{');
        jl_put_text(w, "name", r->scratch_name[i]);
        jl_put_int(w, "bytes", r->plan->scratch_bytes[i]);
        jl_close(w, '}');
    }
    jl_close(w, ']');
    return WS_OK;
}

/* Plans pass numbers, pointers and tensor maps. A kernel that takes more is one that the plan does
 * not launch. */
static int plain_params(const comp_kernel *k)
{
    for (int i = 0; i < k->n_params; i++)
        if (k->param[i].size > 8 && k->param[i].size != PTX_TM_BYTES)
            return 0;
    return k->n_params;
}

static void encode_kernels(const run_request *r, jl_writer *w)
{
    jl_open(w, "kernels", '[');
    for (int i = 0; i < r->n_kernels; i++) {
        jl_open(w, NULL, '{');
        jl_put_text(w, "name", r->kernel[i].name);
        jl_open(w, "params", '[');
        for (int k = 0; k < plain_params(&r->kernel[i]); k++) {
            const ptx_param *p = &r->kernel[i].param[k];
            jl_open(w, NULL, '[');
            jl_put_int(w, NULL, p->offset);
            jl_put_int(w, NULL, p->size);
            jl_put_bool(w, NULL, p->is_float);
            jl_close(w, ']');
        }
        jl_close(w, ']');
        jl_close(w, '}');
    }
    jl_close(w, ']');
}

static void encode_list(jl_writer *w, const char *key, const int64_t *v, int n)
{
    jl_open(w, key, '[');
    for (int i = 0; i < n; i++)
        jl_put_int(w, NULL, v[i]);
    jl_close(w, ']');
}

static void encode_arg(jl_writer *w, const plan_bound_arg *a)
{
    static const char *const kinds[] = {[PLAN_ARG_TENSOR] = "t", [PLAN_ARG_SCRATCH] = "s",
                                        [PLAN_ARG_INT] = "i", [PLAN_ARG_FLOAT] = "f",
                                        [PLAN_ARG_MAP] = "m"};
    jl_open(w, NULL, '[');
    jl_put_text(w, NULL, kinds[a->kind]);
    if (a->kind == PLAN_ARG_FLOAT)
        jl_put_number(w, NULL, a->number);
    else
        jl_put_int(w, NULL, a->kind == PLAN_ARG_INT ? a->integer : a->index);
    jl_close(w, ']');
}

/* Numbers as ptx_tensor_map has them; dims, strides and offset are elements, bytes and bytes. */
static void encode_map(jl_writer *w, const plan_bound_map *b)
{
    const ptx_tensor_map *m = &b->map;
    int64_t dim[PTX_TM_RANK], stride[PTX_TM_RANK], step[PTX_TM_RANK], box[PTX_TM_RANK];
    int64_t lower[3], upper[3];
    const int64_t kinds[] = {m->type, m->interleave, m->swizzle, m->promotion, m->fill};
    const bool is_im2col = m->mode == PTX_TM_IM2COL;
    for (int d = 0; d < PTX_TM_RANK; d++) {
        dim[d] = (int64_t)m->last[d] + 1;
        stride[d] = d + 1 < PTX_TM_RANK ? (int64_t)m->stride[d] : 0;
        step[d] = m->step[d];
        box[d] = m->box[d];
    }
    for (int d = 0; d < 3; d++) {
        lower[d] = m->lower[d];
        upper[d] = m->upper[d];
    }
    jl_open(w, NULL, '{');
    jl_put_text(w, "name", b->name);
    jl_put_text(w, "of", b->is_scratch ? "s" : "t");
    jl_put_int(w, "index", b->index);
    jl_put_int(w, "offset", (int64_t)m->address);
    encode_list(w, "kinds", kinds, WS_COUNT(kinds));
    encode_list(w, "dims", dim, m->rank);
    encode_list(w, "strides", stride, m->rank - 1);
    encode_list(w, "steps", step, m->rank);
    if (is_im2col) {
        encode_list(w, "lower", lower, m->rank - 2);
        encode_list(w, "upper", upper, m->rank - 2);
        jl_put_int(w, "channels", m->channels);
        jl_put_int(w, "pixels", m->pixels);
    } else {
        encode_list(w, "box", box, m->rank);
    }
    jl_close(w, '}');
}

static int kernel_index(const run_request *r, const char *name)
{
    for (int i = 0; i < r->n_kernels; i++)
        if (strcmp(r->kernel[i].name, name) == 0)
            return i;
    return -1;
}

static ws_status encode_launch(const run_request *r, const plan_bound_launch *l, jl_writer *w,
                               ws_err *err)
{
    const int kernel = kernel_index(r, l->kernel);
    if (kernel < 0 || r->kernel[kernel].n_params != l->n_args)
        return ws_fail(err, WS_EINPUT, "the plan does not fit kernel '%s'", l->kernel);
    jl_open(w, NULL, '{');
    jl_put_int(w, "kernel", kernel);
    encode_list(w, "grid", l->grid, 3);
    encode_list(w, "block", l->block, 3);
    encode_list(w, "cluster", l->cluster, 3);
    jl_put_int(w, "shared", l->shared);
    jl_put_int(w, "max_shared", l->max_dynamic_shared);
    jl_put_bool(w, "cooperative", l->cooperative);
    if (l->n_maps) {
        jl_open(w, "maps", '[');
        for (int i = 0; i < l->n_maps; i++)
            encode_map(w, &l->map[i]);
        jl_close(w, ']');
    }
    jl_open(w, "args", '[');
    for (int i = 0; i < l->n_args; i++)
        encode_arg(w, &l->arg[i]);
    jl_close(w, ']');
    jl_close(w, '}');
    return WS_OK;
}

ws_status dev_plan_encode(const run_request *r, dev_bulk_memory *bulk, jl_writer *w,
                          dev_places *places, ws_err *err)
{
    size_t image;
    if (dev_bulk_add(bulk, r->image, r->image_bytes, &image, err))
        return err->status;
    jl_open(w, "image", '{');
    jl_put_int(w, "at", (int64_t)image);
    jl_put_int(w, "bytes", (int64_t)r->image_bytes);
    jl_close(w, '}');
    if (encode_tensors(r, bulk, w, places, err))
        return err->status;
    encode_kernels(r, w);
    jl_open(w, "launches", '[');
    for (int i = 0; i < r->plan->n_launches; i++)
        if (encode_launch(r, &r->plan->launch[i], w, err))
            return err->status;
    jl_close(w, ']');
    return WS_OK;
}

ws_status dev_run_encode(const run_request *r, const unsigned char *poison, int n_poisons,
                         dev_bulk_memory *bulk, ws_buf *members, dev_places *places, ws_err *err)
{
    jl_writer w = {.out = members};
    jl_put_text(&w, "op", "run");
    jl_open(&w, "poisons", '[');
    for (int i = 0; i < n_poisons; i++)
        jl_put_int(&w, NULL, poison[i]);
    jl_close(&w, ']');
    return dev_plan_encode(r, bulk, &w, places, err);
}

ws_status dev_profile_encode(const run_request *r, int tier, dev_bulk_memory *bulk, ws_buf *members,
                             dev_places *places, ws_err *err)
{
    jl_writer w = {.out = members};
    jl_put_text(&w, "op", "profile");
    jl_put_int(&w, "tier", tier);
    return dev_plan_encode(r, bulk, &w, places, err);
}

void dev_run_collect(const run_request *r, const dev_bulk_memory *bulk, const dev_places *places)
{
    for (int i = 0; i < r->n_tensors; i++) {
        const run_tensor *t = &r->tensor[i];
        if (t->out && places[i].out != SIZE_MAX)
            memcpy(t->out, bulk->map + places[i].out, t->bytes);
        if (t->written && places[i].written != SIZE_MAX)
            memcpy(t->written, bulk->map + places[i].written, t->bytes);
    }
}
