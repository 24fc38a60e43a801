/* Tensor maps at concrete sizes. Limits and rules are those of cuTensorMapEncodeTiled and
 * cuTensorMapEncodeIm2col in the driver API's manual, which ptx_tm_invalid() knows; what the plan
 * says in other units than the driver is checked here, in the plan's words. The starts of tensors
 * and scratch buffers are multiples of 256 bytes wherever plans run, so that offsets alone decide.
 */
#include "harness/plan/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BOX = 256, MAX_STEP = 8, MAX_CHANNELS = 256, MAX_PIXELS = 1024 };
#define MAX_DIM    (INT64_C(1) << 32)
#define MAX_STRIDE (INT64_C(1) << 40) /* bytes, not reached */

/* One map while it is bound. */
typedef struct binding {
    plan_binder *s;
    const plan_launch *l;
    const plan_map *from;
    plan_bound_map *to;
    int64_t bytes; /* of an element */
} binding;

WS_PRINTF(3, 4)
static bool refuse(const binding *b, hx_reason reason, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hx_reject(b->s->d, reason, b->from->line, 0, "kernel '%s': tensor map '%s': %s",
                     b->l->kernel, b->from->name, text);
}

/* What to do about a value that depends on the shape. */
static const char *advice(const ws_expr *e)
{
    int64_t ignored;
    return ws_expr_is_const(e, &ignored)
               ? ""
               : "; 'require' can leave such shapes out, or a launch before it copies to scratch "
                 "with padded rows";
}

static bool value(const binding *b, const ws_expr *e, const char *key, int d, int64_t *out)
{
    char what[160];
    snprintf(what, sizeof what, "kernel '%.60s': tensor map '%.60s': %s", b->l->kernel,
             b->from->name, key);
    if (d >= 0)
        snprintf(what + strlen(what), sizeof what - strlen(what), "[%d]", d);
    return plan_evaluate(b->s, e, b->from->line, what, out);
}

static bool in_range(const binding *b, const ws_expr *e, const char *key, int d, int64_t least,
                     int64_t most, int64_t *out)
{
    char index[16] = "";
    if (!value(b, e, key, d, out))
        return false;
    if (*out >= least && *out <= most)
        return true;
    if (d >= 0)
        snprintf(index, sizeof index, "[%d]", d);
    return refuse(b, HX_INVALID_LAUNCH, "%s%s is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                  key, index, *out, least, most);
}

/* ---- the tensor ---- */

/* Interleaved layouts take multiples of 32 bytes in the wider of the two. */
static int64_t alignment(const ptx_tensor_map *m)
{
    return m->interleave == 2 ? 32 : 16;
}

static bool bind_dims(const binding *b)
{
    ptx_tensor_map *m = &b->to->map;
    for (int d = 0; d < m->rank; d++) {
        int64_t v;
        if (!in_range(b, b->from->dim[d], "dims", d, 1, MAX_DIM, &v))
            return false;
        m->last[d] = (uint32_t)(v - 1);
    }
    return true;
}

static bool bind_strides(const binding *b)
{
    ptx_tensor_map *m = &b->to->map;
    for (int d = 0; d + 1 < m->rank; d++) {
        const ws_expr *e = b->from->stride[d];
        int64_t v;
        if (!in_range(b, e, "strides", d, 0, (MAX_STRIDE - 1) / b->bytes, &v))
            return false;
        if (v * b->bytes % alignment(m))
            return refuse(b, HX_INVALID_LAUNCH,
                          "strides[%d] is %" PRId64 " elements, %" PRId64
                          " bytes, and must be a multiple of %" PRId64 " bytes%s",
                          d, v, v * b->bytes, alignment(m), advice(e));
        m->stride[d] = (uint64_t)(v * b->bytes);
    }
    return true;
}

static bool bind_offset(const binding *b)
{
    int64_t v;
    if (!in_range(b, b->from->offset, "offset", -1, 0, INT64_MAX / 16, &v))
        return false;
    if (v * b->bytes % alignment(&b->to->map))
        return refuse(b, HX_INVALID_LAUNCH,
                      "offset is %" PRId64 " elements, %" PRId64
                      " bytes, and must be a multiple of %" PRId64 " bytes%s",
                      v, v * b->bytes, alignment(&b->to->map), advice(b->from->offset));
    b->to->map.address = (uint64_t)(v * b->bytes);
    return true;
}

/* ---- a copy ---- */

static bool bind_steps(const binding *b)
{
    for (int d = 0; d < b->to->map.rank; d++) {
        int64_t v;
        if (!in_range(b, b->from->step[d], "steps", d, 1, MAX_STEP, &v))
            return false;
        b->to->map.step[d] = (uint8_t)v;
    }
    return true;
}

static bool bind_box(const binding *b)
{
    for (int d = 0; d < b->to->map.rank; d++) {
        int64_t v;
        if (!in_range(b, b->from->box[d], "box", d, 1, MAX_BOX, &v))
            return false;
        b->to->map.box[d] = (uint16_t)v;
    }
    return true;
}

/* The limits of corners hang on the rank. */
static bool bind_pixels(const binding *b)
{
    ptx_tensor_map *m = &b->to->map;
    const int64_t corner = m->rank == 3 ? 1 << 15 : m->rank == 4 ? 1 << 7 : 1 << 4;
    int64_t channels, pixels;
    for (int d = 0; d < m->rank - 2; d++) {
        int64_t lower, upper;
        if (!in_range(b, b->from->lower[d], "lower", d, -corner, corner - 1, &lower) ||
            !in_range(b, b->from->upper[d], "upper", d, -corner, corner - 1, &upper))
            return false;
        m->lower[d] = (int16_t)lower;
        m->upper[d] = (int16_t)upper;
    }
    if (!in_range(b, b->from->channels, "channels", -1, 1, MAX_CHANNELS, &channels) ||
        !in_range(b, b->from->pixels, "pixels", -1, 1, MAX_PIXELS, &pixels))
        return false;
    m->channels = (uint16_t)channels;
    m->pixels = (uint16_t)pixels;
    return true;
}

/* One of a few widths in bytes; the map has its place among them. */
static bool bind_width(const binding *b, const ws_expr *e, const char *key, const int *widths,
                       int n, uint8_t *out)
{
    int64_t v;
    char list[40] = "";
    if (!value(b, e, key, -1, &v))
        return false;
    for (int i = 0; i < n; i++) {
        if (v == widths[i]) {
            *out = (uint8_t)i;
            return true;
        }
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d",
                 !i           ? ""
                 : i + 1 == n ? " or "
                              : ", ",
                 widths[i]);
    }
    return refuse(b, HX_INVALID_LAUNCH, "%s is %" PRId64 ", expected %s (bytes)", key, v, list);
}

