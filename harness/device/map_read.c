/* Tensor maps of a request. The driver checks what they say; here, that they are of buffers that
 * the run has, and inside them. */
#include "harness/device/program.h"

#include <stdio.h>
#include <string.h>

/* Between `least` and `most` whole numbers under `key`. */
static ws_status read_list(const jl_value *o, const char *key, int least, int most, int64_t *out,
                           int *n, ws_err *err)
{
    const jl_value *list;
    if (jl_array(o, key, &list, err))
        return err->status;
    if (list->n < least || list->n > most)
        return ws_fail(err, WS_EINPUT, "'%s': %d numbers", key, list->n);
    *n = 0;
    for (const jl_value *v = list->child; v; v = v->next) {
        if (v->kind != JL_INT)
            return ws_fail(err, WS_EINPUT, "'%s': expected whole numbers", key);
        out[(*n)++] = v->whole;
    }
    return WS_OK;
}

/* The same, each between two limits. */
static ws_status read_within(const jl_value *o, const char *key, int n, int64_t low, int64_t high,
                             int64_t *out, ws_err *err)
{
    int have;
    if (read_list(o, key, n, n, out, &have, err))
        return err->status;
    for (int i = 0; i < n; i++)
        if (out[i] < low || out[i] > high)
            return ws_fail(err, WS_EINPUT, "'%s': a number is out of range", key);
    return WS_OK;
}

static ws_status read_kinds(const jl_value *v, ptx_tensor_map *m, ws_err *err)
{
    static const int64_t end[] = {PTX_TM_TYPES, 3, PTX_TM_SWIZZLES, 4, 2};
    int64_t kind[WS_COUNT(end)];
    if (read_within(v, "kinds", WS_COUNT(end), 0, UINT8_MAX, kind, err))
        return err->status;
    for (size_t i = 0; i < WS_COUNT(end); i++)
        if (kind[i] >= end[i])
            return ws_fail(err, WS_EINPUT, "'kinds': a number is out of range");
    m->type = (uint8_t)kind[0];
    m->interleave = (uint8_t)kind[1];
    m->swizzle = (uint8_t)kind[2];
    m->promotion = (uint8_t)kind[3];
    m->fill = (uint8_t)kind[4];
    return ptx_tm_element_bytes(m) ? WS_OK
                                   : ws_fail(err, WS_EINPUT, "'kinds': a type of packed elements");
}

static ws_status read_tensor(const jl_value *v, ptx_tensor_map *m, ws_err *err)
{
    int64_t dim[PTX_TM_RANK], stride[PTX_TM_RANK], step[PTX_TM_RANK];
    int rank;
    if (read_list(v, "dims", 1, PTX_TM_RANK, dim, &rank, err) ||
        read_within(v, "strides", rank - 1, 0, INT64_C(1) << 40, stride, err) ||
        read_within(v, "steps", rank, 0, UINT8_MAX, step, err))
        return err->status;
    m->rank = (uint8_t)rank;
    for (int d = 0; d < rank; d++) {
        if (dim[d] < 1 || dim[d] > INT64_C(1) << 32)
            return ws_fail(err, WS_EINPUT, "'dims': a number is out of range");
        m->last[d] = (uint32_t)(dim[d] - 1);
        m->step[d] = (uint8_t)step[d];
        if (d)
            m->stride[d - 1] = (uint64_t)stride[d - 1];
    }
    return WS_OK;
}

static ws_status read_copy(const jl_value *v, ptx_tensor_map *m, ws_err *err)
{
    int64_t box[PTX_TM_RANK], lower[PTX_TM_RANK], upper[PTX_TM_RANK], channels, pixels;
    if (jl_get(v, "box")) {
        if (read_within(v, "box", m->rank, 0, UINT16_MAX, box, err))
            return err->status;
        for (int d = 0; d < m->rank; d++)
            m->box[d] = (uint16_t)box[d];
        return WS_OK;
    }
    m->mode = PTX_TM_IM2COL;
    if (m->rank < 3)
        return ws_fail(err, WS_EINPUT, "im2col in %d dimensions", m->rank);
    if (read_within(v, "lower", m->rank - 2, INT16_MIN, INT16_MAX, lower, err) ||
        read_within(v, "upper", m->rank - 2, INT16_MIN, INT16_MAX, upper, err) ||
        jl_int(v, "channels", 0, UINT16_MAX, &channels, err) ||
        jl_int(v, "pixels", 0, UINT16_MAX, &pixels, err))
        return err->status;
    for (int d = 0; d < m->rank - 2; d++) {
        m->lower[d] = (int16_t)lower[d];
        m->upper[d] = (int16_t)upper[d];
    }
    m->channels = (uint16_t)channels;
    m->pixels = (uint16_t)pixels;
    return WS_OK;
}

static ws_status read_map(const dev_program *p, const jl_value *v, plan_bound_map *out, ws_err *err)
{
    const char *name, *of;
    int64_t index, offset;
    if (jl_text(v, "name", &name, err) || jl_text(v, "of", &of, err))
        return err->status;
    out->is_scratch = strcmp(of, "s") == 0;
    const int n = out->is_scratch ? p->plan.n_scratch : p->n_tensors;
    if (!out->is_scratch && strcmp(of, "t") != 0)
        return ws_fail(err, WS_EINPUT, "a tensor map is of \"t\" or \"s\"");
    if (jl_int(v, "index", 0, n - 1, &index, err) ||
        jl_int(v, "offset", 0, INT64_MAX / 4, &offset, err) || read_kinds(v, &out->map, err) ||
        read_tensor(v, &out->map, err) || read_copy(v, &out->map, err))
        return ws_wrap(err, "tensor map '%.63s'", name);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->index = (int)index;
    out->map.magic = PTX_TM_MAGIC;
    out->map.address = (uint64_t)offset;
    const uint64_t bytes =
        out->is_scratch ? (uint64_t)p->plan.scratch_bytes[index] : (uint64_t)p->tensor[index].bytes;
    uint64_t end;
    return plan_map_end(&out->map, &end) && end <= bytes
               ? WS_OK
               : ws_fail(err, WS_EINPUT, "tensor map '%s' reaches beyond its buffer", out->name);
}

ws_status dev_maps_read(dev_worker *w, const dev_program *p, const jl_value *launch,
                        plan_bound_launch *out, ws_err *err)
{
    const jl_value *list = jl_get(launch, "maps");
    if (!list)
        return WS_OK;
    if (jl_array(launch, "maps", &list, err))
        return err->status;
    if (list->n > PLAN_MAX_MAPS)
        return ws_fail(err, WS_EINPUT, "%d tensor maps are too many", list->n);
    out->map = WS_ARENA_NEW(&w->arena, plan_bound_map, list->n + 1);
    for (const jl_value *v = list->child; v; v = v->next)
        if (read_map(p, v, &out->map[out->n_maps++], err))
            return err->status;
    return WS_OK;
}
