/* The tensor maps of a launch: the words of "tensormaps", and what is left out. */
#include "harness/plan/internal.h"

#include "base/json.h"

#include <string.h>

/* One map while it is read. */
typedef struct reader {
    plan_parser *s;
    const cJSON *o;
    const char *at, *where; /* of the map's object */
    plan_map *m;
} reader;

static const char *path(const reader *r, const char *key)
{
    return ws_arena_printf(r->s->a, "%s.%s", r->where, key);
}

int plan_find_map(const plan_launch *l, const char *name)
{
    for (int i = 0; i < l->n_maps; i++)
        if (strcmp(l->map[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- element types ---- */

/* Beside the dtypes, which mean their bits. */
static const struct {
    const char *name;
    ptx_tm_type type;
} types[] = {{"u16", PTX_TM_U16},         {"u32", PTX_TM_U32},
             {"s32", PTX_TM_S32},         {"u64", PTX_TM_U64},
             {"s64", PTX_TM_S64},         {"f32_ftz", PTX_TM_F32_FTZ},
             {"tf32_ftz", PTX_TM_TF32_FTZ}};

static ptx_tm_type type_of(ws_dtype t)
{
    static const ptx_tm_type of[WS_DTYPE_COUNT] = {
        [WS_F64] = PTX_TM_F64,   [WS_F32] = PTX_TM_F32,  [WS_TF32] = PTX_TM_TF32,
        [WS_F16] = PTX_TM_F16,   [WS_BF16] = PTX_TM_BF16, [WS_I64] = PTX_TM_S64,
        [WS_I32] = PTX_TM_S32,   [WS_I16] = PTX_TM_U16,  [WS_E4M3] = PTX_TM_U8,
        [WS_E5M2] = PTX_TM_U8,   [WS_E2M1] = PTX_TM_U8,  [WS_I8] = PTX_TM_U8,
        [WS_U8] = PTX_TM_U8,     [WS_BOOL] = PTX_TM_U8};
    return of[t];
}

static bool read_type(reader *r, ws_dtype of)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->o, "type");
    const char *at = plan_json_member(r->at, "type");
    ws_dtype dtype;
    r->m->type = type_of(of);
    if (!v)
        return true;
    if (!cJSON_IsString(v))
        return plan_bad(r->s, at, "%s: expected a string such as \"f16\"", path(r, "type"));
    for (size_t i = 0; i < WS_COUNT(types); i++)
        if (strcmp(v->valuestring, types[i].name) == 0) {
            r->m->type = types[i].type;
            return true;
        }
    if (!plan_read_dtype(v->valuestring, &dtype) || dtype == WS_E2M1)
        return plan_bad(r->s, at,
                        "%s: unknown type '%s', expected one of f16, bf16, f32, f32_ftz, tf32, "
                        "tf32_ftz, f64, u8, u16, u32, s32, u64, s64",
                        path(r, "type"), v->valuestring);
    r->m->type = type_of(dtype);
    return true;
}

/* ---- what is mapped ---- */

static bool read_buffer(reader *r)
{
    const plan_names *names = r->s->names;
    const char *name;
    ws_err err = {0};
    if (ws_json_string(r->o, r->where, "tensor", &name, &err))
        return plan_bad_err(r->s, r->at, &err);
    const char *at = plan_json_member(r->at, "tensor");
    r->m->buffer = ws_arena_strdup(r->s->a, name);
    if ((r->m->index = plan_find_scratch(r->s->p, name)) >= 0) {
        r->m->is_scratch = true;
        return read_type(r, r->s->p->scratch[r->m->index].dtype);
    }
    if ((r->m->index = plan_find_name(names->tensor, names->n_tensors, name)) < 0)
        return plan_bad(r->s, at, "%s: '%s' is no tensor of the spec and no scratch buffer",
                        path(r, "tensor"), name);
    if (!names->shape)
        return plan_bad(r->s, at, "%s: the shape of '%s' is not known here", path(r, "tensor"),
                        name);
    r->m->shape = names->shape[r->m->index];
    return read_type(r, r->m->shape.dtype);
}

/* ---- lists of expressions ---- */

/* The list `key` of `n` expressions; *found: whether it is there. */
static bool read_list(reader *r, const char *key, int n, const char *of, const ws_expr **out,
                      bool *found)
{
    const char *at = plan_json_member(r->at, key);
    const cJSON *list, *v;
    *found = cJSON_HasObjectItem(r->o, key);
    if (!plan_array_member(r->s, r->o, r->at, ws_arena_printf(r->s->a, "%s.", r->where), key,
                           PTX_TM_RANK, &list))
        return false;
    if (list && cJSON_GetArraySize(list) != n)
        return plan_bad(r->s, at, "%s: %d entries, expected %d: %s", path(r, key),
                        cJSON_GetArraySize(list), n, of);
    int i = 0;
    cJSON_ArrayForEach(v, list)
    {
        const char *where = ws_arena_printf(r->s->a, "%s.%s[%d]", r->where, key, i);
        if (!plan_read_expr(r->s, plan_json_element(at, i), where, v, &out[i]))
            return false;
        i++;
    }
    return true;
}

/* Absent: the extents of the tensor, or of a scratch buffer its count. */
static bool read_dims(reader *r)
{
    plan_map *m = r->m;
    const bool is_packed = !m->is_scratch && m->shape.dtype == WS_E2M1;
    const cJSON *list;
    bool found;
    if (!plan_array_member(r->s, r->o, r->at, ws_arena_printf(r->s->a, "%s.", r->where), "dims",
                           PTX_TM_RANK, &list))
        return false;
    const int rank = list ? cJSON_GetArraySize(list) : m->is_scratch ? 1 : m->shape.rank;
    if (rank < 1 || rank > PTX_TM_RANK || (is_packed && !list))
        return plan_bad(r->s, list ? plan_json_member(r->at, "dims") : r->at,
                        list        ? "%s: %d entries, expected 1 to %d, the innermost dimension "
                                      "first"
                        : is_packed ? "%s: missing; of a dtype that packs elements (rank %d of at "
                                      "most %d) they are bytes"
                                    : "%s: missing; the tensor has %d dimensions, a map 1 to %d",
                        path(r, "dims"), rank, PTX_TM_RANK);
    m->rank = rank;
    if (!read_list(r, "dims", rank, "the innermost dimension first", m->dim, &found))
        return false;
    for (int d = 0; !found && d < rank; d++)
        m->dim[d] = m->is_scratch ? r->s->p->scratch[m->index].count
                                     : m->shape.dim[m->shape.rank - 1 - d];
    return true;
}

/* Absent: dense. */
static bool read_strides(reader *r)
{
    plan_map *m = r->m;
    bool found;
    if (!read_list(r, "strides", m->rank - 1,
                   "those of dimensions 1 on, in elements; dimension 0 is contiguous", m->stride,
                   &found))
        return false;
    for (int d = 0; !found && d + 1 < m->rank; d++)
        m->stride[d] = d ? ws_expr_binary(r->s->a, WS_X_MUL, m->stride[d - 1], m->dim[d])
                         : m->dim[0];
    return true;
}

static bool read_steps(reader *r)
{
    bool found;
    if (!read_list(r, "steps", r->m->rank, "one a dimension", r->m->step, &found))
        return false;
    for (int d = 0; !found && d < r->m->rank; d++)
        r->m->step[d] = ws_expr_const(r->s->a, 1);
    return true;
}

/* ---- one copy ---- */

static bool needs(reader *r, const char *key, bool found)
{
    return found || plan_bad(r->s, r->at, "%s: missing '%s'", r->where, key);
}

static bool read_tile(reader *r)
{
    bool found;
    return read_list(r, "box", r->m->rank, "one a dimension, the innermost first", r->m->box,
                     &found) &&
           needs(r, "box", found);
}

/* An optional expression; absent: `otherwise`, or with -1 an error. */
static bool read_one(reader *r, const char *key, int otherwise, const ws_expr **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->o, key);
    if (!v && otherwise < 0)
        return needs(r, key, false);
    if (!v) {
        *out = ws_expr_const(r->s->a, otherwise);
        return true;
    }
    return plan_read_expr(r->s, plan_json_member(r->at, key), path(r, key), v, out);
}

static bool read_pixels(reader *r)
{
    static const char of[] = "one a dimension between the channels and the images";
    plan_map *m = r->m;
    bool lower, upper;
    if (cJSON_HasObjectItem(r->o, "box"))
        return plan_bad(r->s, plan_json_member(r->at, "box"),
                        "%s: a map has either a box or, for im2col, lower, upper, channels and "
                        "pixels",
                        path(r, "box"));
    if (m->rank < 3)
        return plan_bad(r->s, r->at, "%s: im2col needs 3 to %d dimensions, these are %d", r->where,
                        PTX_TM_RANK, m->rank);
    return read_list(r, "lower", m->rank - 2, of, m->lower, &lower) && needs(r, "lower", lower) &&
           read_list(r, "upper", m->rank - 2, of, m->upper, &upper) && needs(r, "upper", upper) &&
           read_one(r, "channels", -1, &m->channels) && read_one(r, "pixels", -1, &m->pixels);
}

static bool read_copy(reader *r)
{
    static const char *const keys[] = {"lower", "upper", "channels", "pixels"};
    for (size_t i = 0; i < WS_COUNT(keys); i++)
        r->m->is_im2col |= cJSON_HasObjectItem(r->o, keys[i]);
    return r->m->is_im2col ? read_pixels(r) : read_tile(r);
}

static bool read_fill(reader *r)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->o, "fill");
    if (!v)
        return true;
    r->m->fills_nan = cJSON_IsString(v) && strcmp(v->valuestring, "nan") == 0;
    if (r->m->fills_nan || (cJSON_IsString(v) && strcmp(v->valuestring, "zero") == 0))
        return true;
    return plan_bad(r->s, plan_json_member(r->at, "fill"), "%s: expected \"zero\" or \"nan\"",
                    path(r, "fill"));
}