static bool bind_widths(const binding *b)
{
    static const int swizzles[] = {0, 32, 64, 128}, interleaves[] = {0, 16, 32},
                     promotions[] = {0, 64, 128, 256};
    ptx_tensor_map *m = &b->to->map;
    return bind_width(b, b->from->swizzle, "swizzle", swizzles, WS_COUNT(swizzles), &m->swizzle) &&
           bind_width(b, b->from->interleave, "interleave", interleaves, WS_COUNT(interleaves),
                      &m->interleave) &&
           bind_width(b, b->from->promotion, "promotion", promotions, WS_COUNT(promotions),
                      &m->promotion);
}

/* ---- how far it reaches ---- */

static bool buffer_bytes(const binding *b, int64_t *out)
{
    const plan_shape *shape = &b->from->shape;
    int64_t count = 1;
    if (b->from->is_scratch) {
        *out = b->s->b->scratch_bytes[b->from->index];
        return true;
    }
    for (int a = 0; a < shape->rank; a++) {
        int64_t extent;
        if (!value(b, shape->dim[a], "the tensor's extent", a, &extent))
            return false;
        if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > INT64_MAX / 16)
            return refuse(b, HX_INVALID_LAUNCH, "the tensor is larger than the address space");
    }
    *out = (int64_t)ws_dtype_size(shape->dtype, (size_t)count);
    return true;
}

/* A map covers its dims by its strides, whatever the boxes are. */
static bool check_reach(const binding *b)
{
    const ptx_tensor_map *m = &b->to->map;
    uint64_t end;
    int64_t have = 0;
    if (!buffer_bytes(b, &have))
        return false;
    if (!plan_map_end(m, &end))
        return refuse(b, HX_INVALID_LAUNCH, "reaches beyond the address space");
    return end <= (uint64_t)have ||
           refuse(b, HX_INVALID_LAUNCH,
                  "reaches to byte %" PRIu64 " of '%s', which has %" PRId64
                  " bytes (dims and strides count elements, the innermost dimension first)",
                  end, b->from->buffer, have);
}

/* ---- the map ---- */

static bool bind_map(const binding *b)
{
    const plan_map *from = b->from;
    ptx_tensor_map *m = &b->to->map;
    char why[200];
    *b->to = (plan_bound_map){.is_scratch = from->is_scratch, .index = from->index};
    snprintf(b->to->name, sizeof b->to->name, "%s", from->name);
    *m = (ptx_tensor_map){.magic = PTX_TM_MAGIC,
                          .mode = from->is_im2col ? PTX_TM_IM2COL : PTX_TM_TILED,
                          .rank = (uint8_t)from->rank,
                          .type = (uint8_t)from->type,
                          .fill = from->fills_nan ? PTX_TM_FILL_NAN : PTX_TM_FILL_ZERO};
    if (!bind_widths(b) || !bind_dims(b) || !bind_strides(b) || !bind_offset(b) || !bind_steps(b) ||
        !(from->is_im2col ? bind_pixels(b) : bind_box(b)))
        return false;
    if (ptx_tm_invalid(m, why, sizeof why))
        return refuse(b, HX_INVALID_LAUNCH, "%s (a rule of %s)", why,
                      from->is_im2col ? "cuTensorMapEncodeIm2col" : "cuTensorMapEncodeTiled");
    const char *lacks = ptx_tm_unsupported(m);
    return lacks ? refuse(b, HX_UNSUPPORTED, "the CPU engine does not support %s", lacks)
                 : check_reach(b);
}

bool plan_bind_maps(plan_binder *s, const plan_launch *l, plan_bound_launch *o)
{
    o->n_maps = l->n_maps;
    o->map = WS_ARENA_NEW(s->a, plan_bound_map, l->n_maps + 1);
    for (int i = 0; i < l->n_maps; i++) {
        const ptx_tensor_map of_type = {.type = (uint8_t)l->map[i].type};
        const binding b = {s, l, &l->map[i], &o->map[i], (int64_t)ptx_tm_element_bytes(&of_type)};
        if (!bind_map(&b))
            return false;
    }
    return true;
}