/* ---- the map ---- */

static bool read_map(reader *r)
{
    static const char *const known[] = {"name",    "tensor",     "type", "dims",      "strides",
                                        "box",     "steps",      "offset", "swizzle", "interleave",
                                        "fill",    "promotion",  "lower", "upper",    "channels",
                                        "pixels",  NULL};
    enum { PROMOTION = 128 }; /* the width of a line of L2, as libraries have it */
    plan_map *m = r->m;
    const char *name;
    ws_err err = {0};
    int column;
    if (ws_json_string(r->o, r->where, "name", &name, &err) ||
        ws_json_only(r->o, r->where, known, &err))
        return plan_bad_err(r->s, r->at, &err);
    if (!plan_new_name(r->s, plan_json_member(r->at, "name"), r->where, name))
        return false;
    m->name = ws_arena_strdup(r->s->a, name);
    m->line = plan_place(r->s, r->at ? r->at : r->s->text->json, &column);
    return read_buffer(r) && read_dims(r) && read_strides(r) && read_steps(r) && read_copy(r) &&
           read_fill(r) && read_one(r, "offset", 0, &m->offset) &&
           read_one(r, "swizzle", 0, &m->swizzle) && read_one(r, "interleave", 0, &m->interleave) &&
           read_one(r, "promotion", PROMOTION, &m->promotion);
}

bool plan_read_maps(plan_parser *s, const cJSON *launch, const char *at, const char *where,
                    plan_launch *l)
{
    const char *list_at = plan_json_member(at, "tensormaps");
    const cJSON *list, *o;
    if (!plan_array_member(s, launch, at, ws_arena_printf(s->a, "%s.", where), "tensormaps",
                           PLAN_MAX_MAPS, &list))
        return false;
    if (!list)
        return true;
    l->map = WS_ARENA_NEW(s->a, plan_map, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(o, list)
    {
        reader r = {s, o, plan_json_element(list_at, l->n_maps),
                    ws_arena_printf(s->a, "%s.tensormaps[%d]", where, l->n_maps),
                    &l->map[l->n_maps]};
        if (!cJSON_IsObject(o))
            return plan_bad(s, r.at, "%s: expected an object", r.where);
        if (!read_map(&r))
            return false;
        l->n_maps++;
    }
    return true;
}
